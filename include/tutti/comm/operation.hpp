#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include <tutti/comm/collected_calls.hpp>
#include <tutti/comm/direct_execution.hpp>
#include <tutti/comm/execution.hpp>
#include <tutti/comm/kept_functor.hpp>
#include <tutti/comm/prepared_call.hpp>
#include <tutti/comm/relay_execution.hpp>
#include <tutti/comm/shown_exchange.hpp>
#include <tutti/schedule/contract.hpp>
#include <tutti/transport/call.hpp>
#include <tutti/transport/doorbell.hpp>
#include <tutti/transport/verdict.hpp>

namespace tutti {

struct joint_operation;

/// One collective under way, or what else a request may wait for. Kept and used
/// again by its communicator.
struct operation {
  enum class stage : std::uint32_t { idle, running, done, failed };

  std::atomic<std::uint32_t> state{static_cast<std::uint32_t>(stage::idle)};
  std::atomic<std::uint32_t> sleepers{0};
  bool in_use = false;
  std::atomic<bool> detached{false};  ///< nobody waits for it
  std::atomic<bool> awaited{false};   ///< somebody has asked for its end
  bool begun = false;
  bool agreed = false;
  bool lent = false;    ///< all ranks' buffers are: they are read and written where they lie
  bool broken = false;  ///< its functor threw: it must not run again
  bool told = false;    ///< peers that cannot see it know that it waits
  const prepared_call* plan = nullptr;
  call what{};
  envelope mark{};
  execution_data data{};
  void (*after)(const void* result, const void* op) = nullptr;
  execution agreement, body;
  bool waits_for_round = false;  ///< not for one of these
  board_round round;
  bool others_counts = false;  ///< in that, ranks have shown different counts
  execution::stranger astray{};  ///< who has, from what was expected there
  traffic exchanged{};  ///< in that
  direct_execution direct;
  bool relayed = false;  ///< the next piece of what is not lent is shown in every round
  relay_execution relay;
  bool pages_are_free = false;  ///< it can show from its first round on: the same on all ranks
  buffer<std::byte> scratch;
  kept_functor functor;
  std::vector<execution_data> parts;  ///< of several calls issued as one
  collected_calls::list calls;        ///< these, and maybe some more
  joint_operation* part_of = nullptr; ///< waited for in place of this one
  double waits_since = 0;  ///< when it was first seen to wait; 0 where it was not
  double lost_since = 0;  ///< since when a peer, or part of what it sent, is known to be gone
  double begun_at = 0;
  unsigned steps = 0;  ///< looks at it so far
  operation* next = nullptr;

  /// From here on it does calls of that shape.
  void take(const prepared_call& p) {
    if (plan == &p) return;
    plan = &p;
    what = p.what;
  }
  /// What was prepared is no longer.
  void forget(const prepared_call& p) {
    if (plan == &p) plan = nullptr;
    direct.forget(p.direct());
    relay.forget(p.relayed);
  }
  /// Whether a call of this shape can begin without allocating.
  bool has_room_for(const prepared_call& p) const {
    if (p.shown) return direct.has_room_for(*p.shown) && scratch.size() >= p.scratch_bytes();
    return scratch.size() >= p.scratch_bytes() && parts.capacity() >= p.parts.size() &&
           body.has_room_for(p.body, std::max<std::size_t>(p.parts.size(), 1)) && (!p.agree_first || agreement.has_room_for(p.agreement)) &&
           (!p.relayed || relay.has_room_for(*p.relayed)) && (!p.lent || (direct.has_room_for(*p.lent) && body.has_room_for(p.closing)));
  }
  /// Starts on what comes first: what all must agree on, or the call itself.
  void begin(link& peers) {
    start_over();
    if (agreed) return start_body(plan->body);
    if (plan->shown) {
      direct.prepare(*plan->shown);
      return round.start(*peers.board(), {{data.input, plan->shown->input_bytes}}, mark, round_of(plan->kind), plan->what.root);
    }
    if (plan->shows_pairs())
      return shown_exchange::show(round, *peers.board(), plan->pairs.to, plan->pairs.from, data.input, mark);
    execution_data offers{};
    offers.pairs = data.pairs;
    if (plan->lent) {
      direct.prepare(*plan->lent);
      direct.own_offer() = offer_of(*plan, peers, data.input, data.output);
      offers.input = reinterpret_cast<const std::byte*>(&direct.own_offer());
      offers.output = reinterpret_cast<std::byte*>(direct.offers());
    }
    if (plan->relayed) {
      relay.start(*plan->relayed, *peers.board(), data.input, data.output);
      pages_are_free = peers.board()->pages_are_free();
      if (pages_are_free && !holds_back(peers.board()->rank(), direct.own_offer())) relay.show();
    }
    if (plan->in_rounds) round.start(*peers.board(), {{offers.input, plan->lent ? sizeof(loan_offer) : 0}}, mark);
    else agreement.start(plan->agreement, offers, mark);
  }

