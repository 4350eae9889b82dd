#pragma once
#include <tutti/schedule/step.hpp>

namespace tutti {

/// Everyone sends its block straight to the root: the fewest bytes, one hop, but
/// p−1 messages for the root.
constexpr schedule linear_gather(team all, rank me, rank root) {
  schedule s{.parts = all.size};
  if (me != root) s.send(root, chunk{me.value});
  for (int hop = 1; me == root && hop < all.size; ++hop) s.recv(all.next(root, hop), all.chunk_of(root, hop));
  return s;
}

/// The root sends everyone its block: the same way back.
constexpr schedule linear_scatter(team all, rank me, rank root) {
  schedule s{.parts = all.size};
  if (me != root) s.recv(root, chunk{me.value});
  for (int hop = 1; me == root && hop < all.size; ++hop) s.send(all.next(root, hop), all.chunk_of(root, hop));
  return s;
}

/// The root sends everyone all: one hop, but p−1 messages and p−1 times the
/// vector from the root.
constexpr schedule linear_broadcast(team all, rank me, rank root) {
  schedule s;
  if (me != root) s.recv(root, chunk{0});
  for (int hop = 1; me == root && hop < all.size; ++hop) s.send(all.next(root, hop), chunk{0});
  return s;
}

/// A chain: everyone folds what comes from the rank before with its own operand
/// and hands it on. The vector once from each rank, in p−1 hops that a long
/// vector streams through. Keeps the order of operands.
constexpr schedule linear_scan(team all, rank me) {
  schedule s;
  if (me.value > 0) s.recv_reduce({me.value - 1}, chunk{0}, side::left);
  if (me.value + 1 < all.size) s.send({me.value + 1}, chunk{0});
  return s;
}

/// Operands move one rank on, and a chain folds them there: the vector twice
/// from each rank, in p−1 hops. Keeps the order of operands.
constexpr schedule linear_exclusive_scan(team all, rank me) {
  schedule s{.parts = 1, .scratch = 1};
  const rank before{me.value - 1}, after{me.value + 1};
  const chunk own{0}, shifted{1};
  if (after.value < all.size) s.send(after, own);
  if (me.value == 0) return s;
  s.recv(before, shifted);
  if (before.value > 0) s.recv_reduce(before, own, side::left, shifted);
  else s.copy(shifted, own);
  if (after.value < all.size) s.send(after, own);
  return s;
}

}  // namespace tutti
