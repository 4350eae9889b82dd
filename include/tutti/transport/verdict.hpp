#pragma once
#include <atomic>
#include <cstdint>
#include <cstring>
#include <string>

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <tutti/base/clock.hpp>
#include <tutti/base/error.hpp>
#include <tutti/transport/operation_id.hpp>

namespace tutti {

/// What ended a session: one for all ranks.
struct verdict {
  errc code = errc::link;
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

/// The one place where a session's verdict is written, by whoever is first; in
/// memory that all ranks of a host see, or of one process where a session
/// spans hosts.
class alignas(64) verdict_board {
 public:
  /// False where somebody else was first.
  bool declare(const verdict& v) {
    if (!announce()) return false;
    write(v);
    return true;
  }

  /// The first half of that: from here on nobody completes an operation without
  /// having asked whether the verdict, which `write` must bring soon, comes before
  /// it; and what anyone has completed can be seen.
  bool announce() {
    std::uint32_t expected = none;
    if (!state_.compare_exchange_strong(expected, announced, std::memory_order_seq_cst)) return false;
    // Whoever completes something writes that down and then looks here, without a
    // fence, which every operation would pay for: all pay for it here, once.
    ::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
    return true;
  }
  void write(const verdict& v) {
    verdict_ = v;
    state_.store(written, std::memory_order_release);
  }

  /// Whether `read` answers at once.
  bool has_written() const { return state_.load(std::memory_order_acquire) == written; }

  /// Whether there is a verdict, or will be in a moment.
  bool any() const { return state_.load(std::memory_order_relaxed) != none; }

  /// To be called where `any()`. A writer that died while writing is waited for
  /// `patience` seconds.
  verdict read(double patience = usual_patience) const {
    const double begun = now();
    for (double t = begun; state_.load(std::memory_order_acquire) != written; t = now()) {
      if (t - begun < 0.001) ::sched_yield();
      else ::usleep(200);
      if (t - begun > patience) {
        verdict v{.code = errc::rank_died};
        v.say("a rank died while it said why the session ended");
        return v;
      }
    }
    return verdict_;
  }

  /// Writing takes moments, but on a machine with more processes than
  /// cores the writer may lose its core in the midst of it, and whoever gave up
  /// too early would give another verdict than the rest. Far beyond any such
  /// pause; one that died just then is so rare that the wait costs nothing.
  static constexpr double usual_patience = 10;

 private:
  static constexpr std::uint32_t none = 0, announced = 1, written = 2;
  std::atomic<std::uint32_t> state_{none};
  verdict verdict_{};
};

}  // namespace tutti
