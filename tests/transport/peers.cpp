#include <tutti/transport/peers.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <vector>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "processes.hpp"

using namespace tutti;
using processes::within;
using condition = process_watch::condition;

namespace {

// A child that does nothing until it is told to end.
struct child {
  pid_t pid;
  child() : pid(::fork()) {
    if (pid == 0)
      for (;;) ::pause();
  }
  ~child() {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  // Until it is so, and the kernel has said so.
  void stop() {
    ::kill(pid, SIGSTOP);
    ::waitpid(pid, nullptr, WUNTRACED);
  }
  void go_on() {
    ::kill(pid, SIGCONT);
    ::waitpid(pid, nullptr, WCONTINUED);
  }
};

std::vector<process_watch::finding> findings(process_watch& w) {
  std::vector<process_watch::finding> all;
  w.look([&](process_watch::finding f) { all.push_back(f); });
  return all;
}

void check_that_its_end_is_found(process_watch& w, const child& c) {
  ::kill(c.pid, SIGKILL);
  // It has ended before anybody has waited for it.
  siginfo_t nothing;
  ::waitid(P_PID, static_cast<id_t>(c.pid), &nothing, WEXITED | WNOWAIT);
  for (int again = 0; again < 2; ++again) {
    const auto found = findings(w);
    REQUIRE(found.size() == 1);
    CHECK(found[0].rank == 7);
    CHECK(found[0].pid == c.pid);
    CHECK(found[0].is == condition::ended);
    ::waitpid(c.pid, nullptr, 0);  // nor after that
  }
}

}  // namespace

TEST_CASE("a process that runs is no finding, one that ended is found at once and stays found") {
  process_watch w;
  child lives, ends;
  w.add(4, lives.pid);
  w.add(7, ends.pid);
  CHECK(findings(w).empty());
  check_that_its_end_is_found(w, ends);
  process_watch moved = std::move(w);
  CHECK(findings(w).empty());  // NOLINT: moved from, and said to be empty
  CHECK(findings(moved).size() == 1);
}

TEST_CASE("without a descriptor, one that nobody has waited for has ended too") {
  process_watch w;
  child lives, ends;
  {
    // As on a kernel without pidfd_open: with no room for a descriptor there is none.
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    w.add(4, lives.pid);
    w.add(7, ends.pid);
    ::setrlimit(RLIMIT_NOFILE, &before);
  }
  CHECK(findings(w).empty());
  check_that_its_end_is_found(w, ends);
}

TEST_CASE("a process that is stopped is found after some patience, and not once it goes on") {
  process_watch w;
  child c;
  w.add(2, c.pid);
  c.stop();
  const double begun = now();
  CHECK(findings(w).empty());
  std::vector<process_watch::finding> found;
  REQUIRE(within(30, [&] { return !(found = findings(w)).empty(); }));
  CHECK(now() - begun >= process_watch::patience);
  CHECK(found[0].rank == 2);
  CHECK(found[0].is == condition::stopped);
  c.go_on();
  CHECK(findings(w).empty());
  c.stop();
  CHECK(findings(w).empty());  // its patience begins again
}

TEST_CASE("time in which nobody looked is not held against a process") {
  process_watch w;
  child c;
  w.add(0, c.pid);
  c.stop();
  CHECK(findings(w).empty());
  ::usleep(static_cast<useconds_t>(1.2e6 * process_watch::patience));  // as when the whole job is stopped
  CHECK(findings(w).empty());
}

TEST_CASE("of one that never was, nothing is expected") {
  process_watch w;
  child* gone = new child;
  const pid_t pid = gone->pid;
  delete gone;
  w.add(1, pid);
  const auto found = findings(w);
  REQUIRE(found.size() == 1);
  CHECK(found[0].is == condition::ended);
}

TEST_CASE("whoever has left gives up its memory, though it lives") {
  process_watch w;
  std::atomic<std::uint32_t> left{0};
  w.add(1, ::getpid(), &left);
  const auto address = reinterpret_cast<std::uint64_t>(&left);
  CHECK(w.still_has(1, address));
  left = 1;
  CHECK_FALSE(w.still_has(1, address));
}

TEST_CASE("where a rank runs") {
  const rank_home mine = rank_home::mine();
  CHECK(mine.pid == ::getpid());
  CHECK(mine.boot[0] != '\0');
  CHECK(mine.pid_space != 0);
  CHECK(mine.ipc_space != 0);
  CHECK(mine.net_space != 0);
  CHECK(mine.host[0] != '\0');
  CHECK(mine.same_host(mine));
  rank_home other = mine;
  other.pid = 1;
  std::strcpy(other.host, "another-name");  // a container may have one
  CHECK(mine.same_host(other));
  other.boot[0] ^= 1;
  CHECK_FALSE(mine.same_host(other));
  other = mine;
  other.pid_space ^= 1;
  CHECK_FALSE(mine.same_host(other));
  other = mine;
  other.ipc_space ^= 1;
  CHECK_FALSE(mine.same_host(other));
  other = mine;
  other.net_space ^= 1;  // another host, though on the same cores
  CHECK_FALSE(mine.same_host(other));
  CHECK_FALSE(mine.same_network_space(other));
  CHECK(mine.same_machine(other));
  rank_home nowhere;
  CHECK_FALSE(nowhere.same_host(nowhere));  // two that do not know are not known to be together
}

TEST_CASE("who shares cores with whom") {
  auto on = [](std::initializer_list<int> cores) {
    rank_home home = rank_home::mine();
    CPU_ZERO(&home.cores);
    for (int c : cores) CPU_SET(c, &home.cores);
    return home;
  };
  cpu_set_t mine;
  CPU_ZERO(&mine);
  REQUIRE(::sched_getaffinity(0, sizeof mine, &mine) == 0);
  const rank_home here = rank_home::mine();
  CHECK(CPU_EQUAL(&here.cores, &mine));
  CHECK(on({0, 1}).shares_cores(on({1, 2})));
  CHECK(on({0, 1}).same_machine(on({2, 3})));
  CHECK_FALSE(on({0, 1}).shares_cores(on({2, 3})));  // each is bound to its own
  CHECK(on({}).shares_cores(on({2, 3})));            // nobody knows
  CHECK(on({2, 3}).shares_cores(on({})));
  rank_home elsewhere = on({0, 1});
  elsewhere.boot[0] ^= 1;
  CHECK_FALSE(on({0, 1}).shares_cores(elsewhere));
  rank_home other_host = on({0, 1});
  other_host.net_space ^= 1;
  CHECK(on({0, 1}).shares_cores(other_host));
}
