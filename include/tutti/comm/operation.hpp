#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <tutti/comm/direct_execution.hpp>
#include <tutti/comm/execution.hpp>
#include <tutti/comm/kept_functor.hpp>
#include <tutti/schedule/contract.hpp>
#include <tutti/transport/call.hpp>
#include <tutti/transport/doorbell.hpp>
#include <tutti/transport/verdict.hpp>

namespace tutti {

/// What a collective needs and does not depend on its buffers: made once for
/// each shape of a call.
struct prepared_call {
  call what{};              ///< but for the number
  collective kind = collective::all_reduce;
  std::uint64_t shape = 0;  ///< fingerprint of `what`, and of the names in full
  bool in_place = false;    ///< the output is the input, and others' blocks of it too
  std::size_t staging = 0;  ///< bytes of memory besides the body's scratch
  bool agree_first = false; ///< run `agreement` before `body`, since the output is written early
  std::vector<std::size_t> counts, received;  ///< as the shape's, of uneven blocks
  pair_counts pairs{};      ///< of those, what ranks agree on two by two
  program agreement, body;
  /// In place of the body where all ranks have lent what it needs, which they tell
  /// each other in the agreement; then `closing`, before anybody's memory is its
  /// own again.
  std::optional<direct_program> lent;
  program closing;

  std::size_t staging_begin() const { return (body.scratch_bytes + 63) / 64 * 64; }
  std::size_t scratch_bytes() const { return staging > 0 ? staging_begin() + staging : body.scratch_bytes; }
};

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
  direct_execution direct;
  buffer<std::byte> scratch;
  kept_functor functor;
  double waits_since = 0;  ///< when it was first seen to wait; 0 where it was not
  double lost_since = 0;  ///< since when part of what a peer sent is known to be lost
  double begun_at = 0;
  unsigned steps = 0;  ///< looks at it so far
  operation* next = nullptr;

  /// Whether a call of this shape can begin without allocating.
  bool has_room_for(const prepared_call& p) const {
    return scratch.size() >= p.scratch_bytes() && body.has_room_for(p.body) &&
           (!p.agree_first || agreement.has_room_for(p.agreement)) &&
           (!p.lent || (direct.has_room_for(*p.lent) && body.has_room_for(p.closing)));
  }
  /// Starts on what comes first: what all must agree on, or the call itself.
  void begin(const link& peers) {
    begun = true;
    waits_since = lost_since = 0;
    steps = 1;
    agreed = !plan->agree_first;
    lent = false;
    if (agreed) return body.start(plan->body, data, mark);
    execution_data offers{};
    offers.pairs = data.pairs;
    if (plan->lent) {
      direct.prepare(*plan->lent);
      direct.own_offer() = {};
      // What others read while it is written over stays here.
      if (!plan->in_place)
        direct.own_offer() = {.input = peers.lend(data.input, plan->lent->input_bytes),
                              .output = peers.lend(data.output, plan->lent->output_bytes)};
      offers.input = reinterpret_cast<const std::byte*>(&direct.own_offer());
      offers.output = reinterpret_cast<std::byte*>(direct.offers());
    }
    agreement.start(plan->agreement, offers, mark);
  }

  /// Goes on with the call itself once all have agreed. False where a peer's
  /// memory has gone with it.
  bool begin_body(link& peers) {
    lent = plan->lent && direct.all_lent();
    if (lent && !direct.open(peers, data.input, data.output)) return false;
    body.start(lent ? plan->closing : plan->body, data, mark);
    return agreed = true;
  }

  /// What its schedules have sent.
  traffic sent() const {
    traffic all = body.sent();
    if (plan->agree_first) all += agreement.sent();
    if (lent) all += direct.sent();
    return all;
  }

  stage current() const { return static_cast<stage>(state.load(std::memory_order_acquire)); }
};

namespace detail {

/// An operation that nobody waits for any more can be used again.
inline void give_back(operation& o) {
  o.functor.clear();
  o.state.store(static_cast<std::uint32_t>(operation::stage::idle), std::memory_order_relaxed);
  o.in_use = false;
}

/// Of an operation that has ended, in the thread that moved it: whoever waits
/// for it wakes, and from here on it may be another.
inline void finish(operation& o, operation::stage how) {
  if (o.detached.load()) {
    o.functor.clear();
    o.state.store(static_cast<std::uint32_t>(operation::stage::idle), std::memory_order_release);
    return;
  }
  o.state.store(static_cast<std::uint32_t>(how), std::memory_order_seq_cst);
  if (o.sleepers.load(std::memory_order_seq_cst)) futex_wake(o.state);
}

}  // namespace detail

}  // namespace tutti
