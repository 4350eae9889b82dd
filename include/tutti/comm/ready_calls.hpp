#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <tutti/base/clock.hpp>
#include <tutti/base/config.hpp>
#include <tutti/comm/board_round.hpp>
#include <tutti/comm/operation_queue.hpp>
#include <tutti/device/copy.hpp>
#include <tutti/transport/billboard.hpp>
#include <tutti/transport/link.hpp>

namespace tutti {

/// Does calls of a communicator that have a root and need one round of its billboard
/// and no folds, once all that they need is there: a root's broadcast while there is
/// room for it, the others' once it is shown, and so on. It is what an operation does
/// of such a call, without all that waiting may need; what is not ready is left as it
/// was.
class ready_calls {
 public:
  /// A call, as an operation of that number would make it.
  struct call_data {
    const prepared_call& plan;
    std::uint64_t number = 0, fingerprint = 0;
    const std::byte* input = nullptr;
    std::byte* output = nullptr;
  };
  enum class outcome {
    not_ready,  ///< nothing has been done
    done,
    cut_short   ///< begun, and a verdict came before its end
  };

  /// Both must outlive it; the queue's channels are counted already.
  ready_calls(fabric& joined, operation_queue& queue)
      : joined_(joined), verdicts_(joined.board()), open_(joined.open_operation()), queue_(queue), board_(queue.channels().board()),
        status_(queue.channels().status()) {
    if (board_) counted_ = queue.channels().to(board_->rank() == 0 ? board_->size() - 1 : 0).counted;
  }

  const verdict_board& verdicts() const { return verdicts_; }

  /// Whether such calls are among those.
  bool takes(const prepared_call& p) const { return p.only_copies && board_; }

  /// Looks at most `looks` times more whether it is ready, and never for long: verdicts
  /// and messages wait meanwhile.
  outcome run(const call_data& c, int looks) {
    const prepared_call& p = c.plan;
    const bool is_root = p.what.root == board_->rank(), from_root = round_of(p.kind) == round_kind::from_root;
    const bool leads = is_root == from_root;  // looks at nobody
    for (looks = std::min(looks, most_looks); !is_ready(c, is_root, from_root); --looks) {
      if (looks <= 0) return outcome::not_ready;
#if TUTTI_ON_X86_64
      __builtin_ia32_pause();
#endif
    }
    const std::uint64_t id = queue_.id(c.number);
    open_.store(id, std::memory_order_relaxed);
    call& what = p.numbered;
    what.number = c.number;
    const bytes_view shown{c.input, p.shown->input_bytes};
    board_->begin(false);
    board_->show(&shown, 1, {.fingerprint = c.fingerprint, .what = &what, .shape = p.shape});
    if (leads) {
      board_->pass();
      board_->ring();
    } else {
      is_root ? board_->saw_all() : board_->saw_one();
    }
    status_.enter(what, p.shape, c.number);
    if (cut_short(id)) return outcome::cut_short;
    copy(c);
    if (!leads && board_->pass_soon(looked_at(p, is_root))) board_->ring();
    const double t = coarse_now();
    open_.store(queue_.id(c.number + 1), std::memory_order_relaxed);
    status_.completed.store(c.number, std::memory_order_relaxed);
    // As an operation that is completed does.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (cut_short(id)) return outcome::cut_short;
    const traffic sent{.messages = p.shown->sends.size(), .bytes = p.shown->sent_bytes};
    if (counted_ && sent.messages > 0) counted_->add(sent);
    if (queue_.counts) queue_.counts->completed(p.kind, sent);
    queue_.recorder().add_done(c.number, what, p.shape, t);
    return outcome::done;
  }

 private:
  static constexpr int most_looks = 200;

  bool is_ready(const call_data& c, bool is_root, bool from_root) const {
    if (from_root && !is_root) return board_->shows_next(c.plan.what.root, c.fingerprint);
    for (int m = 0; !from_root && is_root && m < board_->size(); ++m)
      if (m != board_->rank() && !board_->shows_next(m, c.fingerprint)) return false;
    return board_->has_room_next(c.plan.shown->input_bytes);
  }

  std::size_t looked_at(const prepared_call& p, bool is_root) const {
    if (!is_root) return board_->bytes_of(p.what.root);
    std::size_t bytes = 0;
    for (int m = 0; m < board_->size(); ++m)
      if (m != board_->rank()) bytes += board_->bytes_of(m);
    return bytes;
  }

  void copy(const call_data& c) const {
    const direct_program& d = *c.plan.shown;
    const auto place = [&](const remote_place& p) {
      if (p.role == memory_role::output) return c.output + p.offset;
      const std::byte* const input = p.rank == board_->rank() ? c.input : board_->shown_by(p.rank);
      return const_cast<std::byte*>(input) + p.offset;
    };
    for (const direct_pass& pass : d.passes) {
      const remote_place* const places = d.places.data() + pass.begin;
      const std::byte* const from = place(places[0]);
      for (std::uint32_t t = 0; t < pass.targets; ++t)
        if (std::byte* const to = place(places[1 + t]); to != from) copy_short(to, from, pass.bytes);
    }
  }

  // Whether there is a verdict, and the operation does not come before it.
  bool cut_short(std::uint64_t id) {
    if (!verdicts_.any()) return false;
    const std::uint64_t from = joined_.given().operation;
    return communicator_of(from) != communicator_of(id) || id >= from;
  }

  fabric& joined_;
  const verdict_board& verdicts_;
  std::atomic<std::uint64_t>& open_;
  operation_queue& queue_;
  billboard* board_;
  rank_status& status_;
  traffic_tally* counted_ = nullptr;  // of all others: windows join them
};

}  // namespace tutti
