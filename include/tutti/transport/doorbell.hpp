#pragma once
#include <atomic>
#include <cstdint>
#include <vector>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <tutti/base/config.hpp>
#include <tutti/transport/process_fence.hpp>

namespace tutti {

/// Sleeps until the word is no longer `seen`, is woken, or `seconds` have
/// passed. Works across processes.
inline void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t seen, double seconds) {
  timespec t{.tv_sec = static_cast<time_t>(seconds),
             .tv_nsec = static_cast<long>((seconds - static_cast<double>(static_cast<time_t>(seconds))) * 1e9)};
  ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAIT, seen, &t, nullptr, 0);
}

inline void futex_wake(std::atomic<std::uint32_t>& word, int waiters = 1 << 30) {
  ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAKE, waiters, nullptr, nullptr, 0);
}

/// How whoever publishes something wakes whoever sleeps for it. In memory that
/// both see; a line of its own, since it is written on the way into sleep only.
struct alignas(64) doorbell {
  static constexpr std::uint32_t awake = 0, asleep = 1;
  std::atomic<std::uint32_t> state{awake};
  /// Whoever sleeps here has all others go through a fence first, so that who rings
  /// needs none of its own. Set by its owner, before anybody rings.
  std::atomic<std::uint32_t> fences_for_all{can_fence_for_all()};

  /// Sleeps at most `seconds`, unless `look()` finds something to do after
  /// every later publisher has been made to ring. Cost: an interrupt on each core that
  /// runs a rank at that moment, so that those who ring need no fence.
  template <class Look>
  void sleep(double seconds, Look look) {
    state.exchange(asleep, std::memory_order_seq_cst);
    const bool fenced = !fences_for_all.load(std::memory_order_relaxed) || process_fence::for_those_who_take_part();
    if (!fenced && seconds > unfenced_sleep) seconds = unfenced_sleep;
    if (!look()) futex_wait(state, asleep, seconds);
    state.store(awake, std::memory_order_relaxed);
  }

  /// To be called after publishing.
  void ring() {
    if (needs_order()) order();
    else std::atomic_signal_fence(std::memory_order_seq_cst);
    if (is_asleep()) wake();
  }
  /// The same of several, at the price of one.
  [[gnu::always_inline]] static void ring(const std::vector<doorbell*>& bells) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    bool rests = takes_part.load(std::memory_order_relaxed);
    if (rests)
      for (const doorbell* bell : bells)
        rests &= bell->fences_for_all.load(std::memory_order_relaxed) != 0 && bell->state.load(std::memory_order_relaxed) == awake;
    if (!rests) ring_those_asleep(bells);
  }

  void wake() {
    // What was published before is seen by whoever sees that it was woken.
    state.store(awake, std::memory_order_release);
    futex_wake(state);
  }

  /// Whether this process can have all others that ring go through a fence: the kernel
  /// knows the call, and no filter forbids it. From then on it takes part in theirs.
  static bool can_fence_for_all() {
    if constexpr (under_thread_sanitizer) return false;  // which sees no such fence
    if (!process_fence::take_part()) return false;
    takes_part.store(true, std::memory_order_relaxed);
    return process_fence::for_those_who_take_part();
  }

 private:
  static constexpr double unfenced_sleep = 0.001;  // seconds

  // Whoever rings has made a bell of its own before, and so has asked whether it can;
  // a child of it takes part as well.
  static inline std::atomic<bool> takes_part{false};

  [[gnu::noinline]] static void ring_those_asleep(const std::vector<doorbell*>& bells) {
    bool ordered = false;
    for (doorbell* bell : bells) {
      if (!ordered && bell->needs_order()) {
        order();
        ordered = true;
      }
      if (bell->is_asleep()) bell->wake();
    }
  }

  bool needs_order() const { return !takes_part.load(std::memory_order_relaxed) || !fences_for_all.load(std::memory_order_relaxed); }

  // What was published stands before the look at the sleeper; the sleeper's
  // exchange orders its mark before its look at what was published.
  static void order() {
    if constexpr (!under_thread_sanitizer) std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  bool is_asleep() {
    if constexpr (under_thread_sanitizer) return state.fetch_or(0, std::memory_order_seq_cst) != awake;
    return state.load(std::memory_order_relaxed) != awake;
  }
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free && sizeof(doorbell) == 64);

}  // namespace tutti
