#include "../../benchmarks/tune.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace benchmarks;

namespace {

// What a machine with these values would measure.
std::vector<tuning_cell> measured_by(const tutti::cost_model& truth, int ranks) {
  std::vector<tuning_cell> cells;
  for (const tutti::repertoire_entry& entry : tutti::repertoire) {
    if (entry.what == tutti::collective::barrier || !tutti::fits(entry.how, {ranks})) continue;
    for (std::size_t bytes = 64; bytes <= std::size_t{16} << 20; bytes *= 16)
      cells.push_back({entry.what, entry.how, bytes, tutti::predict(entry.what, entry.how, {ranks}, bytes, truth)});
  }
  return cells;
}

}  // namespace

TEST_CASE("a fit explains what another machine measured, and chooses as that machine would") {
  tutti::cost_model truth;
  truth.link.latency_s *= 7;
  truth.link.step_s *= 3;
  truth.link.fold_bytes_per_s /= 2.5;
  truth.link.far_bytes_per_s *= 1.7;
  truth.folds_at_once *= 2.2;
  truth.waits_in_line /= 3;
  for (int cores : {0, 2}) {
    CAPTURE(cores);
    truth.cores = cores;
    const auto cells = measured_by(truth, 4);
    tutti::cost_model start;
    start.cores = cores;
    const tutti::cost_model found = fit(start, {4}, cells);
    double before = 0, after = 0;
    for (const tuning_cell& c : cells) {
      before = std::fmax(before, std::fabs(std::log(tutti::predict(c.what, c.how, {4}, c.bytes, start) / c.seconds)));
      after = std::fmax(after, std::fabs(std::log(tutti::predict(c.what, c.how, {4}, c.bytes, found) / c.seconds)));
    }
    CHECK(before > 0.5);
    CHECK(after < 0.2);
    for (const regret& r : regrets(found, {4}, cells)) {
      CHECK(r.ratio >= 1);
      CHECK(r.ratio < 1.1);
    }
  }
}

TEST_CASE("a choice is held against the fastest of its collective and size") {
  const auto all = regrets({}, {2},
                           {{tutti::collective::broadcast, tutti::algorithm::tree, 8, 3e-6},
                            {tutti::collective::broadcast, tutti::algorithm::double_tree, 8, 2e-6},
                            {tutti::collective::broadcast, tutti::algorithm::tree, 64, 1e-6}});
  REQUIRE(all.size() == 2);
  const bool tree = all[0].chosen == tutti::algorithm::tree;
  CHECK(all[0].ratio == (tree ? 1.5 : 1));
  CHECK(all[0].fastest == tutti::algorithm::double_tree);
  CHECK(all[1].bytes == 64);
}
