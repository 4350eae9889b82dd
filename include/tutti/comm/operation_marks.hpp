#pragma once
#include <atomic>
#include <cstdint>

#include <tutti/comm/operation_queue.hpp>
#include <tutti/transport/link.hpp>

namespace tutti {

/// What a rank writes down at the begin and at the end of an operation of one
/// communicator, so that a verdict comes before it on all ranks or on none.
class operation_marks {
 public:
  /// Both must outlive it.
  operation_marks(fabric& joined, operation_queue& queue)
      : joined_(joined), verdicts_(joined.board()), open_(joined.open_operation()), queue_(queue), status_(queue.channels().status()) {}

  const verdict_board& verdicts() const { return verdicts_; }

  /// This rank is about to show others something of it.
  [[gnu::always_inline]] void open(std::uint64_t number) const { open_.store(queue_.id(number), std::memory_order_relaxed); }

  /// After that: for reports of what it did last, and for who looks where it is.
  void enter(const call& what, std::uint64_t shape, std::uint64_t number, double t) const {
    queue_.recorder().begin(number, what, shape, t);
    enter(what, shape, number);
  }
  /// The same of one that is recorded once it is done, or once it goes on as an operation.
  void enter(const call& what, std::uint64_t shape, std::uint64_t number) const { status_.enter(what, shape, number); }

  /// Whether there is a verdict, and the operation does not come before it.
  [[gnu::always_inline]] bool cut_short(std::uint64_t number) const { return verdicts_.any() && comes_after_verdict(number); }

  /// Its results are there; false where a verdict comes before it all the same.
  [[gnu::always_inline]] bool complete(std::uint64_t number) const {
    open(number + 1);
    status_.completed.store(number, std::memory_order_relaxed);
    // Whoever gives a verdict now sees that this one is done, or this one sees the
    // verdict (`verdict_board::announce` has the fence).
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return !cut_short(number);
  }

 private:
  [[gnu::noinline]] bool comes_after_verdict(std::uint64_t number) const {
    const std::uint64_t from = joined_.given().operation, id = queue_.id(number);
    return communicator_of(from) != communicator_of(id) || id >= from;
  }

  fabric& joined_;
  const verdict_board& verdicts_;
  std::atomic<std::uint64_t>& open_;
  operation_queue& queue_;
  rank_status& status_;
};

}  // namespace tutti