  /// Goes on with a call of which this rank has shown as `mark` what it shows first:
  /// what all show at once, or what it lends. `pages_were_free`: before it did.
  void resume(link& peers, bool pages_were_free = false) {
    start_over();
    direct.prepare(*plan->direct());
    if (!plan->shown) {
      direct.own_offer() = offer_of(*plan, peers, data.input, data.output);
      if (plan->relayed) relay.start(*plan->relayed, *peers.board(), data.input, data.output);
      pages_are_free = pages_were_free;
    }
    round.resume(*peers.board(), mark);
  }
  /// The same once all is done in lent memory, and this rank has shown that it is.
  template <class Bill>
  void resume_at_end(link& peers, Bill bill) {
    start_over();
    agreed = lent = waits_for_round = true;
    direct.prepare(*plan->lent);
    direct.end(bill);
    start_body(plan->closing);
    round.resume(*peers.board(), mark);
  }

  /// Goes on with the call itself once all have agreed. False where a peer's
  /// memory has gone with it.
  bool begin_body(link& peers) {
    waits_for_round = false;
    if (plan->shown) {
      direct.open(round, data.input, data.output);
      return agreed = true;
    }
    if (plan->shows_pairs() && exchange_in_round(peers)) {
      start_body(plan->closing);
      return agreed = true;
    }
    for (int r = 0; plan->in_rounds && plan->lent && r < peers.board()->size(); ++r)
      std::memcpy(&direct.offers()[r], round.shown_by(r), sizeof(loan_offer));
    lent = plan->lent && direct.all_lent();
    if (lent && !direct.open(peers, data.input, data.output)) return false;
    if (plan->relayed && !lent) {
      relayed = true;
      relay_first(peers);
      return agreed = true;
    }
    start_body(lent ? plan->closing : plan->body);
    return agreed = true;
  }

  /// Whether there are passes to do.
  bool passing() const { return relayed ? relay.under_way() : direct.under_way(); }
  /// Does some of them, and goes on with what comes after the last: the next piece, or
  /// that who runs ahead hears of it, or, before this rank's memory is its own again,
  /// that the others need it no more.
  template <class Bill>
  void pass(link& peers, Bill bill) {
    if (relayed) {
      relay.progress(data.element, data.fold, bill);
      if (!relay.done()) relay_next(peers);
      return;
    }
    direct.progress(data.element, data.fold, bill);
    if (direct.under_way()) return;
    if (plan->shown) round.pass();
    else if (lent && plan->in_rounds) start_round(peers);
  }
  /// Whether there are passes again, now that what it has waited for is there.
  bool goes_on() {
    if (!relayed || relay.done()) return false;
    waits_for_round = false;
    relay.round_is_done();
    return true;
  }

  /// Of whatever it waits for at present.
  bool progress(link& peers) {
    if (!waits_for_round) return !all_shown() && waiting().progress(peers);
    const bool moved = round.progress();
    if (moved && round.done() && plan->shows_pairs()) look_for_other_counts(*peers.board());
    return moved;
  }
  bool done() const { return waits_for_round ? round.done() && !others_counts && !astray.met : all_shown() || waiting().done(); }
  const execution::stranger& met() const { return !waits_for_round && !all_shown() ? waiting().met() : astray.met ? astray : round.met(); }
  /// The peer, or −1.
  int waits_for() const { return waits_for_round ? round.waits_for() : all_shown() ? -1 : waiting().waits_for(); }

  /// What its schedules have sent.
  traffic sent() const {
    traffic all = all_shown() ? traffic{} : body.sent();
    if (plan->agree_first && !plan->in_rounds) all += agreement.sent();
    if (lent || plan->shown) all += direct.sent();
    if (relayed) all += relay.sent();
    if (plan->shows_pairs()) all += exchanged;
    return all;
  }

  /// `count(kind, calls, sent)` for each of its calls, or of those that travel as one.
  template <class Count>
  void each_call(Count count) const {
    if (parts.empty()) return count(plan->kind, 1, sent());
    for (std::size_t i = 0; i < parts.size(); ++i) {
      traffic all = body.sent(i);
      if (i == 0 && plan->agree_first && !plan->in_rounds) all += agreement.sent();
      count(plan->parts[i]->kind, calls[i]->pieces.size(), all);
    }
  }
  /// In which collective it waits.
  collective waits_in() const { return parts.empty() || !agreed ? plan->kind : plan->parts[body.waits_in()]->kind; }

  /// Does what is left to do with the results.
  void finish_results() {
    if (after) after(data.output, data.fold.op);
    for (std::size_t i = 0; i < parts.size(); ++i)
      if (const call_memories& m = calls[i]->memories; m.after) m.after(parts[i].output, m.context ? m.context : m.fold.op);
  }
  void forget_functors() {
    functor.clear();
    if (!calls.empty()) forget_those_of_calls();
  }

