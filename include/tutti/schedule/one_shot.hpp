#pragma once
#include <tutti/schedule/step.hpp>

namespace tutti {

/// Everyone sends the whole vector to everyone, and folds all of them in rank
/// order: (p−1) n words from each rank in p−1 messages, but a single hop, which
/// is what short vectors pay for; most of all where ranks share cores, and each
/// hop waits for every rank's turn. Keeps the order of operands, and folds alike
/// on every rank.
constexpr schedule one_shot_all_reduce(const team& all, rank me) {
  schedule s{.parts = 1, .scratch = me.value > 0 ? 1 : 0};
  const chunk own{0}, below{1};
  for (int hop = 1; hop < all.size; ++hop) s.send(all.next(me, hop), own);
  for (int from = 0; from < me.value; ++from) {
    if (from == 0) s.recv({from}, below);
    else s.recv_reduce({from}, below, side::right);
  }
  if (me.value > 0) s.fold(below, side::left, own);
  for (int from = me.value + 1; from < all.size; ++from) s.recv_reduce({from}, own, side::right);
  return s;
}

}  // namespace tutti
