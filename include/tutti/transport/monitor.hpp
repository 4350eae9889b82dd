#pragma once
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <tutti/base/clock.hpp>
#include <tutti/transport/doorbell.hpp>
#include <tutti/transport/link.hpp>
#include <tutti/transport/succession.hpp>
#include <tutti/transport/survivors.hpp>

namespace tutti {

/// Sees to it that all ranks that survive end with the same verdict where no
/// memory joins them all. Each process has one, with a sleeping thread and TCP
/// connections of its own: two heartbeats a second to a coordinator, the lowest
/// rank that is there, and back. The coordinator decides; when it is gone, its
/// successor does (see `detail::succession`).
///
/// A process that ends without `leave` is named within a second, one that does
/// not run, or whose host cannot be reached, within three.
class monitor {
 public:
  /// Collective over `members`, in ascending order, of `world`'s ranks.
  /// Throws `link`, on every rank, where a rank cannot reach the first of them
  /// within `joining` seconds.
  monitor(exchange& world, int rank, const std::vector<int>& members, verdict_board& board, double joining = 20)
      : board_(board), rank_(rank) {
    wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_ < 0) throw error(errc::link, format("the monitor got no descriptor: %s", std::strerror(errno)), rank);
    try {
      join(world, rank, members, joining);
    } catch (...) {
      leave();
      ::close(wake_);
      throw;
    }
  }
  monitor(const monitor&) = delete;
  monitor& operator=(const monitor&) = delete;
  ~monitor() {
    leave();
    ::close(wake_);
  }

  /// This rank would end the session so. The board gets what the coordinator
  /// says, which may be something else, within moments, and this verdict after
  /// some seconds where nobody answers. The first call counts. Does not wait.
  void declare(const verdict& v) {
    if (declared_.exchange(true)) return;
    if (!running_) {
      board_.declare(v, rank_);
      return;
    }
    ask([&](requests& r) {
      r.has_verdict = true;
      r.would_say = v;
    });
  }

  /// A connection to a rank has ended, which may mean something: the rank is
  /// asked whether it lives.
  void suspect(int rank) {
    if (!running_) return;
    ask([&](requests& r) { r.suspects.push_back(rank); });
  }

  /// Where the lowest operation that this rank has not completed can be read,
  /// from here on until `leave`; 0 for none.
  void follow(const std::atomic<std::uint64_t>& open_operation) {
    follows_.store(&open_operation, std::memory_order_release);
  }

  /// After a verdict: see `fabric::gather_survivors`. `condemned` (−1: none) is not
  /// waited for. Throws what it is that they cannot go on for.
  std::unique_ptr<survivors> gather_survivors(int condemned, double patience) {
    return std::make_unique<mustered>(*this, condemned, patience);
  }

  /// From here on this process's end is no failure. Waits at most some three
  /// seconds, which it needs only where peers do not answer.
  void leave() {
    if (!running_) return;
    ask([](requests& r) { r.leave = true; });
    ::pthread_join(thread_, nullptr);
    running_ = false;
  }

 private:
  struct requests {
    bool has_verdict = false, leave = false, contributes = false, gives_up = false;
    verdict would_say{};
    std::vector<int> suspects;
    std::vector<std::byte> part;
    std::uint64_t round = 0;
    double until = 0;
    int condemned = -1;
  };

  /// The ranks that survive, who gather through the monitors' thread.
  class mustered final : public survivors {
   public:
    mustered(monitor& by, int condemned, double patience) : by_(by), condemned_(condemned), patience_(patience) {
      if (std::exchange(by_.shrunk_, true)) throw error(errc::invalid_argument, format("rank %d has shrunk this session before", by_.rank_), by_.rank_);
      gather({});
      if (!came_[static_cast<std::size_t>(by_.rank_)])
        throw error(errc::expelled, format("rank %d was given up by the other ranks, which have gone on without it", by_.rank_), by_.rank_);
      for (std::size_t r = 0; r < came_.size(); ++r)
        if (came_[r]) members_.push_back(static_cast<int>(r));
    }
    ~mustered() override {
      if (settled_) return;
      by_.ask([](requests& r) { r.gives_up = true; });
    }
    const std::vector<int>& members() const override { return members_; }
    contributions all_gather(bytes_view mine) override {
      if (settled_) throw error(errc::not_supported, "ranks that have shrunk make new communicators from the one they have", by_.rank_);
      return gather(mine);
    }
    bool settle() override {
      gather({});
      return settled_ = true;
    }

   private:
    contributions gather(bytes_view mine) {
      const double until = now() + patience_;
      by_.answered_ = 0;
      by_.ask([&](requests& r) {
        r.contributes = true;
        r.part.assign(mine.begin(), mine.end());
        r.round = round_;
        r.until = until;
        r.condemned = condemned_;
      });
      ++round_;
      while (!by_.answered_.load(std::memory_order_acquire)) {
        if (now() > until + detail::muster::longest) {
          by_.ask([](requests& r) { r.gives_up = true; });
          throw error(errc::deadline, format("the survivors did not all join within %g s", patience_));
        }
        futex_wait(by_.answered_, 0, 0.1);
      }
      if (by_.answer_.came.empty()) throw error(errc::rank_died, by_.answer_.why, by_.answer_.lost);
      came_ = by_.answer_.came;
      return std::move(by_.answer_.said);
    }

