#pragma once
#include <string>
#include <vector>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include <tutti/base/error.hpp>

namespace tutti {

/// "rank 3", or "ranks 1, 3 and 4"; the first sixteen by number where there are more.
inline std::string rank_list(const std::vector<int>& ranks) {
  constexpr std::size_t shown = 16;
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  std::size_t named = ranks.size() > shown ? shown : ranks.size();
  for (std::size_t i = 0; i < named; ++i) {
    if (i > 0) text += i + 1 == ranks.size() ? " and " : ", ";
    text += std::to_string(ranks[i]);
  }
  if (ranks.size() > named) text += format(" and %zu more", ranks.size() - named);
  return text;
}

/// What those get who have come to an all-gather of a bootstrap of `size` ranks, where
/// others are missing.
inline error error_of_missing(const std::vector<int>& missing, int size, double timeout) {
  return error(errc::deadline,
               format("%s of %d did not come to an all-gather of the bootstrap within %g s", rank_list(missing).c_str(), size, timeout),
               missing.empty() ? -1 : missing.front());
}

/// How a process ended, from what `waitpid` said: "was killed by signal 9
/// (Killed)", or "ended with exit code 3".
inline std::string describe_end(int status) {
  if (WIFSIGNALED(status)) {
    int number = WTERMSIG(status);
    return format("was killed by signal %d (%s)", number, ::strsignal(number));
  }
  return format("ended with exit code %d", WEXITSTATUS(status));
}

/// The exit code that stands for how a process ended: its own, or 128 and the
/// number of the signal, as shells have it.
inline int exit_code_of(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace tutti
