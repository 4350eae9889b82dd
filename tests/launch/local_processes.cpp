#include <tutti/launch/local_processes.hpp>

#include <doctest/doctest.h>

#include "../unhurried.hpp"
#include "process.hpp"

using tests::count;
using tests::eventually;
using tests::has;
using tests::nobody_left;
using tests::process;
using tests::unhurried;

namespace {

process start(std::vector<std::string> words, tests::settings environment = {}) {
  words.insert(words.begin(), RANKS_PROBE);
  return process(words, environment);
}

struct ended {
  int code;
  std::string output, errors;
};

ended end_of(process& p) {
  const int code = p.wait();
  CHECK(nobody_left());
  return {code, p.output(), p.errors()};
}
ended end_of(std::vector<std::string> words, tests::settings environment) {
  process p = start(std::move(words), std::move(environment));
  return end_of(p);
}

}  // namespace

TEST_CASE("local processes: 1 to 8 ranks gather what they have") {
  for (int ranks = 1; ranks <= 8; ++ranks) {
    CAPTURE(ranks);
    process p = start({"--ranks", std::to_string(ranks), "gather", "-", "x"});
    CHECK(p.wait() == 0);
    for (int r = 0; r < ranks; ++r)
      CHECK(count(p.output(), tutti::format("rank %d of %d has all, arguments 3\n", r, ranks)) == 1);
    CHECK(p.errors() == "");
    CHECK(nobody_left());
  }
}

TEST_CASE("local processes: what stood in the buffers is printed once, and only the parent returns") {
  process p = start({"--ranks", "4"});
  CHECK(p.wait() == 0);
  CHECK(count(p.output(), "once ") == 1);
}

TEST_CASE("local processes: a rank that throws is named by itself, the others and the parent") {
  for (const char* what : {"throw", "throw-other"}) {
    CAPTURE(what);
    process p = start({"--ranks", "3", what, "1"});
    CHECK(p.wait() == 1);
    std::string why = *what == 't' && std::string(what) == "throw" ? "out of luck" : "an exception that is no std::exception";
    CHECK(count(p.errors(), "rank 1: " + why + "\n") == 1);
    CHECK(count(p.errors(), "rank 0: rank 1 gave up: " + why + "\n") == 1);
    CHECK(count(p.errors(), "rank 2: rank 1 gave up: " + why + "\n") == 1);
    CHECK(count(p.errors(), "ended with exit code 1\n") == 1);
    CHECK(nobody_left());
  }
}

TEST_CASE("local processes: the first failure's exit code is the program's") {
  for (const char* what : {"return", "exit"}) {
    CAPTURE(what);
    process p = start({"--ranks", "4", what, "2"});
    CHECK(p.wait() == 3);
    CHECK(tests::numbers_after(p.errors(), "rank 2 (pid ").size() == 4);  // the parent and three ranks say so
    CHECK(count(p.errors(), ") ended with exit code 3\n") == 4);
    CHECK(nobody_left());
  }
}

TEST_CASE("local processes: a rank that leaves early is missed by those who wait for it") {
  process p = start({"--ranks", "3", "leave", "2"});
  CHECK(p.wait() == 1);
  CHECK(count(p.errors(), "left with exit code 0 while others waited for it") == 2);
  CHECK(nobody_left());
}

TEST_CASE("local processes: a rank that is killed") {
  process p = start({"--ranks", "3", "kill", "0"});
  CHECK(p.wait() == 137);
  CHECK(count(p.errors(), "was killed by signal 9 (Killed)\n") == 3);
  CHECK(p.errors().substr(0, 12) == "rank 0 (pid ");
  CHECK(nobody_left());
}

TEST_CASE("local processes: a rank that does not come is named at the deadline") {
  std::string missing, ending;
  ended e = unhurried(0.3, [&](double seconds) {
    missing = tutti::format("rank 1 of 3 did not come to an all-gather of the bootstrap within %g s", seconds);
    ending = tutti::format("ending rank 1, which still ran %g s after that", seconds);
    return end_of({"--ranks", "3", "late", "1"}, {tutti::format("TUTTI_DEADLINE=%g", seconds), tutti::format("TUTTI_GRACE=%g", seconds)});
  }, [&](const ended& of) { return count(of.errors, missing) > 0 && count(of.errors, "ranks ") == 0; });
  CHECK(e.code == 1);
  CHECK(has(e.errors, missing));
  CHECK(has(e.errors, ending));
}

TEST_CASE("local processes: who does not end when asked is killed after the grace time") {
  std::string ending;
  ended e = unhurried(0.2, [&](double seconds) {
    ending = tutti::format("ending ranks 0 and 2, which still ran %g s after that", seconds);
    return end_of({"--ranks", "3", "stubborn", "1"}, {tutti::format("TUTTI_GRACE=%g", seconds)});
  }, [](const ended& of) { return has(of.output, "rank 0 got 15") && has(of.output, "rank 2 got 15"); });
  CHECK(e.code == 5);
  CHECK(has(e.errors, ending));
  CHECK(has(e.output, "rank 0 got 15"));
  CHECK(has(e.output, "rank 2 got 15"));
}

TEST_CASE("local processes: a stopped rank does not outlive the grace time") {
  process p = start({"--ranks", "2", "stay"}, {"TUTTI_GRACE=0.2"});
  REQUIRE(eventually([&] { return count(p.output(), "pid ") == 2; }));
  std::vector<int> pids = tests::numbers_after(p.output(), "pid ");
  ::kill(pids[0], SIGSTOP);
  ::kill(pids[1], SIGKILL);
  CHECK(p.wait() == 137);
  CHECK(nobody_left());
}

