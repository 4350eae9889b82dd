#pragma once
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <utility>

#include <tutti/base/clock.hpp>
#include <tutti/base/config.hpp>
#include <tutti/comm/board_round.hpp>
#include <tutti/comm/direct_execution.hpp>
#include <tutti/comm/operation.hpp>
#include <tutti/comm/operation_marks.hpp>
#include <tutti/comm/pass_execution.hpp>
#include <tutti/device/copy.hpp>
#include <tutti/transport/billboard.hpp>

namespace tutti {

/// Does calls of a communicator that need one round of its billboard, or two where they
/// are done in memory that all ranks lend, if all that they need is there or comes at
/// once: what an operation does of such a call, without all that waiting may need. Where
/// all look at all, this rank shows what it has and looks for a moment; a call with a
/// root is left as it was until it is ready: a root's broadcast until there is room for
/// it, the others' until it is shown.
class short_calls {
 public:
  /// A call, as an operation of that number would make it.
  struct call_data {
    const prepared_call& plan;
    std::uint64_t number = 0, fingerprint = 0;
    const std::byte* input = nullptr;
    std::byte* output = nullptr;
    const fold_function& fold;  ///< of elements as they travel
  };
  enum class outcome {
    not_ready,  ///< nothing has been done
    done,
    begun,      ///< shown, and entered; some have not been seen, or lend nothing: an operation goes on from there
    ending,     ///< all is done in lent memory, which some may still read: an operation waits for them
    cut_short,  ///< begun, and a verdict came before its end
    threw       ///< begun, and its fold threw
  };

  /// Both must outlive it; the queue's channels are counted already.
  short_calls(fabric& joined, operation_queue& queue) : marks_(joined, queue), queue_(queue), board_(queue.channels().board()) {
    if (board_) counted_ = queue.channels().to(board_->rank() == 0 ? board_->size() - 1 : 0).counted;
  }

  const verdict_board& verdicts() const { return marks_.verdicts(); }

  /// Whether such calls are among those.
  bool takes(const prepared_call& p) const { return (p.shown || p.lent_briefly) && board_; }
  /// From here on `run` allocates nothing for it.
  void make_room_for(const prepared_call& p) {
    if (p.shown) passes_.make_room(p.shown->places.size());
    else lent_.prepare(*p.lent);
    look_at(p);
  }
  /// What was prepared is no longer.
  void forget(const prepared_call& p) {
    lent_.forget(p.lent);
    if (form_.of == &p) form_.of = nullptr;
  }

  /// Looks at most `looks` times more whether it is ready, and never for long: verdicts
  /// and messages wait meanwhile. Where all look at all it then offers the processor to
  /// others, `yields` times at most, and looks after each.
  [[gnu::always_inline]] outcome run(const call_data& c, int looks, int yields = 0) {
    if (form_.of != &c.plan) look_at(c.plan);
    const outcome how = form_.shown_to_all ? run_with_all(c, looks, yields) : form_.lent ? run_in_lent_memory(c, looks) : run_with_root(c, looks);
    // What is done is recorded as that; all else goes on, and may wait.
    if (how != outcome::done && how != outcome::not_ready) queue_.recorder().begin(c.number, c.plan.numbered, c.plan.shape, begun_at_);
    return how;
  }

  /// Whether pages could be shown before the last call that was begun.
  bool pages_were_free() const { return pages_were_free_; }
  /// When the last call that was begun was, in seconds of the clock.
  double begun_at() const { return begun_at_; }
  /// What its fold threw; asked once.
  std::exception_ptr thrown() { return std::exchange(thrown_, nullptr); }

 private:
  // An operation that goes on looks as often again, and yields then.
  static constexpr int most_looks = 200, most_looks_at_all = 50;
  // Of those that share cores some may run beside this rank: for less time than a
  // switch takes.
  static constexpr int looks_before_yields = 6, most_yields = 16;
  static constexpr double longest_yielding = 0.02;  // seconds, give or take a tick of the coarse clock
  static constexpr int enough_behind = 4;
  static constexpr std::size_t most_folded_directly = 1024;
  static constexpr int own_input = -1, own_output = -2;

