#pragma once
// Starts a program and waits for it, keeping what it prints.
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tutti/base/clock.hpp>

#include "shared_memory.hpp"

namespace ranks {

struct variable {
  const char* name;
  const char* value;
};

struct ended {
  int code = -1;       ///< exit code; 128 + signal; −1 where it was killed for taking too long
  std::string output;  ///< standard output and error
  double seconds = 0;
  std::string left_behind;  ///< processes, or shared memory of processes that are gone; empty as it should be
};

inline ended start(const std::vector<std::string>& command, const std::vector<variable>& environment = {},
                   double limit = 120) {
  const std::set<std::string> abandoned_before = tests::abandoned_memory();
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return {};
  const double begun = tutti::now();
  const pid_t child = ::fork();
  if (child == 0) {
    ::setpgid(0, 0);
    ::dup2(pipe[1], 1);
    ::dup2(pipe[1], 2);
    for (const variable& v : environment) ::setenv(v.name, v.value, 1);
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(pipe[1]);
  ended result;
  bool late = false;
  for (;;) {
    pollfd fd{.fd = pipe[0], .events = POLLIN, .revents = 0};
    const double left = begun + limit - tutti::now();
    if (left <= 0) {
      late = true;
      ::kill(-child, SIGKILL);
      break;
    }
    if (::poll(&fd, 1, static_cast<int>(left * 1000) + 1) <= 0) continue;
    char text[4096];
    const ssize_t n = ::read(pipe[0], text, sizeof text);
    if (n <= 0) break;
    result.output.append(text, static_cast<std::size_t>(n));
  }
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  result.seconds = tutti::now() - begun;
  if (::kill(-child, 0) == 0 && !late) result.left_behind = "processes of its group; ";
  result.left_behind += tests::left_since(abandoned_before);
  result.code = late ? -1 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace ranks
