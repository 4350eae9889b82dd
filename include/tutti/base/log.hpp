#pragma once
#include <cstdio>
#include <cstring>
#include <string>

#include <unistd.h>

#include <tutti/base/environment.hpp>

namespace tutti {

/// How much Tutti says on standard error; `TUTTI_LOG` sets it.
enum class log_level : int { off, error, warn, info, trace };

namespace detail {
inline int log_rank = -1;

inline log_level read_log_level() {
  const char* text = environment("TUTTI_LOG");
  if (!text) return log_level::warn;
  constexpr const char* names[] = {"off", "error", "warn", "info", "trace"};
  for (int i = 0; i < 5; ++i)
    if (std::strcmp(text, names[i]) == 0) return static_cast<log_level>(i);
  std::fprintf(stderr, "tutti: TUTTI_LOG is '%s': it takes off, error, warn, info or trace\n", text);
  return log_level::warn;
}
}  // namespace detail

inline log_level current_log_level() {
  static const log_level level = detail::read_log_level();
  return level;
}

/// One line on standard error, in one write, so that lines of several ranks do
/// not mix.
inline void log(log_level level, const std::string& text) {
  if (level > current_log_level()) return;
  constexpr const char* names[] = {"off", "error", "warn", "info", "trace"};
  std::string line = detail::log_rank < 0
                         ? format("tutti %s: %s\n", names[static_cast<int>(level)], text.c_str())
                         : format("tutti %s, rank %d: %s\n", names[static_cast<int>(level)],
                                  detail::log_rank, text.c_str());
  [[maybe_unused]] auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace tutti
