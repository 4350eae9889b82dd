#pragma once
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include <tutti/analysis/link_model.hpp>
#include <tutti/base/error.hpp>

namespace tutti {

/// What a machine's links cost, as `tutti-perf --tune` measures it: what plans
/// are chosen by. The defaults are the project's own measurements.
struct tuning {
  link_model window = window_link, message = message_link;
  double switch_s = cost_model{}.switch_s;
};

namespace detail {

struct tuned_value {
  const char* name;
  double link_model::*value;
};
inline constexpr tuned_value tuned_values[] = {{"latency_s", &link_model::latency_s},
                                               {"step_s", &link_model::step_s},
                                               {"send_bytes_per_s", &link_model::send_bytes_per_s},
                                               {"recv_bytes_per_s", &link_model::recv_bytes_per_s},
                                               {"fold_bytes_per_s", &link_model::fold_bytes_per_s},
                                               {"wire_bytes_per_s", &link_model::wire_bytes_per_s},
                                               {"near_bytes", &link_model::near_bytes},
                                               {"far_bytes_per_s", &link_model::far_bytes_per_s}};

/// Where a value of that name is kept; null where there is none.
inline double* find_tuned(tuning& t, const std::string& name) {
  if (name == "switch_s") return &t.switch_s;
  for (const auto& [prefix, of] : {std::pair("window.", &t.window), std::pair("message.", &t.message)})
    if (name.rfind(prefix, 0) == 0)
      for (const tuned_value& v : tuned_values)
        if (name.substr(std::strlen(prefix)) == v.name) return &(of->*v.value);
  return nullptr;
}

}  // namespace detail

/// Lines of `name value`, `#` beginning a comment; what is not named stays as
/// it is. Throws `invalid_argument`, which names `file` and the line.
inline tuning parse_tuning(const std::string& text, const std::string& file) {
  tuning t;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    line = line.substr(0, line.find('#'));
    std::istringstream words(line);
    std::string name, value, more;
    if (!(words >> name)) continue;
    words >> value >> more;
    double* into = detail::find_tuned(t, name);
    if (!into)
      throw error(errc::invalid_argument, format("%s:%d: '%s' is no value of a tuning", file.c_str(), number, name.c_str()));
    char* end = nullptr;
    const double measured = std::strtod(value.c_str(), &end);
    if (value.empty() || *end != '\0' || !more.empty() || !std::isfinite(measured) || measured < 0)
      throw error(errc::invalid_argument, format("%s:%d: '%s' takes one number, 0 or more", file.c_str(), number, name.c_str()));
    *into = measured;
  }
  return t;
}

/// Throws `invalid_argument` where the file cannot be read, or is not a tuning.
inline tuning read_tuning(const std::string& file) {
  std::ifstream in(file);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in || in.bad()) throw error(errc::invalid_argument, format("the tuning %s cannot be read", file.c_str()));
  return parse_tuning(text, file);
}

/// What `parse_tuning` reads back to the same values.
inline std::string tuning_text(const tuning& t) {
  std::string text;
  for (const auto& [prefix, of] : {std::pair("window.", &t.window), std::pair("message.", &t.message)})
    for (const detail::tuned_value& v : detail::tuned_values) text += format("%s%s %.17g\n", prefix, v.name, of->*v.value);
  return text + format("switch_s %.17g\n", t.switch_s);
}

}  // namespace tutti
