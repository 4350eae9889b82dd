#pragma once
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tutti/base/clock.hpp>
#include <tutti/base/error.hpp>
#include <tutti/launch/options.hpp>
#include <tutti/launch/rank_list.hpp>
#include <tutti/launch/shared_bootstrap.hpp>
#include <tutti/launch/tagged_output.hpp>

namespace tutti {

namespace detail {

/// What a rank that the others gave up ends with, so that its end is told from
/// a failure of theirs.
inline constexpr int exit_code_of_expelled = 75;

/// The parent's side: its children, their signals, their output, their end.
class local_family {
 public:
  explicit local_family(const launch_options& options)
      : options_(options), board_(options.ranks), children_(static_cast<std::size_t>(options.ranks)) {
    ::sigemptyset(&handled_);
    for (int number : {SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) ::sigaddset(&handled_, number);
    ::sigprocmask(SIG_BLOCK, &handled_, &mask_before_);
    // Where SIGCHLD is ignored the kernel reaps children unasked, and their exit codes are lost.
    struct sigaction by_default {};
    by_default.sa_handler = SIG_DFL;
    ::sigaction(SIGCHLD, &by_default, &child_action_before_);
    signals_ = ::signalfd(-1, &handled_, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals_ < 0) {
      restore_signals();
      throw error(errc::launch, format("signalfd: %s", std::strerror(errno)));
    }
  }
  local_family(const local_family&) = delete;
  local_family& operator=(const local_family&) = delete;
  ~local_family() {
    for (child& c : children_)
      if (c.running) {
        ::kill(c.pid, SIGKILL);
        ::waitpid(c.pid, nullptr, 0);
      }
    ::close(signals_);
    restore_signals();
  }

  shared_board& board() { return board_; }

  /// True in the child.
  bool start(int rank) {
    if (options_.tag_output) output_.open(rank);
    pid_t parent = ::getpid(), pid = ::fork();
    if (pid < 0)
      throw error(errc::launch, format("cannot start rank %d of %d: %s", rank, options_.ranks, std::strerror(errno)));
    if (pid == 0) {
      become_child(rank, parent);
      return true;
    }
    children_[static_cast<std::size_t>(rank)] = {.pid = pid, .running = true};
    if (options_.tag_output) output_.become_parent();
    return false;
  }

  /// Waits for all; the exit code of the first that failed, 0 where none did. Of
  /// ranks that may survive others, 0 where one ended well and none badly by
  /// itself: that some were killed or given up is what the others survived.
  int supervise() {
    while (any_running()) {
      wait_for_something();
      take_signals();
      end_those_left();
    }
    output_.close_sources();
    if (first_ < 0 && first_consequence_ >= 0) tell(first_ = first_consequence_);
    // Whoever reads our output may have stopped; a signal then ends the wait.
    while (!output_.empty() && !take_signals()) wait_for_something();
    if (options_.survive) return code_of_survivors();
    return first_ < 0 ? 0 : exit_code_of(children_[static_cast<std::size_t>(first_)].status);
  }

 private:
  struct child {
    pid_t pid = 0;
    bool running = false, ended_by_us = false, stopped = false;
    int status = 0;
  };
  enum class stage { all_well, grace, asked, killed };

  void restore_signals() {
    ::sigaction(SIGCHLD, &child_action_before_, nullptr);
    ::sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
  }

  void become_child(int rank, pid_t parent) {
    // The child must not survive its parent, and the parent may have died before it could say so.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(128 + SIGKILL);
    for (child& c : children_) c.running = false;  // its siblings are not its children
    restore_signals();
    ::close(signals_);
    signals_ = -1;
    if (options_.tag_output) output_.become_child();
    if (rank > 0) {  // one reader of what is typed
      int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
      if (nothing >= 0) {
        ::dup2(nothing, STDIN_FILENO);
        ::close(nothing);
      }
    }
  }

  int code_of_survivors() const {
    bool any_well = false;
    for (const child& c : children_) any_well |= c.status == 0;
    for (const child& c : children_) {
      const int code = exit_code_of(c.status);
      if (code == 0 || (any_well && (WIFSIGNALED(c.status) || code == exit_code_of_expelled))) continue;
      return any_well ? code : exit_code_of(children_[static_cast<std::size_t>(first_ < 0 ? 0 : first_)].status);
    }
    return 0;
  }

  bool any_running() const {
    for (const child& c : children_)
      if (c.running) return true;
    return false;
  }

  bool any_ended() const {
    return std::any_of(children_.begin(), children_.end(), [](const child& c) { return c.pid > 0 && !c.running; });
  }
  bool only_stopped() const {
    return std::all_of(children_.begin(), children_.end(), [](const child& c) { return c.stopped || !c.running; });
  }

  int milliseconds_left() const {
    if (stage_ != stage::grace && stage_ != stage::asked) return -1;
    double left = next_stage_ - now();
    return left <= 0 ? 0 : static_cast<int>(1e3 * left) + 1;
  }

  void wait_for_something() {
    std::vector<pollfd> polled{{signals_, POLLIN, 0}};
    output_.watch(polled);
    ::poll(polled.data(), polled.size(), milliseconds_left());
    output_.pump();
  }

  /// True where one was to be passed on.
  bool take_signals() {
    bool any = false;
    signalfd_siginfo taken;
    while (::read(signals_, &taken, sizeof taken) == sizeof taken) {
      int number = static_cast<int>(taken.ssi_signo);
      if (number == SIGCHLD) continue;
      any = true;
      // What the terminal sends has reached the children too, who are in its foreground group.
      if (taken.ssi_code == SI_KERNEL) continue;
      for (child& c : children_)
        if (c.running) ::kill(c.pid, number);
    }
    reap();
    return any;
  }

  void reap() {
    std::vector<int> ended;
    for (int r = 0; r < options_.ranks; ++r) {
      child& c = children_[static_cast<std::size_t>(r)];
      int status = 0;
      if (!c.running || ::waitpid(c.pid, &status, WNOHANG | WUNTRACED | WCONTINUED) != c.pid) continue;
      c.stopped = WIFSTOPPED(status);
      if (c.stopped || WIFCONTINUED(status)) continue;
      c.status = status;
      c.running = false;
      ended.push_back(r);
      if (c.status != 0 && stage_ == stage::all_well && !options_.survive) {
        stage_ = stage::grace;
        next_stage_ = now() + options_.grace;
      }
    }
    // Who survived the others may wait for them for as long as it likes, but one
    // that is stopped may never go on.
    if (options_.survive && stage_ == stage::all_well && any_ended() && only_stopped()) {
      stage_ = stage::grace;
      next_stage_ = now() + options_.grace;
    }
    judge(ended);
    for (int r : ended) {  // after the line that says why: this wakes whoever waits for them
      const child& c = children_[static_cast<std::size_t>(r)];
      board_.report_end(r, c.pid, c.status);
    }
  }

  /// Finds the first failure, if it is among those that ended since we looked last.
  void judge(const std::vector<int>& ended) {
    int lost = -1;
    for (int r : ended) {
      const child& c = children_[static_cast<std::size_t>(r)];
      if (c.status == 0) continue;
      if (c.ended_by_us || board_.gave_up_for_another(r)) {
        if (first_consequence_ < 0) first_consequence_ = r;
      } else if (lost < 0 || (WIFSIGNALED(c.status) && !WIFSIGNALED(children_[static_cast<std::size_t>(lost)].status))) {
        lost = r;  // of several at once, one that was killed is the likelier cause
      }
    }
    if (lost >= 0 && first_ < 0) tell(first_ = lost);
    else if (lost >= 0 && options_.survive) tell(lost);
  }

  /// After the grace time SIGTERM, and later SIGKILL, to those that have not ended.
  void end_those_left() {
    if (milliseconds_left() != 0) return;
    int number = stage_ == stage::grace ? SIGTERM : SIGKILL;
    if (number == SIGTERM) {
      std::vector<int> left;
      for (int r = 0; r < options_.ranks; ++r)
        if (children_[static_cast<std::size_t>(r)].running) left.push_back(r);
      output_.say(format("ending %s, which still ran %g s after that", rank_list(left).c_str(), options_.grace));
    }
    for (child& c : children_)
      if (c.running) {
        c.ended_by_us = true;
        ::kill(c.pid, number);
        ::kill(c.pid, SIGCONT);  // a stopped process takes SIGTERM only when it goes on
      }
    stage_ = stage_ == stage::grace ? stage::asked : stage::killed;
    next_stage_ = now() + (options_.grace < 2 ? options_.grace : 2);
  }

  void tell(int rank) {
    const child& c = children_[static_cast<std::size_t>(rank)];
    output_.say(format("rank %d (pid %d) %s", rank, static_cast<int>(c.pid), describe_end(c.status).c_str()));
  }

  launch_options options_;
  shared_board board_;
  std::vector<child> children_;
  tagged_output output_;
  sigset_t handled_, mask_before_;
  struct sigaction child_action_before_ {};
  int signals_ = -1;
  stage stage_ = stage::all_well;
  double next_stage_ = 0;
  int first_ = -1, first_consequence_ = -1;
};

}  // namespace detail

/// Starts `options.ranks` processes by fork; each calls `child(shared_bootstrap)`, which
/// gives its exit code, and ends there: only the parent returns, with the exit
/// code of the rank that failed first (128 and the signal's number where a
/// signal killed it), or 0.
///
/// The parent waits, passes SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and
/// SIGUSR2 on, and says in a line which rank failed first. The others then have
/// `grace` seconds to end with an error of their own before they get SIGTERM,
/// and two seconds later SIGKILL. When the parent dies, however that was, its
/// children are killed. With `survive` the others go on instead (see
/// `communicator::shrink`), and their end is what counts: 0 where one ended with
/// 0 and none with an error, though some were killed or given up. Rank 0 keeps standard input, the others read nothing.
///
/// Call it before there are threads, and before UCX or CUDA are used: they do
/// not survive a fork. Throws `launch` where a process cannot be started.
template <class Child>
int run_local_processes(const launch_options& options, Child&& child) {
  std::fflush(nullptr);  // or every child would print what stands in the buffers
  detail::local_family family(options);
  for (int rank = 0; rank < options.ranks; ++rank)
    if (family.start(rank))
      [&]() noexcept { std::exit(child(shared_bootstrap(family.board(), rank, options.timeout))); }();
  return family.supervise();
}

}  // namespace tutti
