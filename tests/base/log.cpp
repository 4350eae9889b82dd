#include <tutti/base/log.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

/// What a process with `TUTTI_LOG` set so writes to standard error in `body`.
/// A process each, as the level is read once.
template <class Body>
std::string said_by(const char* setting, Body body) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (setting) ::setenv("TUTTI_LOG", setting, 1);
    else ::unsetenv("TUTTI_LOG");
    ::dup2(ends[1], STDERR_FILENO);
    body();
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string said;
  char piece[256];
  for (ssize_t n; (n = ::read(ends[0], piece, sizeof piece)) > 0;) said.append(piece, static_cast<std::size_t>(n));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  return said;
}

void each_level() {
  tutti::log(tutti::log_level::error, "an error");
  tutti::log(tutti::log_level::warn, "a warning");
  tutti::log(tutti::log_level::info, "a remark");
  tutti::log(tutti::log_level::trace, "a detail");
}

TEST_CASE("the level decides what is said") {
  CHECK(said_by("off", each_level).empty());
  CHECK(said_by("error", each_level) == "tutti error: an error\n");
  CHECK(said_by(nullptr, each_level) == "tutti error: an error\ntutti warn: a warning\n");
  CHECK(said_by("info", each_level) ==
        "tutti error: an error\ntutti warn: a warning\ntutti info: a remark\n");
  CHECK(said_by("trace", each_level) ==
        "tutti error: an error\ntutti warn: a warning\ntutti info: a remark\ntutti trace: a detail\n");
}

TEST_CASE("a level that does not exist is named, and warnings stay") {
  CHECK(said_by("loud", each_level) ==
        "tutti: TUTTI_LOG is 'loud': it takes off, error, warn, info or trace\n"
        "tutti error: an error\ntutti warn: a warning\n");
}

TEST_CASE("a line names its rank once that is known") {
  CHECK(said_by("warn", [] {
          tutti::detail::log_rank = 3;
          tutti::log(tutti::log_level::warn, "a warning");
        }) == "tutti warn, rank 3: a warning\n");
}

}  // namespace
