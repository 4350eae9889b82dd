#pragma once
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
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
  /// Collective. Throws `link`, on every rank, where a rank cannot reach rank 0
  /// within `joining` seconds.
  monitor(exchange& world, int rank, int size, verdict_board& board, double joining = 20) : board_(board) {
    wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_ < 0) throw error(errc::link, format("the monitor got no descriptor: %s", std::strerror(errno)), rank);
    try {
      join(world, rank, size, joining);
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
      board_.declare(v);
      return;
    }
    lock();
    asked_for_.has_verdict = true;
    asked_for_.would_say = v;
    unlock();
    wake();
  }

  /// A connection to a rank has ended, which may mean something: the rank is
  /// asked whether it lives.
  void suspect(int rank) {
    if (!running_) return;
    lock();
    asked_for_.suspects.push_back(rank);
    unlock();
    wake();
  }

  /// Where the lowest operation that this rank has not completed can be read,
  /// from here on until `leave`; 0 for none.
  void follow(const std::atomic<std::uint64_t>& open_operation) {
    follows_.store(&open_operation, std::memory_order_release);
  }

  /// From here on this process's end is no failure. Waits at most some three
  /// seconds, which it needs only where peers do not answer.
  void leave() {
    if (!running_) return;
    lock();
    asked_for_.leave = true;
    unlock();
    wake();
    ::pthread_join(thread_, nullptr);
    running_ = false;
  }

 private:
  struct requests {
    bool has_verdict = false, leave = false;
    verdict would_say{};
    std::vector<int> suspects;
  };

  /// What a rank says before others can connect to it.
  struct card {
    detail::reach at;
    detail::session_secret secret;  // rank 0's counts
  };

  template <class T>
  static std::vector<T> gather(exchange& world, const T& mine) {
    std::vector<T> all;
    for (const auto& bytes : world.all_gather(bytes_of(mine))) {
      if (bytes.size() != sizeof(T)) throw error(errc::launch, "a rank of another version of Tutti has joined");
      all.emplace_back();
      std::memcpy(&all.back(), bytes.data(), sizeof(T));
    }
    return all;
  }

  void join(exchange& world, int rank, int size, double joining) {
    const std::vector<card> cards = gather(world, card{detail::reach::mine(), detail::session_secret::fresh()});
    bool together = true;
    std::vector<detail::reach> ranks;
    for (const card& c : cards) {
      together &= c.at.home.same_network_space(cards[0].at.home);
      ranks.push_back(c.at);
    }
    detail::socket listener = detail::listen_for_peers(together);
    const std::string no_port = listener ? "" : format("it cannot listen: %s", std::strerror(errno));
    const std::vector<std::uint16_t> ports = gather(world, listener ? detail::port_of(listener) : std::uint16_t{0});

    bool joined = static_cast<bool>(listener) && ports[0] != 0;
    if (joined) {
      detail::peer_lines lines(rank, std::move(ranks), ports, cards[0].secret, std::move(listener));
      work_ = std::make_unique<detail::succession>(rank, std::move(lines), board_, now());
      start(rank);
      for (const double limit = now() + joining; !joined_.load(std::memory_order_acquire) && now() < limit;)
        futex_wait(joined_, 0, 0.1);
      joined = joined_.load(std::memory_order_acquire) != 0;
    }
    const std::vector<char> all_joined = gather(world, static_cast<char>(joined));
    for (int r = 0; r < size; ++r)
      if (!all_joined[static_cast<std::size_t>(r)])
        throw error(errc::link, format("rank %d (process %d on %s) could not connect to rank 0 on %s for heartbeats%s%s", r,
                                       cards[static_cast<std::size_t>(r)].at.home.pid,
                                       cards[static_cast<std::size_t>(r)].at.home.host, cards[0].at.home.host,
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
        lock();
        const requests r = std::exchange(asked_for_, {});
        unlock();
        const double t = now();
        if (const auto* open = follows_.load(std::memory_order_acquire)) work_->stuck(open->load(std::memory_order_relaxed));
        if (r.has_verdict) work_->propose(r.would_say, t);
        for (int s : r.suspects) work_->suspect(s, t);
        if (r.leave) work_->leave(t);
        work_->step(t);
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
  void lock() { ::pthread_mutex_lock(&mutex_); }
  void unlock() { ::pthread_mutex_unlock(&mutex_); }

  verdict_board& board_;
  int wake_ = -1;
  std::unique_ptr<detail::succession> work_;  // the thread's, once it runs
  pthread_t thread_{};
  std::atomic<bool> running_{false}, declared_{false};
  std::atomic<std::uint32_t> joined_{0};
  std::atomic<const std::atomic<std::uint64_t>*> follows_{nullptr};
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  requests asked_for_;
};

}  // namespace tutti
