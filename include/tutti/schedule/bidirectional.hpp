#pragma once
#include <tutti/schedule/step.hpp>

namespace tutti {

/// Every chunk comes to its owner from both sides of the ring, folded on its
/// way: from ⌊p/2⌋ ranks before it and from those after it. Sends (p−1)/p of the
/// vector from each rank, half of it either way, in ⌊p/2⌋ hops. Needs a
/// commutative operation.
constexpr schedule bidirectional_ring_reduce_scatter(const team& all, rank me) {
  schedule s{.parts = all.size};
  for (int hop = all.size / 2; hop > 0; --hop) {
    s.send(all.next(me), all.chunk_of(me, hop));
    s.recv_reduce(all.previous(me), all.chunk_of(me, hop - 1), side::left);
    if (2 * hop == all.size) continue;  // of an even number, the rank opposite goes one way only
    s.send(all.previous(me), all.chunk_of(me, -hop));
    s.recv_reduce(all.next(me), all.chunk_of(me, 1 - hop), side::right);
  }
  return s;
}

/// The same ways back: every rank's chunk goes half around the ring to either side.
constexpr schedule bidirectional_ring_all_gather(const team& all, rank me) {
  schedule s{.parts = all.size};
  for (int hop = 1; hop <= all.size / 2; ++hop) {
    s.send(all.next(me), all.chunk_of(me, 1 - hop));
    s.recv(all.previous(me), all.chunk_of(me, -hop));
    if (2 * hop == all.size) continue;
    s.send(all.previous(me), all.chunk_of(me, hop - 1));
    s.recv(all.next(me), all.chunk_of(me, hop));
  }
  return s;
}

/// Both: 2 (p−1)/p of the vector from each rank, the least there is, in half as
/// many hops as one ring takes. Needs a commutative operation.
constexpr schedule bidirectional_ring_all_reduce(const team& all, rank me) {
  schedule s = bidirectional_ring_reduce_scatter(all, me);
  for (const step& next : bidirectional_ring_all_gather(all, me).steps) s.steps.push_back(next);
  return s;
}

}  // namespace tutti
