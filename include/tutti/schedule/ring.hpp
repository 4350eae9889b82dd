#pragma once
#include <tutti/schedule/step.hpp>

namespace tutti {

/// Every chunk travels once around the ring and is folded on its way; chunk r
/// ends at rank r. Sends (p−1)/p of the vector from each rank, in p−1 hops.
/// Needs a commutative operation.
constexpr schedule ring_reduce_scatter(const team& all, rank me) {
  schedule s{.parts = all.size};
  for (int hop = 1; hop < all.size; ++hop) {
    s.send(all.next(me), all.chunk_of(me, -hop));
    s.recv_reduce(all.previous(me), all.chunk_of(me, -hop - 1), side::left);
  }
  return s;
}

/// Every rank's chunk travels once around the ring. Sends (p−1)/p of the
/// vector from each rank, in p−1 hops.
constexpr schedule ring_all_gather(const team& all, rank me) {
  schedule s{.parts = all.size};
  for (int hop = 0; hop < all.size - 1; ++hop) {
    s.send(all.next(me), all.chunk_of(me, -hop));
    s.recv(all.previous(me), all.chunk_of(me, -hop - 1));
  }
  return s;
}

/// A ring reduce-scatter, then a ring all-gather: 2 (p−1)/p of the vector from
/// each rank, the least there is. Needs a commutative operation.
/// (Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms, 2009.)
constexpr schedule ring_all_reduce(const team& all, rank me) {
  schedule s = ring_reduce_scatter(all, me);
  for (const step& next : ring_all_gather(all, me).steps) s.steps.push_back(next);
  return s;
}

}  // namespace tutti
