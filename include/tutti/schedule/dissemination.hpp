#pragma once
#include <tutti/schedule/step.hpp>

namespace tutti {

/// In round k everyone tells the rank 2^k ahead all it has heard, which is in
/// `held` at first. Folding the token that came with the one held makes each
/// round wait for the one before; two chunks take turns, as in doubling.
constexpr void disseminate(schedule& s, team all, rank me, chunk held, chunk other) {
  for (int distance = 1; distance < all.size; distance *= 2) {
    s.send(all.next(me, distance), held);
    s.recv_reduce(all.previous(me, distance), other, side::left, held);
    const chunk written = other;
    other = held;
    held = written;
  }
}

/// After ⌈log2 p⌉ such rounds everyone has heard from everyone. One token a
/// round from each rank.
/// (Hensgen, Finkel and Manber, Two algorithms for barrier synchronization, 1988.)
constexpr schedule dissemination_barrier(team all, rank me) {
  schedule s{.parts = 1, .scratch = 1};
  disseminate(s, all, me, chunk{0}, chunk{1});
  return s;
}

}  // namespace tutti