  [[gnu::always_inline]] outcome run_with_all(const call_data& c, int looks, int yields) {
    if (!board_->has_room_next(form_.input_bytes)) return outcome::not_ready;
    begin(c, true, {c.input, form_.input_bytes});
    board_->ring();
    enter(c);
    if (std::size_t hops = 0; !board_->all_show(c.fingerprint, hops) && !saw_all_soon(c.fingerprint, hops, looks, yields)) return outcome::begun;
    board_->saw_all();
    if (const outcome how = form_.folds_two ? fold_two(c) : do_passes(c); how != outcome::done) return how;
    return complete(c);
  }

  // Whose memory is not lent begins as an operation, and so do all then.
  [[gnu::noinline]] outcome run_in_lent_memory(const call_data& c, int looks) {
    link& peers = queue_.channels();
    lent_.prepare(*c.plan.lent);
    const loan_offer own = offer_of(c.plan, peers, c.input, c.output);
    if (!lent_.is_enough(static_cast<std::size_t>(board_->rank()), own) || !board_->has_room_next(sizeof own)) return outcome::not_ready;
    pages_were_free_ = board_->pages_are_free();
    begin(c, true, bytes_of(own));
    board_->ring();
    enter(c);
    std::size_t hops = 0;
    int more = 0;
    looks = std::min(looks, most_looks);
    if (!looked([&] { return board_->all_show(c.fingerprint, hops); }, looks, more)) return outcome::begun;
    board_->saw_all();
    if (marks_.verdicts().any()) return outcome::cut_short;
    if (!opened(c, peers)) return outcome::begun;
    try {
      while (lent_.under_way()) lent_.progress(c.plan.what.element, c.fold, [](int, std::size_t) {});
    } catch (...) {
      thrown_ = std::current_exception();
      return outcome::threw;
    }
    begin(c, true, {});
    board_->ring();
    if (hops = 0; !looked([&] { return board_->all_show(c.fingerprint, hops); }, looks, more)) return outcome::ending;
    board_->saw_all();
    // After a verdict its owner may have written to it: whoever has seen that must see
    // the verdict as well. (A thread sanitizer knows no fences.)
    if constexpr (!under_thread_sanitizer) std::atomic_thread_fence(std::memory_order_acquire);
    return marks_.verdicts().any() ? outcome::cut_short : complete(c);
  }
  // Whether all that is needed was lent, and is still there. What throws there is an operation's to say.
  bool opened(const call_data& c, link& peers) {
    for (int r = 0; r < board_->size(); ++r) std::memcpy(&lent_.offers()[r], board_->shown_by(r), sizeof(loan_offer));
    try {
      return lent_.all_lent() && lent_.open(peers, c.input, c.output);
    } catch (...) {
      return false;
    }
  }

  [[gnu::noinline]] outcome run_with_root(const call_data& c, int looks) {
    const bool is_root = form_.is_root, leads = form_.leads;
    if (leads) board_->look_aside();
    int more = 0;
    if (!looked([&] { return is_ready(c); }, std::min(looks, most_looks), more)) return outcome::not_ready;
    begin(c, false, {c.input, form_.input_bytes});
    if (leads) {
      board_->pass();
      board_->ring();
    } else {
      is_root ? board_->saw_all() : board_->saw_one();
      behind_ = more == 0 ? std::min(behind_ + 1, enough_behind) : 0;
      if (behind_ == enough_behind) prefetch();
    }
    enter(c);
    const bytes_view theirs = leads || is_root ? bytes_view{} : board_->part_of(form_.root);
    if (const outcome how = form_.copies ? do_copy(c, theirs.data()) : form_.folds_two ? fold_two(c) : do_passes(c); how != outcome::done) return how;
    if (!leads && board_->pass_soon(is_root ? bytes_of_others() : theirs.size())) board_->ring();
    return complete(c);
  }

  template <class Look>
  [[gnu::always_inline]] static bool looked(Look look, int most, int& more) {
    for (more = 0; !look(); ++more) {
      if (more >= most) return false;
#if TUTTI_ON_X86_64
      __builtin_ia32_pause();
#endif
    }
    return true;
  }

