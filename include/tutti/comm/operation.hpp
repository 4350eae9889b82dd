#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/comm/execution.hpp>
#include <tutti/comm/kept_functor.hpp>
#include <tutti/schedule/contract.hpp>
#include <tutti/transport/call.hpp>
#include <tutti/transport/verdict.hpp>

namespace tutti {

/// What a collective needs and does not depend on its buffers: made once for
/// each shape of a call.
struct prepared_call {
  call what{};              ///< but for the number
  collective kind = collective::all_reduce;
  std::uint64_t shape = 0;  ///< fingerprint of `what`, and of the names in full
  std::size_t staging = 0;  ///< bytes of memory besides the body's scratch
  bool agree_first = false; ///< run `agreement` before `body`, since the output is written early
  std::vector<std::size_t> counts, received;  ///< as the shape's, of uneven blocks
  pair_counts pairs{};      ///< of those, what ranks agree on two by two
  program agreement, body;

  std::size_t staging_begin() const { return (body.scratch_bytes + 63) / 64 * 64; }
  std::size_t scratch_bytes() const { return staging > 0 ? staging_begin() + staging : body.scratch_bytes; }
};

/// One collective under way. Kept and used again by its communicator.
struct operation {
  enum class stage : std::uint32_t { idle, running, done, failed };

  std::atomic<std::uint32_t> state{static_cast<std::uint32_t>(stage::idle)};
  std::atomic<std::uint32_t> sleepers{0};
  bool in_use = false;
  std::atomic<bool> detached{false};  ///< nobody waits for it
  bool begun = false;
  bool agreed = false;
  bool broken = false;  ///< its functor threw: it must not run again
  bool told = false;    ///< peers that cannot see it know that it waits
  const prepared_call* plan = nullptr;
  call what{};
  envelope mark{};
  execution_data data{};
  void (*after)(const void* result, const void* op) = nullptr;
  execution agreement, body;
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
           (!p.agree_first || agreement.has_room_for(p.agreement));
  }
  stage current() const { return static_cast<stage>(state.load(std::memory_order_acquire)); }
};

}  // namespace tutti
