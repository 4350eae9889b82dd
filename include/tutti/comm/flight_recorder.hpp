#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <tutti/transport/call.hpp>

namespace tutti {

/// One operation of a communicator, as it is remembered.
struct operation_record {
  enum class state : std::uint32_t { running, done, failed };

  std::uint64_t number = 0;
  call what{};
  state is = state::running;
  double begun = 0;  ///< seconds of `now()`, to a few milliseconds unless operations are traced
  double ended = 0;  ///< the same; 0 where it has not
};

/// As a person would read it `t` seconds after the clock began.
inline std::string describe(const operation_record& r, double t) {
  const double ago = std::max(t - r.begun, 0.0), took = std::max(r.ended - r.begun, 0.0);
  std::string text = format("%s %llu: %s: ", is_message(r.what) ? "message" : "operation", static_cast<unsigned long long>(r.number), describe(r.what).c_str());
  switch (r.is) {
    case operation_record::state::running: return text + format("under way, begun %.3f s ago", ago);
    case operation_record::state::done: return text + format("done, begun %.3f s ago, took %.3f s", ago, took);
    case operation_record::state::failed: break;
  }
  return text + format("failed, begun %.3f s ago, after %.3f s", ago, took);
}

/// The last operations of a communicator: what led to a failure. Written by the
/// thread that moves them, for any to read. Copies a call only where its place
/// held another before.
class flight_recorder {
 public:
  static constexpr std::size_t kept = 16;

  void begin(std::uint64_t number, const call& what, std::uint64_t shape, double t) { write(number, what, shape, operation_record::state::running, t, 0); }

  /// One that has begun and is done.
  void add_done(std::uint64_t number, const call& what, std::uint64_t shape, double t) { write(number, what, shape, operation_record::state::done, t, t); }

  /// Says nothing of an operation that is no longer among the last.
  void end(std::uint64_t number, operation_record::state how, double t) {
    record& r = records_[number % kept];
    if (r.number.load(std::memory_order_relaxed) != number) return;
    r.ended.store(t, std::memory_order_release);
    r.is.store(static_cast<std::uint32_t>(how), std::memory_order_release);
  }

  /// The oldest first. One that changes meanwhile is left out.
  std::vector<operation_record> read() const {
    std::vector<operation_record> all;
    for (const record& r : records_) {
      operation_record copy{.number = r.number.load(std::memory_order_acquire)};
      if (copy.number == 0) continue;
      std::uint64_t bytes[words];
      for (std::size_t i = 0; i < words; ++i) bytes[i] = r.what[i].load(std::memory_order_acquire);
      std::memcpy(&copy.what, bytes, sizeof copy.what);
      copy.is = static_cast<operation_record::state>(r.is.load(std::memory_order_acquire));
      copy.begun = r.begun.load(std::memory_order_acquire);
      copy.ended = r.ended.load(std::memory_order_acquire);
      copy.what.number = copy.number;
      if (r.number.load(std::memory_order_relaxed) == copy.number) all.push_back(copy);
    }
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
    return all;
  }

 private:
  static constexpr std::size_t words = sizeof(call) / 8;
  struct alignas(64) record {
    std::atomic<std::uint64_t> number{0};
    std::uint64_t shape = 0;  // the writer's own
    std::atomic<double> begun{0}, ended{0};
    std::atomic<std::uint32_t> is{0};
    std::atomic<std::uint64_t> what[words] = {};
  };

  [[gnu::always_inline]] void write(std::uint64_t number, const call& what, std::uint64_t shape, operation_record::state is, double begun, double ended) {
    record& r = records_[number % kept];
    // Whoever reads what follows sees that this record is not what it was.
    r.number.store(0, std::memory_order_relaxed);
    if (r.shape != shape) {
      r.shape = shape;
      std::uint64_t bytes[words];
      std::memcpy(bytes, &what, sizeof what);
      for (std::size_t i = 0; i < words; ++i) r.what[i].store(bytes[i], std::memory_order_release);
    }
    r.is.store(static_cast<std::uint32_t>(is), std::memory_order_release);
    r.begun.store(begun, std::memory_order_release);
    r.ended.store(ended, std::memory_order_release);
    r.number.store(number, std::memory_order_release);
  }

  record records_[kept];
};

}  // namespace tutti