    monitor& by_;
    int condemned_;
    double patience_;
    std::uint64_t round_ = 0;
    std::vector<char> came_;
    std::vector<int> members_;
    bool settled_ = false;
  };

  template <class F>
  void ask(F f) {
    {
      const std::lock_guard held(mutex_);
      f(asked_for_);
    }
    wake();
  }

  /// What a rank says before others can connect to it.
  struct card {
    detail::reach at;
    detail::session_secret secret;  // the first rank's counts
  };

  void join(exchange& world, int rank, const std::vector<int>& members, double joining) {
    const std::vector<card> cards = gather_values(world, card{detail::reach::mine(), detail::session_secret::fresh()});
    const card& first = cards[static_cast<std::size_t>(members[0])];
    bool together = true;
    std::vector<detail::reach> ranks;
    for (const card& c : cards) ranks.push_back(c.at);
    for (int m : members) together &= ranks[static_cast<std::size_t>(m)].home.same_network_space(first.at.home);
    detail::socket listener = detail::listen_for_peers(together);
    const std::string no_port = listener ? "" : format("it cannot listen: %s", std::strerror(errno));
    const std::vector<std::uint16_t> ports = gather_values(world, listener ? detail::port_of(listener) : std::uint16_t{0});

    bool joined = static_cast<bool>(listener) && ports[static_cast<std::size_t>(members[0])] != 0;
    if (joined) {
      detail::peer_lines lines(rank, std::move(ranks), ports, first.secret, std::move(listener));
      work_ = std::make_unique<detail::succession>(rank, members, std::move(lines), board_, now());
      start(rank);
      for (const double limit = now() + joining; !joined_.load(std::memory_order_acquire) && now() < limit;)
        futex_wait(joined_, 0, 0.1);
      joined = joined_.load(std::memory_order_acquire) != 0;
    }
    const std::vector<char> all_joined = gather_values(world, static_cast<char>(joined));
    for (int r : members)
      if (!all_joined[static_cast<std::size_t>(r)])
        throw error(errc::link, format("rank %d (process %d on %s) could not connect to rank %d on %s for heartbeats%s%s", r,
                                       cards[static_cast<std::size_t>(r)].at.home.pid,
                                       cards[static_cast<std::size_t>(r)].at.home.host, members[0], first.at.home.host,
                                       no_port.empty() ? "" : ": ", no_port.c_str()), r);
  }

  void start(int rank) {
    // A signal is for the program's own threads.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = ::pthread_create(&thread_, nullptr, [](void* self) -> void* {
      static_cast<monitor*>(self)->run();
      return nullptr;
    }, this);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (failed != 0) throw error(errc::link, format("the monitor's thread could not be started: %s", std::strerror(failed)), rank);
    running_ = true;
  }

  void run() noexcept {
    try {
      while (!work_->finished()) {
        work_->wait(wake_);
        std::uint64_t rung;
        [[maybe_unused]] const ssize_t n = ::read(wake_, &rung, sizeof rung);
        requests r;
        {
          const std::lock_guard held(mutex_);
          r = std::exchange(asked_for_, {});
        }
        const double t = now();
        if (const auto* open = follows_.load(std::memory_order_acquire)) work_->follow(*open);
        if (r.has_verdict) work_->propose(r.would_say, t);
        for (int s : r.suspects) work_->suspect(s, t);
        if (r.contributes) work_->contribute(r.round, r.part, r.until, r.condemned);
        if (r.gives_up) work_->give_up(format("rank %d could not join the other survivors", rank_));
        if (r.leave) work_->leave(t);
        work_->step(t);
        if (work_->take(answer_)) {
          answered_.store(1, std::memory_order_release);
          futex_wake(answered_);
        }
        if (work_->joined() && !joined_.exchange(1)) futex_wake(joined_);
      }
    } catch (const std::exception& e) {
      verdict v{.code = errc::link};
      v.say(format("the monitor failed: %s", e.what()));
      board_.declare(v);
    }
    work_->close();
  }

  void wake() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(wake_, &one, sizeof one);
  }

  verdict_board& board_;
  int rank_;
  int wake_ = -1;
  std::unique_ptr<detail::succession> work_;  // the thread's, once it runs
  pthread_t thread_{};
  std::atomic<bool> running_{false}, declared_{false};
  std::atomic<std::uint32_t> joined_{0};
  std::atomic<const std::atomic<std::uint64_t>*> follows_{nullptr};
  std::mutex mutex_;
  requests asked_for_;
  std::atomic<std::uint32_t> answered_{0};
  detail::muster::answer answer_;  // the asking thread's once it is there
  bool shrunk_ = false;
};

}  // namespace tutti