  // Whoever shares a core gets there what an operation would, without one, for about as
  // long as one is given to others at most. A verdict is found by an operation.
  [[gnu::noinline]] bool saw_all_soon(std::uint64_t fingerprint, std::size_t hops, int looks, int yields) const {
    if (yields > 0) looks = std::max(looks, looks_before_yields);
    int more = 0;
    if (looked([&] { return board_->all_show(fingerprint, hops); }, std::min(looks, most_looks_at_all), more)) return true;
    const double until = begun_at_ + longest_yielding;
    for (int k = 0; k < std::min(yields, most_yields) && !verdicts().any(); ++k) {
      ::sched_yield();
      if (board_->all_show(fingerprint, hops)) return true;
      if (coarse_now() > until) break;
    }
    return false;
  }

  // What others wait for goes out before all that is only written down.
  [[gnu::always_inline]] void begin(const call_data& c, bool all_look, bytes_view shows) {
    const prepared_call& p = c.plan;
    marks_.open(c.number);
    p.numbered.number = c.number;
    board_->begin(all_look);
    board_->show(shows, {.fingerprint = c.fingerprint, .what = &p.numbered, .shape = p.shape});
  }
  [[gnu::always_inline]] void enter(const call_data& c) {
    begun_at_ = coarse_now();
    marks_.enter(c.plan.numbered, c.plan.shape, c.number);
  }

  [[gnu::always_inline]] outcome complete(const call_data& c) {
    if (!marks_.complete(c.number)) return outcome::cut_short;
    if (counted_ && form_.sent.messages > 0) counted_->add(form_.sent);
    if (queue_.counts) queue_.counts->completed(c.plan.kind, form_.sent);
    queue_.recorder().add_done(c.number, c.plan.numbered, c.plan.shape, begun_at_);
    return outcome::done;
  }

  [[gnu::always_inline]] bool is_ready(const call_data& c) const {
    if (!form_.leads && !form_.is_root) return board_->shows_next(form_.root, c.fingerprint);
    return (form_.leads || all_show_next(c.fingerprint)) && board_->has_room_next(form_.input_bytes);
  }
  bool all_show_next(std::uint64_t fingerprint) const {
    for (int m = 0; m < board_->size(); ++m)
      if (m != board_->rank() && !board_->shows_next(m, fingerprint)) return false;
    return true;
  }

  void prefetch() const {
    if (!form_.is_root) return board_->prefetch(form_.root);
    for (int m = 0; m < board_->size(); ++m)
      if (m != board_->rank()) board_->prefetch(m);
  }

  std::size_t bytes_of_others() const {
    std::size_t bytes = 0;
    for (int m = 0; m < board_->size(); ++m)
      if (m != board_->rank()) bytes += board_->part_of(m).size();
    return bytes;
  }

  // The same as its passes, where they are one that copies into the output: out of what
  // the root shows, or of what this rank has.
  [[gnu::always_inline]] outcome do_copy(const call_data& c, const std::byte* shown) {
    if (marks_.cut_short(c.number)) return outcome::cut_short;
    const std::byte* const from = (form_.of_root ? shown : form_.of_output ? c.output : c.input) + form_.from;
    if (std::byte* const to = c.output + form_.to; to != from) copy_short(to, from, form_.bytes);
    return outcome::done;
  }

  // The same, where they are one that folds what two ranks show, or have, into the output.
  [[gnu::always_inline]] outcome fold_two(const call_data& c) {
    if (marks_.cut_short(c.number)) return outcome::cut_short;
    const auto at = [&](const plan_form::operand& o) __attribute__((always_inline)) {
      return (o.rank == own_input ? c.input : o.rank == own_output ? c.output : board_->shown_by(o.rank)) + o.offset;
    };
    try {
      c.fold(c.output + form_.to, at(form_.left), at(form_.right), form_.elements);
      return outcome::done;
    } catch (...) {
      thrown_ = std::current_exception();
      return outcome::threw;
    }
  }

