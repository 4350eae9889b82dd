#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <tutti/comm/call_shape.hpp>
#include <tutti/comm/direct_execution.hpp>
#include <tutti/comm/direct_program.hpp>
#include <tutti/comm/execution.hpp>
#include <tutti/comm/program.hpp>
#include <tutti/comm/relay_program.hpp>
#include <tutti/schedule/contract.hpp>
#include <tutti/transport/call.hpp>
#include <tutti/transport/link.hpp>

namespace tutti {

/// What a collective needs and does not depend on its buffers: made once for
/// each shape of a call.
struct prepared_call {
  call what{};              ///< but for the number
  collective kind = collective::all_reduce;
  std::uint64_t shape = 0;  ///< fingerprint of `what`, and of the names in full
  bool in_place = false;    ///< the output is the input, and others' blocks of it too
  std::size_t staging = 0;  ///< bytes of memory besides the body's scratch
  std::size_t folded = 0;   ///< bytes of an element in a third part of it, for sums
  bool agree_first = false; ///< an agreement or a round comes first: the output is written early, or out of what is shown
  std::vector<std::size_t> counts, received;  ///< as the shape's, of uneven blocks
  pair_counts pairs{};      ///< of those, what ranks agree on two by two
  program agreement, body;
  /// In place of the body where all ranks have lent what it needs, which they tell
  /// each other in the agreement; then `closing`, before anybody's memory is its
  /// own again.
  std::optional<direct_program> lent;
  program closing;
  /// In place of the body where all see what all show: piece by piece.
  std::optional<relay_program> relayed;
  /// Agreement, closing and each piece are rounds of the link's billboard.
  bool in_rounds = false;
  bool lent_briefly = false;  ///< what is done in lent memory takes no longer than to look at who waits
  /// In place of all else, where it is little: whose input is read shows it in one
  /// round, and who reads it folds and copies out of that.
  std::optional<direct_program> shown;
  mutable call numbered{};  ///< of `short_calls`: `what`, with the number of the last
  /// Of several calls issued as one each, whose bodies together are this one's;
  /// and where in the memory of all its own begins.
  std::vector<std::unique_ptr<prepared_call>> parts;
  std::vector<call_shape> shapes;
  std::size_t begin = 0;

  const std::optional<direct_program>& direct() const { return shown ? shown : lent; }
  /// The agreement is a `shown_exchange`, which may be all.
  bool shows_pairs() const { return in_rounds && pairs.to; }
  std::size_t staging_begin() const { return lines(body.scratch_bytes); }
  std::size_t sums_begin() const { return staging_begin() + lines(staging); }
  std::size_t scratch_bytes() const {
    if (!parts.empty()) return parts.back()->begin + parts.back()->scratch_bytes();
    if (body.sums_bytes > 0) return sums_begin() + body.sums_bytes / what.element * folded;
    return staging > 0 ? staging_begin() + staging : body.scratch_bytes;
  }
  static std::size_t lines(std::size_t bytes) { return (bytes + 63) / 64 * 64; }
};

/// What a rank lends for a call.
inline loan_offer offer_of(const prepared_call& p, const link& peers, const std::byte* input, const std::byte* output) {
  // What others read while it is written over stays here.
  if (p.in_place) return {};
  return {.input = peers.lend(input, p.lent->input_bytes), .output = peers.lend(output, p.lent->output_bytes)};
}

}  // namespace tutti
