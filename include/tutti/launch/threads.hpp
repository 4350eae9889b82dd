#pragma once
#include <cstring>
#include <exception>
#include <vector>

#include <pthread.h>

#include <tutti/base/error.hpp>
#include <tutti/launch/shared_bootstrap.hpp>

namespace tutti {

/// Threads of one process find each other as processes of one parent do.
using thread_bootstrap = shared_bootstrap;

namespace detail {

/// How a rank's body ended, if it threw.
struct thread_outcome {
  std::exception_ptr thrown;
  bool for_another = false;  // it gave up because another rank had
};

/// Rethrows the first failure by rank that was nobody else's fault, with its
/// rank in front. What is no std::exception passes as it is.
inline void rethrow_first(const std::vector<thread_outcome>& outcomes) {
  for (bool consequences : {false, true})
    for (std::size_t r = 0; r < outcomes.size(); ++r) {
      if (!outcomes[r].thrown || outcomes[r].for_another != consequences) continue;
      int rank = static_cast<int>(r);
      try {
        std::rethrow_exception(outcomes[r].thrown);
      } catch (const error& e) {
        throw error(e.code(), format("rank %d: %s", rank, e.what()), e.rank() < 0 ? rank : e.rank(), e.operation());
      } catch (const std::exception& e) {
        throw error(errc::rank_failed, format("rank %d: %s", rank, e.what()), rank);
      }
    }
}

template <class Body>
struct thread_rank {
  shared_board& board;
  Body& body;
  int rank;
  double timeout;
  thread_outcome outcome{};
  pthread_t thread{};

  static void* main(void* self) {
    static_cast<thread_rank*>(self)->run();
    return nullptr;
  }

  void run() noexcept {
    thread_bootstrap mine(board, rank, timeout);
    try {
      body(mine);
      board.report_end(rank, 0, 0);
    } catch (const error& e) {
      outcome = {std::current_exception(), e.rank() >= 0 && e.rank() != rank};
      mine.fail(e.what(), e.rank());
    } catch (const std::exception& e) {
      outcome = {std::current_exception(), false};
      mine.fail(e.what());
    } catch (...) {
      outcome = {std::current_exception(), false};
      mine.fail("an exception that is no std::exception");
    }
  }
};

}  // namespace detail

/// Runs `body(thread_bootstrap&)` on `ranks` threads of this process, each a
/// rank, and waits for all. Where bodies threw, the first by rank is thrown
/// again, its rank named; those that only gave up because another rank had
/// come last. A rank that throws leaves nobody waiting in the bootstrap.
template <class Body>
void run_threads(int ranks, Body body, double timeout = 300) {
  if (ranks < 1) throw error(errc::invalid_argument, format("run_threads takes at least 1 rank, not %d", ranks));
  shared_board board(ranks);
  std::vector<detail::thread_rank<Body>> started;
  started.reserve(static_cast<std::size_t>(ranks));
  int failure = 0;
  for (int r = 0; r < ranks && failure == 0; ++r) {
    started.push_back({board, body, r, timeout});
    failure = ::pthread_create(&started.back().thread, nullptr, &detail::thread_rank<Body>::main, &started.back());
    if (failure == 0) continue;
    started.pop_back();
    board.report_failure(r, r, "its thread could not be started");
  }
  std::vector<detail::thread_outcome> outcomes;
  for (auto& rank : started) {
    ::pthread_join(rank.thread, nullptr);
    outcomes.push_back(rank.outcome);
  }
  if (failure != 0)
    throw error(errc::launch, format("cannot start thread %zu of %d: %s", started.size(), ranks, std::strerror(failure)));
  detail::rethrow_first(outcomes);
}

}  // namespace tutti
