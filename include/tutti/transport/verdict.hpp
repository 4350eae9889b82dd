#pragma once
#include <atomic>
#include <cstdint>
#include <cstring>
#include <string>

#include <sched.h>
#include <unistd.h>

#include <tutti/base/clock.hpp>
#include <tutti/base/error.hpp>
#include <tutti/transport/operation_id.hpp>
#include <tutti/transport/process_fence.hpp>
#include <tutti/transport/process_state.hpp>

namespace tutti {

/// What ended a session: one for all ranks.
struct verdict {
  errc code = errc::link;
  bool names_operation = true;  ///< in its text, where there is one; else `operation` is only what its rank waited in
  std::int32_t rank = -1;       ///< at fault, in the world
  std::uint64_t operation = 0;  ///< the lowest that some survivor could not complete: an `operation_id`
  char text[496] = {};

  void say(const std::string& sentence) {
    std::size_t n = sentence.size() < sizeof text - 1 ? sentence.size() : sizeof text - 1;
    std::memcpy(text, sentence.data(), n);
    text[n] = '\0';
  }
  /// The rank that the others can go on without, and must where they go on; −1
  /// where it was a call that failed, and every rank is as good as before.
  int condemned() const {
    return code == errc::rank_died || code == errc::rank_stopped || code == errc::deadline || code == errc::link ? rank : -1;
  }
  [[noreturn]] void raise() const { throw error(code, text, rank, operation_number(operation)); }
};

/// For how many seconds a sign that a rank is gone, which does not say why, waits
/// for a verdict that does.
inline constexpr double lost_patience = 1.5;

/// Whether it has been there for longer than that; `since` is when it was first
/// seen, 0 where it was not.
inline bool lost_for_long(double& since, double t) {
  if (since == 0) since = t;
  return t - since > lost_patience;
}

/// The one place where a session's verdict is written, by whoever is first; in
/// memory that all ranks of a host see, or of one process where a session
/// spans hosts.
class alignas(64) verdict_board {
 public:
  /// For the barrier of `announce`, every process that may complete something
  /// makes a board, if only to look at another.
  verdict_board() { process_fence::take_part(); }

  /// False where somebody else was first. `by` is the rank that says so.
  bool declare(const verdict& v, int by = -1) {
    const announcement mine = announce(by);
    if (mine) write(mine, v);
    return static_cast<bool>(mine);
  }

  /// That it is somebody's to write the verdict; false where it is not.
  class announcement {
   public:
    announcement() = default;
    explicit operator bool() const { return word_ != 0; }

   private:
    friend class verdict_board;
    announcement(std::uint64_t word) : word_(word) {}
    std::uint64_t word_ = 0;
  };

  /// The first half of that: from here on nobody completes an operation without
  /// having asked whether the verdict, which `write` must bring soon, comes before
  /// it; and what anyone has completed can be seen.
  announcement announce(int by = -1) {
    std::uint64_t expected = none;
    const std::uint64_t word = announced_by(by, 0);
    if (!word_.compare_exchange_strong(expected, word, std::memory_order_seq_cst)) return {};
    // Whoever completes something writes that down and then looks here, without a
    // fence, which every operation would pay for: all pay for it here, once.
    if (!process_fence::for_those_who_take_part()) process_fence::for_all();
    return {word};
  }
  /// By whoever has announced it so; in vain where another has taken over.
  void write(announcement mine, const verdict& v) {
    std::uint64_t word = mine.word_;
    if (word_.load(std::memory_order_acquire) != word) return;
    verdicts_[turn_of(word)] = v;
    word_.compare_exchange_strong(word, word + (written - announced), std::memory_order_release, std::memory_order_relaxed);
  }

  /// Whether `read` answers at once.
  bool has_written() const { return state_of(word_.load(std::memory_order_acquire)) == written; }

  /// Whether there is a verdict, or will be in a moment.
  bool any() const { return state_of(word_.load(std::memory_order_relaxed)) != none; }

  /// To be called where `any()`. Where whoever announced it has ended or is stopped
  /// before it was written, that is the verdict, with the operation that `open(rank)`
  /// gives for the loss of that rank: the first to find so writes it. Somebody who
  /// runs is waited for `patience` seconds.
  template <class Open>
  verdict read(Open open, double patience = usual_patience) {
    const double begun = now();
    double stopped_since = 0;
    for (double t = begun;; t = now()) {
      const std::uint64_t word = word_.load(std::memory_order_acquire);
      if (state_of(word) == written) return verdicts_[turn_of(word)];
      if (t - begun < 0.001) {
        ::sched_yield();
        continue;
      }
      const char is = process_state(writer_of(word));
      if (!is_stopped(is)) stopped_since = 0;
      else if (stopped_since == 0) stopped_since = t;
      const bool ended = has_ended(is), late = t - begun > patience;
      if (ended || late || (stopped_since > 0 && t - stopped_since > stopped_patience)) {
        verdict v{.code = ended ? errc::rank_died : errc::rank_stopped, .rank = rank_of(word), .operation = open(rank_of(word))};
        v.say(format("%s (process %d) %s while it said why the session ended",
                     v.rank < 0 ? "a rank" : format("rank %d", v.rank).c_str(), writer_of(word),
                     ended ? "died" : stopped_since > 0 ? "was stopped" : "did not go on"));
        if (const announcement mine = take_over(word)) write(mine, v);
        else if (turn_of(word) == most_turns - 1) return v;
        continue;
      }
      ::usleep(200);
    }
  }

  verdict read() {
    return read([](int) { return std::uint64_t{0}; });
  }

  /// Writing takes moments, but on a machine with more processes than
  /// cores the writer may lose its core in the midst of it: far beyond any such
  /// pause.
  static constexpr double usual_patience = 10;
  static constexpr double stopped_patience = 1.5;

 private:
  // The word: its state, whose turn it is to write, and which process of which
  // rank that is. Each turn has a place of its own: one that goes on after it was
  // stopped does not spoil what another has written.
  static constexpr std::uint64_t none = 0, announced = 1, written = 2;
  static constexpr std::uint64_t most_turns = 4;
  static std::uint64_t announced_by(int rank, std::uint64_t turn) {
    return announced | turn << 2 | static_cast<std::uint64_t>(::getpid()) << 4 | static_cast<std::uint64_t>(rank + 1) << 32;
  }
  static std::uint64_t state_of(std::uint64_t word) { return word & 3; }
  static std::uint64_t turn_of(std::uint64_t word) { return word >> 2 & 3; }
  static int writer_of(std::uint64_t word) { return static_cast<int>(word >> 4 & 0xfffffff); }
  static int rank_of(std::uint64_t word) { return static_cast<int>(word >> 32) - 1; }

  announcement take_over(std::uint64_t from) {
    if (turn_of(from) == most_turns - 1) return {};
    const std::uint64_t word = announced_by(-1, turn_of(from) + 1);
    if (!word_.compare_exchange_strong(from, word, std::memory_order_acq_rel)) return {};
    return {word};
  }

  std::atomic<std::uint64_t> word_{none};
  verdict verdicts_[most_turns];
};

}  // namespace tutti