  // Unless a verdict comes before it.
  outcome do_passes(const call_data& c) {
    if (marks_.cut_short(c.number)) return outcome::cut_short;
    const direct_program& d = *c.plan.shown;
    const auto place = [&](const remote_place& p) __attribute__((always_inline)) {
      if (p.role == memory_role::output) return c.output + p.offset;
      const std::byte* const input = p.rank == board_->rank() ? c.input : board_->shown_by(p.rank);
      return const_cast<std::byte*>(input) + p.offset;
    };
    for (const direct_pass& pass : d.passes) {
      const remote_place* const places = d.places.data() + pass.begin;
      if (pass.sources == 1 && pass.targets == 1) {
        const std::byte* const from = place(places[0]);
        if (std::byte* const to = place(places[1]); to != from) copy_short(to, from, pass.bytes);
      } else if (!fold(pass, places, c, place)) {
        return outcome::threw;
      }
    }
    return outcome::done;
  }
  template <class Place>
  [[gnu::always_inline]] bool fold(const direct_pass& pass, const remote_place* places, const call_data& c, Place place) {
    const std::size_t element = c.plan.what.element;
    try {
      for (std::uint32_t k = 0; k < pass.sources; ++k) passes_.source(k) = place(places[k]);
      for (std::uint32_t t = 0; t < pass.targets; ++t) passes_.target(t) = place(places[pass.sources + t]);
      passes_.run(pass, pass.bytes, element, c.fold, 0);
      return true;
    } catch (...) {
      thrown_ = std::current_exception();
      return false;
    }
  }

  // What all calls of a plan have in common.
  struct plan_form {
    const prepared_call* of = nullptr;
    bool shown_to_all = false;
    bool lent = false;                    // and not shown
    bool is_root = false, leads = false;  // the latter: looks at nobody
    bool copies = false;  // once, and does no more
    bool of_output = false, of_root = false;
    // What leads to a fold of several takes longer than one of a few bytes: of two operands
    // once, and no more.
    struct operand {
      int rank = 0;  // or which memory of this one
      std::size_t offset = 0;
    };
    bool folds_two = false;
    operand left{}, right{};
    std::size_t elements = 0;
    int root = -1;
    std::size_t input_bytes = 0, from = 0, to = 0, bytes = 0;
    traffic sent{};
  };
  void look_at(const prepared_call& p) {
    const direct_program& d = *p.direct();
    plan_form f{.of = &p, .shown_to_all = p.shown && round_of(p.kind) == round_kind::all, .lent = !p.shown,
                .root = p.what.root, .input_bytes = d.input_bytes, .sent = {.messages = d.sends.size(), .bytes = d.sent_bytes}};
    f.is_root = f.root == board_->rank();
    f.leads = f.is_root == (round_of(p.kind) == round_kind::from_root);
    if (d.passes.size() == 1 && d.passes[0].sources == 2 && d.passes[0].targets == 1 && d.passes[0].bytes <= most_folded_directly && p.folded == 0) {
      const remote_place* const places = &d.places[d.passes[0].begin];
      const auto operand = [&](const remote_place& o) -> plan_form::operand {
        return {o.role == memory_role::output ? own_output : o.rank == board_->rank() ? own_input : o.rank, o.offset};
      };
      f.left = operand(places[d.passes[0].lefts > 0]), f.right = operand(places[d.passes[0].lefts == 0]);
      f.folds_two = places[2].role == memory_role::output;
      f.to = places[2].offset, f.elements = d.passes[0].bytes / p.what.element;
    }
    if (d.passes.size() == 1 && d.passes[0].sources == 1 && d.passes[0].targets == 1) {
      const remote_place *const from = &d.places[d.passes[0].begin], *const to = from + 1;
      f.of_output = from->role == memory_role::output;
      f.of_root = !f.of_output && from->rank != board_->rank();
      f.copies = to->role == memory_role::output && (!f.of_root || (from->rank == f.root && !f.leads));
      f.from = from->offset, f.to = to->offset, f.bytes = d.passes[0].bytes;
    }
    form_ = f;
  }

  operation_marks marks_;
  operation_queue& queue_;
  billboard* board_;
  traffic_tally* counted_ = nullptr;  // of all others: windows join them
  pass_execution passes_;
  direct_execution lent_;
  bool pages_were_free_ = false;
  plan_form form_;
  int behind_ = 0;  // so many calls in turn were shown before this rank looked for them
  double begun_at_ = 0;
  std::exception_ptr thrown_;
};

}  // namespace tutti
