#pragma once
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>

#include <tutti/analysis/link_model.hpp>
#include <tutti/base/error.hpp>
#include <tutti/comm/device_cost.hpp>

namespace tutti {

/// What a machine's links cost, as `tutti-perf --tune` measures it: what plans
/// are chosen by. The defaults are the project's own measurements.
struct tuning {
  link_model window = window_link, message = message_link;
  double switch_s = cost_model{}.switch_s, folds_at_once = cost_model{}.folds_at_once, waits_in_line = cost_model{}.waits_in_line;
  device_costs on_devices{};
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

struct tuned_of_model {
  const char* name;
  double tuning::*value;
  double cost_model::*stands_for;
};
inline constexpr tuned_of_model tuned_of_models[] = {{"switch_s", &tuning::switch_s, &cost_model::switch_s},
                                                     {"folds_at_once", &tuning::folds_at_once, &cost_model::folds_at_once},
                                                     {"waits_in_line", &tuning::waits_in_line, &cost_model::waits_in_line}};

struct tuned_way {
  const char* name;
  device_cost device_costs::*cost;
};
inline constexpr tuned_way tuned_ways[] = {{"device.windows.", &device_costs::windows},
                                           {"device.messages.", &device_costs::messages},
                                           {"device.staging.", &device_costs::staging},
                                           {"device.nccl.", &device_costs::nccl}};
struct tuned_device_value {
  const char* name;
  double device_cost::*value;
};
inline constexpr tuned_device_value tuned_device_values[] = {{"latency_s", &device_cost::latency_s},
                                                             {"step_s", &device_cost::step_s},
                                                             {"bytes_per_s", &device_cost::bytes_per_s}};

/// Where a value of that name is kept; null where there is none.
inline double* find_tuned(tuning& t, const std::string& name) {
  for (const tuned_of_model& v : tuned_of_models)
    if (name == v.name) return &(t.*v.value);
  for (const auto& [prefix, of] : {std::pair("window.", &t.window), std::pair("message.", &t.message)})
    if (name.rfind(prefix, 0) == 0)
      for (const tuned_value& v : tuned_values)
        if (name.substr(std::strlen(prefix)) == v.name) return &(of->*v.value);
  for (const tuned_way& way : tuned_ways)
    if (name.rfind(way.name, 0) == 0)
      for (const tuned_device_value& v : tuned_device_values)
        if (name.substr(std::strlen(way.name)) == v.name) return &(t.on_devices.*way.cost.*v.value);
  return nullptr;
}

}  // namespace detail

/// Lines of `name value`, `#` beginning a comment; what is not named stays as
/// it is. Seconds and bytes are 0 or more, bytes per second more than 0 but for
/// `wire_bytes_per_s`, whose 0 says that nothing lies between, and so are shares
/// (`folds_at_once`, `waits_in_line`). Throws
/// `invalid_argument`, which names `TUTTI_TUNING`, `file` and the line.
inline tuning parse_tuning(const std::string& text, const std::string& file) {
  tuning t;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    const auto refuse = [&](const std::string& name, const char* why) {
      throw error(errc::invalid_argument, format("TUTTI_TUNING: %s:%d: '%s' %s", file.c_str(), number, name.c_str(), why));
    };
    line = line.substr(0, line.find('#'));
    std::istringstream words(line);
    std::string name, value, more;
    if (!(words >> name)) continue;
    words >> value >> more;
    double* into = detail::find_tuned(t, name);
    if (!into) refuse(name, "is no value of a tuning");
    char* end = nullptr;
    const double measured = std::strtod(value.c_str(), &end);
    const bool number_alone = !value.empty() && *end == '\0' && more.empty() && std::isfinite(measured);
    // The model takes a rate of 0 for one that costs nothing, which no processor has.
    const bool is_rate = name.find("bytes_per_s") != std::string::npos && name.find("wire") == std::string::npos;
    if (is_rate || name == "folds_at_once" || name == "waits_in_line") {
      if (!number_alone || measured <= 0) refuse(name, "takes one number, more than 0");
    } else if (!number_alone || measured < 0) {
      refuse(name, "takes one number, 0 or more");
    }
    *into = measured;
  }
  return t;
}

/// The tuning in the file that `TUTTI_TUNING` names. Throws `invalid_argument`
/// where it cannot be read, or is not a tuning.
inline tuning read_tuning(const std::string& file) {
  // By stdio: a stream buffer throws on its own where the name is a directory's.
  std::FILE* in = std::fopen(file.c_str(), "r");
  int failure = in ? 0 : errno;
  std::string text;
  if (in) {
    char part[4096];
    for (std::size_t n; (n = std::fread(part, 1, sizeof part, in)) > 0;) text.append(part, n);
    if (std::ferror(in)) failure = errno;
    std::fclose(in);
  }
  if (failure != 0)
    throw error(errc::invalid_argument,
                format("TUTTI_TUNING is '%s', which cannot be read: %s", file.c_str(), std::strerror(failure)));
  return parse_tuning(text, file);
}

/// The lines of one way on devices.
inline std::string tuning_text(const device_costs& costs, device_way which) {
  std::string text;
  for (const detail::tuned_way& way : detail::tuned_ways)
    if (way.name == format("device.%s.", name_of(which)))
      for (const detail::tuned_device_value& v : detail::tuned_device_values) text += format("%s%s %.17g\n", way.name, v.name, costs.*way.cost.*v.value);
  return text;
}

/// What `parse_tuning` reads back to the same values.
inline std::string tuning_text(const tuning& t) {
  std::string text;
  for (const auto& [prefix, of] : {std::pair("window.", &t.window), std::pair("message.", &t.message)})
    for (const detail::tuned_value& v : detail::tuned_values) text += format("%s%s %.17g\n", prefix, v.name, of->*v.value);
  for (device_way which : {device_way::windows, device_way::messages, device_way::staging, device_way::nccl}) text += tuning_text(t.on_devices, which);
  for (const detail::tuned_of_model& v : detail::tuned_of_models) text += format("%s %.17g\n", v.name, t.*v.value);
  return text;
}

}  // namespace tutti