  stage current() const { return static_cast<stage>(state.load(std::memory_order_acquire)); }

  /// After its round, or between rounds, there is nothing that it waits for.
  bool all_shown() const { return agreed && (plan->shown || relayed); }

 private:
  [[gnu::noinline]] void forget_those_of_calls() {
    for (const auto& c : calls) c->functor.clear();
  }

  void start_over() {
    begun = true;
    waits_since = lost_since = 0;
    steps = 1;
    agreed = !plan->agree_first;
    lent = relayed = others_counts = astray.met = false;
    exchanged = {};
    waits_for_round = plan->in_rounds && !agreed;
  }

  // Whoever expects something else than is sent says so; all others wait for that.
  void look_for_other_counts(const billboard& board) {
    const shown_exchange all(round, data.element);
    others_counts = !all.agreed();
    for (int r = 0; others_counts && !astray.met && r < board.size(); ++r)
      if (all.sent(r, board.rank()) != all.expected(r, board.rank())) {
        astray = {.met = true, .peer = r, .what = *board.seen(r)->from.what};
        astray.what.count = all.sent(r, board.rank());
      }
  }

  // Takes from the round what it is all about; false where that had no room in it.
  bool exchange_in_round(link& peers) {
    const shown_exchange all(round, data.element);
    if (!all.complete()) return false;
    const int me = peers.board()->rank();
    all.copy(me, data.output);
    for (int r = 0; r < round.size(); ++r) {
      if (r == me) continue;
      const std::size_t bytes = plan->pairs.to[r] * data.element;
      exchanged.add(bytes);
      peers.to(r).count(bytes);
    }
    return true;
  }

  void start_round(link& peers) {
    waits_for_round = true;
    round.start(*peers.board(), {}, mark);
    round.ring();
  }

  void relay_next(link& peers) {
    relay.show();
    start_round(peers);
  }
  // Whose buffers were all lent has shown nothing in the first round, nor has anybody
  // while a page may still be read: it is then done again.
  void relay_first(link& peers) {
    if (!pages_are_free) return relay_next(peers);
    for (int r = 0; r < round.size(); ++r)
      if (plan->lent && holds_back(r, direct.offers()[static_cast<std::size_t>(r)])) return relay_next(peers);
    relay.round_is_done();
  }
  bool holds_back(int rank, const loan_offer& offer) const {
    const auto r = static_cast<std::size_t>(rank);
    return plan->lent && plan->relayed->has_input[r] && direct.is_enough(r, offer);
  }
  void start_body(const program& p) {
    if (parts.empty()) body.start(p, data, mark);
    else body.start(p, parts.data(), parts.size(), mark);
  }

  execution& waiting() { return agreed ? body : agreement; }
  const execution& waiting() const { return agreed ? body : agreement; }
};

/// Several that are waited for as one.
struct joint_operation : operation {
  std::atomic<std::size_t> open{0};  ///< that have not ended
};

namespace detail {

/// Where a call's memories are, once what is reduced in place of the input is made.
inline execution_data placed(const prepared_call& p, std::size_t element, const call_memories& m, std::byte* scratch) {
  execution_data d{.input = static_cast<const std::byte*>(m.input), .output = static_cast<std::byte*>(m.output), .scratch = scratch,
                   .sums = p.body.sums_bytes > 0 ? scratch + p.sums_begin() : nullptr, .element = element, .alignment = m.alignment,
                   .fold = m.fold, .pairs = p.pairs};
  if (!m.before) return d;
  std::byte* const staging = scratch + p.staging_begin();
  m.before(staging, m.context ? m.context : m.fold.op);
  d.input = staging;
  d.output = staging + m.staged_output;
  return d;
}

/// An operation that nobody waits for any more can be used again.
inline void give_back(operation& o) {
  o.forget_functors();
  o.state.store(static_cast<std::uint32_t>(operation::stage::idle), std::memory_order_relaxed);
  o.in_use = false;
}

/// Whether it can be used now: one that has ended and that nobody waits for is
/// given back.
inline bool is_free(operation& o) {
  if (o.in_use && o.detached && o.current() != operation::stage::running) give_back(o);
  return !o.in_use;
}

/// Of an operation that has ended, in the thread that moved it: whoever waits
/// for it, or for all that it is part of, wakes, and from here on it may be another.
inline void finish(operation& o, operation::stage how) {
  joint_operation* const whole = o.part_of;
  if (o.detached.load()) {
    o.forget_functors();
    o.state.store(static_cast<std::uint32_t>(operation::stage::idle), std::memory_order_release);
  } else {
    o.state.store(static_cast<std::uint32_t>(how), std::memory_order_seq_cst);
    if (o.sleepers.load(std::memory_order_seq_cst)) futex_wake(o.state);
  }
  if (whole && whole->open.fetch_sub(1, std::memory_order_acq_rel) == 1) finish(*whole, how);
}

}  // namespace detail

}  // namespace tutti
