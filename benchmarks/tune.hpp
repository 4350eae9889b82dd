#pragma once
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <tutti/analysis/cost.hpp>
#include <tutti/comm/tuning.hpp>

namespace benchmarks {

/// One algorithm at one size, as it was measured.
struct tuning_cell {
  tutti::collective what{};
  tutti::algorithm how{};
  std::size_t bytes = 0;
  double seconds = 0;
};

/// Finds the link's values, and the model's, that explain what was measured: the least sum of
/// squared logarithms of predicted over measured, looked for value by value in
/// steps that get smaller. Starts from `model`; deterministic.
inline tutti::cost_model fit(tutti::cost_model model, const tutti::team& all, const std::vector<tuning_cell>& cells) {
  std::vector<double*> values;
  for (const tutti::detail::tuned_value& v : tutti::detail::tuned_values)
    if (model.link.*v.value > 0) values.push_back(&(model.link.*v.value));
  if (model.cores > 0) values.push_back(&model.switch_s);
  if (all.hosts() == 1 && all.size > 2) {
    values.push_back(&model.folds_at_once);
    if (model.cores > 0 && model.cores < all.size) values.push_back(&model.waits_in_line);
  }
  auto distance = [&] {
    double sum = 0;
    for (const tuning_cell& c : cells) {
      const double seconds = tutti::predict(c.what, c.how, all, c.bytes, model);
      if (seconds > 0 && c.seconds > 0) sum += std::pow(std::log(seconds / c.seconds), 2);
    }
    return sum;
  };
  double least = distance();
  for (double factor : {4.0, 2.0, 1.4, 1.15, 1.05})
    for (bool better = true; better;) {
      better = false;
      for (double* value : values)
        for (double by : {factor, 1 / factor}) {
          const double before = *value;
          *value = before * by;
          const double now = distance();
          // What hardly matters is left alone: no value runs away.
          if (now < least * 0.999) {
            least = now;
            better = true;
          } else {
            *value = before;
          }
        }
    }
  return model;
}

/// How much slower the model's choice is than the fastest, where that was
/// measured, one number a collective and size.
struct regret {
  tutti::collective what{};
  std::size_t bytes = 0;
  tutti::algorithm chosen{}, fastest{};
  double ratio = 1;
};

inline std::vector<regret> regrets(const tutti::cost_model& model, const tutti::team& ranks, const std::vector<tuning_cell>& cells) {
  std::vector<regret> all;
  for (const tuning_cell& c : cells) {
    bool seen = false;
    for (const regret& known : all) seen |= known.what == c.what && known.bytes == c.bytes;
    if (seen) continue;
    regret r{.what = c.what, .bytes = c.bytes, .chosen = tutti::choose(c.what, ranks, c.bytes, true, model)};
    double least = 0, taken = 0;
    for (const tuning_cell& other : cells) {
      if (other.what != c.what || other.bytes != c.bytes) continue;
      if (least == 0 || other.seconds < least) least = other.seconds, r.fastest = other.how;
      if (other.how == r.chosen) taken = other.seconds;
    }
    if (least > 0 && taken > 0) r.ratio = taken / least;
    all.push_back(r);
  }
  return all;
}

inline void print_regrets(std::FILE* to, const std::vector<regret>& all) {
  std::fprintf(to, "# %-14s %12s %14s %14s %9s\n", "collective", "bytes", "chosen", "fastest", "slower by");
  std::size_t wrong = 0;
  for (const regret& r : all) {
    std::fprintf(to, "# %-14s %12zu %14s %14s %8.0f%%\n", tutti::name_of(r.what), r.bytes, tutti::name_of(r.chosen),
                 tutti::name_of(r.fastest), 100 * (r.ratio - 1));
    wrong += r.ratio > 1.1;
  }
  std::fprintf(to, "# %zu of %zu choices are more than 10 %% slower than the fastest\n", wrong, all.size());
}

}  // namespace benchmarks
