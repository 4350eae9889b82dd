#pragma once
#include <tutti/schedule/doubling.hpp>

namespace tutti {

/// Every round halves what a rank is still responsible for: the far part of the
/// circle goes to the rank that far ahead, the near part is folded with what
/// comes from behind. doubling_all_gather run backwards: (p−1)/p of the vector
/// from each rank, in ⌈log2 p⌉ rounds, for any p. Needs a commutative operation.
/// (Träff, Optimal, non-pipelined reduce-scatter and allreduce algorithms, 2024.)
constexpr schedule halving_reduce_scatter(const team& all, rank me) {
  schedule s{.parts = all.size};
  for (int near = power_below(all.size) == all.size ? all.size / 2 : power_below(all.size); near > 0; near /= 2) {
    const int far = near < all.size - near ? near : all.size - near;
    send(s, all.next(me, near), cyclic(s.parts, all.chunk_of(me, near), far));
    recv_reduce(s, all.previous(me, near), cyclic(s.parts, all.chunk_of(me), far), side::left);
  }
  return s;
}

/// Halving, then doubling: 2 (p−1)/p of the vector from each rank, the least
/// there is, in 2 ⌈log2 p⌉ rounds, for any p. Needs a commutative operation.
constexpr schedule halving_all_reduce(const team& all, rank me) {
  schedule s = halving_reduce_scatter(all, me);
  for (const step& next : doubling_all_gather(all, me).steps) s.steps.push_back(next);
  return s;
}

}  // namespace tutti
