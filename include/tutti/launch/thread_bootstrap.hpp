#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include <tutti/base/bootstrap.hpp>
#include <tutti/base/error.hpp>
#include <tutti/launch/rank_list.hpp>

namespace tutti {

/// Where the threads of one process find each other. Outlives their bootstraps.
class thread_board {
 public:
  explicit thread_board(int size) : given_(static_cast<std::size_t>(size)), present_(static_cast<std::size_t>(size)) {}

  int size() const { return static_cast<int>(given_.size()); }

  contributions exchange(int rank, bytes_view mine, double timeout) {
    std::unique_lock held(mutex_);
    throw_if_failed();
    std::size_t me = static_cast<std::size_t>(rank);
    given_[me].assign(mine.begin(), mine.end());
    present_[me] = true;
    std::uint64_t round = rounds_;
    if (++arrived_ == size()) {
      gathered_ = given_;
      present_.assign(present_.size(), false);
      arrived_ = 0;
      ++rounds_;
      changed_.notify_all();
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 * timeout));
    bool late = false;
    while (rounds_ == round) {
      throw_if_failed();
      throw_if_left(round);
      if (late) throw_late(timeout);
      late = changed_.wait_until(held, deadline) == std::cv_status::timeout;
    }
    // Nobody completes the next round before this thread joins it.
    return gathered_;
  }

  void report_failure(int rank, int culprit, const char* why) noexcept {
    const std::lock_guard held(mutex_);
    if (culprit_ < 0) {
      culprit_ = culprit >= 0 && culprit < size() ? culprit : rank;
      reporter_ = rank;
      why_ = why;
    }
    changed_.notify_all();
  }

  /// The thread of `rank` has ended in good order.
  void report_end(int rank) noexcept {
    const std::lock_guard held(mutex_);
    left_ = left_ < 0 ? rank : left_;
    changed_.notify_all();
  }

 private:
  void throw_if_failed() const {
    if (culprit_ >= 0)
      throw error(errc::rank_failed, format("rank %d gave up: %s", reporter_, why_.c_str()), culprit_);
  }

  // Whoever has left takes part in no later round.
  void throw_if_left(std::uint64_t round) const {
    if (left_ >= 0 && rounds_ == round)
      throw error(errc::rank_failed, format("rank %d left while others waited for it", left_), left_);
  }

  [[noreturn]] void throw_late(double timeout) const {
    std::vector<int> missing;
    for (int r = 0; r < size(); ++r)
      if (!present_[static_cast<std::size_t>(r)]) missing.push_back(r);
    throw error(errc::deadline,
                format("%s of %d did not come to an all-gather of the bootstrap within %g s",
                       rank_list(missing).c_str(), size(), timeout), missing.empty() ? -1 : missing.front());
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  contributions given_, gathered_;
  std::vector<bool> present_;
  int arrived_ = 0;
  std::uint64_t rounds_ = 0;
  int culprit_ = -1, reporter_ = -1, left_ = -1;
  std::string why_;
};

/// One thread's end of a `thread_board`.
class thread_bootstrap {
 public:
  thread_bootstrap(thread_board& board, int rank, double timeout = 300)
      : board_(&board), rank_(rank), timeout_(timeout) {}

  int rank() const { return rank_; }
  int size() const { return board_->size(); }

  /// Throws `rank_failed`, which names the rank at fault, or `deadline`, which
  /// names all that are missing.
  contributions all_gather(bytes_view mine) { return board_->exchange(rank_, mine, timeout_); }

  void fail(const char* why, int culprit = -1) noexcept { board_->report_failure(rank_, culprit, why); }

 private:
  thread_board* board_;
  int rank_;
  double timeout_;
};

}  // namespace tutti