TEST_CASE("local processes: a stopped rank goes on to take SIGTERM") {
  ended e = unhurried(0.2, [](double seconds) {
    process p = start({"--ranks", "2", "signals"}, {tutti::format("TUTTI_GRACE=%g", seconds)});
    REQUIRE(eventually([&] { return count(p.output(), "ready ") == 2; }));
    std::string output = p.output();
    ::kill(tests::numbers_after(output, "ready 0, pid ")[0], SIGSTOP);
    ::kill(tests::numbers_after(output, "ready 1, pid ")[0], SIGKILL);
    return end_of(p);
  }, [](const ended& of) { return has(of.output, "rank 0 got 15\n"); });
  CHECK(e.code == 137);
  CHECK(has(e.output, "rank 0 got 15\n"));
}

TEST_CASE("local processes: no rank survives a parent that is killed") {
  for (int ranks : {1, 4}) {
    process p = start({"--ranks", std::to_string(ranks), "stubborn", "-"});
    REQUIRE(eventually([&] { return count(p.output(), "pid ") == ranks; }));
    p.signal(SIGKILL);
    CHECK(p.wait() == 137);
    CHECK(nobody_left());
    for (int pid : tests::numbers_after(p.output(), "pid ")) CHECK(::kill(pid, 0) != 0);
  }
}

TEST_CASE("local processes: signals reach every rank") {
  process p = start({"--ranks", "3", "signals"});
  REQUIRE(eventually([&] { return count(p.output(), "ready ") == 3; }));
  for (int number : {SIGUSR1, SIGUSR2, SIGINT, SIGHUP, SIGQUIT, SIGTERM}) {
    CAPTURE(number);
    p.signal(number);
    REQUIRE(eventually([&] { return count(p.output(), tutti::format(" got %d\n", number)) == 3; }));
  }
  CHECK(p.wait() == 0);
  CHECK(nobody_left());
}

TEST_CASE("local processes: at a terminal ranks write to it, and an interrupt is passed on by the terminal alone") {
  int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0 || ::grantpt(terminal) != 0 || ::unlockpt(terminal) != 0) {
    MESSAGE("skipped: no terminals here");
    return;
  }
  std::string printed;
  auto read_on = [&] {
    pollfd polled{terminal, POLLIN, 0};
    char text[4096];
    while (::poll(&polled, 1, 0) == 1) {
      ssize_t got = ::read(terminal, text, sizeof text);
      if (got <= 0) break;
      printed.append(text, static_cast<std::size_t>(got));
    }
  };
  process p({"sh", "-c", "exec setsid --ctty \"$@\" <\"$0\" >\"$0\"", ::ptsname(terminal), RANKS_PROBE, "--ranks", "3",
             "signals", "1"});
  REQUIRE(eventually([&] { return read_on(), count(printed, "ready ") == 3; }));
  REQUIRE(::write(terminal, "\x03", 1) == 1);
  REQUIRE(eventually([&] { return read_on(), count(printed, " got 2\r\n") == 2; }));
  p.signal(SIGUSR1);  // had the parent passed the interrupt on to rank 1, that would have come before this
  REQUIRE(eventually([&] { return read_on(), count(printed, " got 10\r\n") == 3; }));
  p.signal(SIGTERM);
  CHECK(p.wait() == 0);
  read_on();
  CHECK(count(printed, "rank 0 got 2\r\n") == 1);
  CHECK(count(printed, "rank 1 got 2\r\n") == 0);
  CHECK(count(printed, "rank 2 got 2\r\n") == 1);
  ::close(terminal);
  CHECK(nobody_left());
}

TEST_CASE("local processes: a signal that ends the ranks ends the program with 128 and its number") {
  process p = start({"--ranks", "2", "stay"});
  REQUIRE(eventually([&] { return count(p.output(), "pid ") == 2; }));
  p.signal(SIGTERM);
  CHECK(p.wait() == 143);
  CHECK(count(p.errors(), "was killed by signal 15 (Terminated)\n") == 1);
  CHECK(nobody_left());
}

TEST_CASE("local processes: they are reaped where the parent was told to ignore its children") {
  process p({"env", "--ignore-signal=CHLD", RANKS_PROBE, "--ranks", "2", "return", "1"});
  CHECK(p.wait() == 3);
  CHECK(nobody_left());
}

TEST_CASE("local processes: rank 0 alone reads standard input") {
  process p({"sh", "-c", "echo hello | \"$@\"", "sh", RANKS_PROBE, "--ranks", "3", "input"});
  CHECK(p.wait() == 0);
  CHECK(has(p.output(), "rank 0 read 6\n"));
  CHECK(has(p.output(), "rank 1 read 0\n"));
  CHECK(has(p.output(), "rank 2 read 0\n"));
}

TEST_CASE("local processes: a process that cannot be started is an error, and the others go") {
  // A user whose processes are limited; root's are not.
  process p({"prlimit", "--nproc=3", "setpriv", "--reuid=64321", "--clear-groups", RANKS_PROBE, "--ranks", "8", "stay"});
  int code = p.wait();
  if (has(p.errors(), "setpriv") || code == 127) {
    MESSAGE("skipped: cannot become another user here: " << p.errors());
    return;
  }
  CHECK(code == 1);
  CHECK(has(p.errors(), "cannot start rank 2 of 8: Resource temporarily unavailable"));
  CHECK(nobody_left());
}
