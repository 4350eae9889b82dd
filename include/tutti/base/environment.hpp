#pragma once
#include <cerrno>
#include <cstdlib>

#include <tutti/base/error.hpp>

namespace tutti {

/// The value of an environment variable, or null where it is unset or empty.
inline const char* environment(const char* name) {
  const char* value = std::getenv(name);
  return value && *value ? value : nullptr;
}

/// A number from the environment. Throws `invalid_argument` where the variable
/// holds anything else, or a number outside [least, most].
inline double environment_number(const char* name, double otherwise, double least, double most) {
  const char* text = environment(name);
  if (!text) return otherwise;
  char* end = nullptr;
  errno = 0;
  double value = std::strtod(text, &end);
  if (errno != 0 || *end != '\0' || !(value >= least && value <= most))
    throw error(errc::invalid_argument,
                format("%s is '%s': it takes a number from %g to %g", name, text, least, most));
  return value;
}

}  // namespace tutti
