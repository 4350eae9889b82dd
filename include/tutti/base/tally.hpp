#pragma once
#include <atomic>
#include <cstdint>

namespace tutti {

/// Counts in one thread, and can be read from any: a load, an addition and a
/// store, nothing that other cores take part in.
class tally {
 public:
  [[gnu::always_inline]] void add(std::uint64_t n) {
    count_.store(count_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  std::uint64_t read() const { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> count_{0};
};

/// Messages, and the bytes in them.
struct traffic {
  std::uint64_t messages = 0, bytes = 0;

  constexpr void add(std::uint64_t more) { ++messages, bytes += more; }
  constexpr traffic& operator+=(const traffic& other) {
    messages += other.messages;
    bytes += other.bytes;
    return *this;
  }
  constexpr traffic& operator-=(const traffic& other) {
    messages -= other.messages;
    bytes -= other.bytes;
    return *this;
  }
  friend constexpr bool operator==(const traffic&, const traffic&) = default;
};

/// The same, of one thread for any to read.
struct traffic_tally {
  tally messages, bytes;

  void add(std::uint64_t more) {
    messages.add(1);
    bytes.add(more);
  }
  [[gnu::always_inline]] void add(const traffic& more) {
    messages.add(more.messages);
    bytes.add(more.bytes);
  }
  traffic read() const { return {messages.read(), bytes.read()}; }
};

}  // namespace tutti
