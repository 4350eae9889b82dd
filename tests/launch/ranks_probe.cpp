// A program of ranks that the tests start in many ways. It does what its first
// word says; the second is the rank that does it.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include <signal.h>
#include <unistd.h>

#include <tutti/base/error.hpp>
#include <tutti/launch/run_ranks.hpp>
#if defined(PROBE_PMIX)
#include <tutti/launch/pmix.hpp>
#endif

namespace {

using tutti::any_bootstrap;

/// What rank r gives in a round: between nothing and some 100 KB.
std::vector<std::byte> contribution(int rank, int round) {
  std::size_t length = static_cast<std::size_t>((rank * 7919 + round * 104729) % 100003) * static_cast<std::size_t>(round % 3);
  return std::vector<std::byte>(length, static_cast<std::byte>(rank * 16 + round));
}

void gather(any_bootstrap& ranks, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    tutti::contributions all = ranks.all_gather(contribution(ranks.rank(), round));
    if (static_cast<int>(all.size()) != ranks.size()) throw std::runtime_error("wrong number of contributions");
    for (int r = 0; r < ranks.size(); ++r)
      if (all[static_cast<std::size_t>(r)] != contribution(r, round))
        throw std::runtime_error(tutti::format("wrong contribution of rank %d in round %d", r, round));
  }
}

void say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

volatile std::sig_atomic_t last_signal = 0;

/// Waits for a signal that `sigsuspend` cannot miss.
int wait_for_signal(const sigset_t& before) {
  while (last_signal == 0) ::sigsuspend(&before);
  int number = last_signal;
  last_signal = 0;
  return number;
}

int act(any_bootstrap& ranks, int argc, char** argv) {
  std::string what = argc > 1 ? argv[1] : "gather";
  bool mine = argc > 2 && argv[2] == std::to_string(ranks.rank());
  sigset_t caught, before;
  ::sigemptyset(&caught);
  for (int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) ::sigaddset(&caught, number);
  ::sigprocmask(SIG_BLOCK, &caught, &before);
  if (what == "signals" || what == "stubborn")
    for (int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2})
      std::signal(number, [](int n) { last_signal = n; });
  gather(ranks, 1);
  if (what == "signals") {
    if (mine) ::setpgid(0, 0);  // out of reach of the terminal's signals, not of its parent's
    say(tutti::format("ready %d, pid %d", ranks.rank(), static_cast<int>(::getpid())));
    for (int number = 0; number != SIGTERM;) {
      number = wait_for_signal(before);
      say(tutti::format("rank %d got %d", ranks.rank(), number));
    }
    return 0;
  }
  if (what == "stubborn" && !mine) {  // does not end when asked to
    say(tutti::format("pid %d", static_cast<int>(::getpid())));
    for (;;) say(tutti::format("rank %d got %d", ranks.rank(), wait_for_signal(before)));
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (what == "stay") {
    say(tutti::format("pid %d", static_cast<int>(::getpid())));
    for (;;) ::pause();
  }
  if (what == "pids") {
    say(tutti::format("pid %d", static_cast<int>(::getpid())));
    return 0;
  }
  if (what == "lines") {  // in pieces, and without an end to the last
    for (int i = 0; i < 200; ++i) {
      std::fprintf(i % 2 ? stderr : stdout, "line %d ", i);
      std::fflush(nullptr);
      std::fprintf(i % 2 ? stderr : stdout, "of rank %d\n", ranks.rank());
    }
    std::printf("last of rank %d", ranks.rank());
    return 0;
  }
  if (what == "input") {
    char text[64] = "";
    std::size_t got = std::fread(text, 1, sizeof text, stdin);
    say(tutti::format("rank %d read %zu", ranks.rank(), got));
    return 0;
  }
  if (what == "heir" && mine) {  // leaves a process behind that holds its output open
    pid_t heir = ::fork();
    if (heir == 0) {
      ::pause();
      ::_exit(0);
    }
    say(tutti::format("heir %d", static_cast<int>(heir)));
    return 0;
  }
  if (mine) {
    if (what == "throw") throw std::runtime_error("out of luck");
    if (what == "throw-other") throw 42;
    if (what == "return") return 3;
    if (what == "exit") std::exit(3);
    if (what == "leave") return 0;
    if (what == "kill") std::raise(SIGKILL);
    if (what == "stubborn") return 5;
    if (what == "late")
      for (;;) ::pause();
#if defined(PROBE_PMIX)
    if (what == "mute") {  // comes to where all meet and gives nothing, as one that ends at the wrong moment
      pmix_info_t info;
      bool collect = true;
      PMIX_INFO_LOAD(&info, PMIX_COLLECT_DATA, &collect, PMIX_BOOL);
      ::PMIx_Fence(nullptr, 0, &info, 1);
      PMIX_INFO_DESTRUCT(&info);
      return 0;
    }
#endif
    if (what == "long") ranks.all_gather(std::vector<std::byte>((std::size_t{64} << 20) + 1));
  }
  gather(ranks, 4);
  say(tutti::format("rank %d of %d has all, arguments %d", ranks.rank(), ranks.size(), argc - 1));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::fputs("once ", stdout);  // stands in the buffer when the ranks start
  int code = tutti::run_ranks(argc, argv, [&](any_bootstrap& ranks) { return act(ranks, argc, argv); });
  return code;
}
