#include <tutti/transport/process_state.hpp>

#include <doctest/doctest.h>

#include <csignal>

#include <sys/wait.h>

TEST_CASE("a process runs, is stopped, has ended, and is no more") {
  CHECK(tutti::process_state(::getpid()) == 'R');
  const pid_t child = ::fork();
  if (child == 0)
    for (;;) ::pause();
  ::kill(child, SIGSTOP);
  ::waitpid(child, nullptr, WUNTRACED);
  CHECK(tutti::process_state(child) == 'T');
  CHECK(tutti::detail::process_state_without_proc(child) == '?');
  ::kill(child, SIGKILL);
  siginfo_t ended;
  ::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT);
  CHECK(tutti::process_state(child) == 'Z');
  CHECK(tutti::detail::process_state_without_proc(child) == 'Z');
  ::waitpid(child, nullptr, 0);
  CHECK(tutti::process_state(child) == 'X');
  CHECK(tutti::detail::process_state_without_proc(child) == 'X');
}
