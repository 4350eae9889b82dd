#pragma once
#include <tutti/schedule/dissemination.hpp>

namespace tutti {

/// Everyone sends each block straight to its owner, which folds first those
/// below it, nearest first, then those above: (p−1)/p of the vector from each
/// rank in p−1 messages, and one hop. Keeps the order of operands.
constexpr schedule pairwise_reduce_scatter(team all, rank me) {
  schedule s{.parts = all.size};
  for (int to = me.value + 1; to < all.size; ++to) s.send({to}, chunk{to});
  for (int to = me.value - 1; to >= 0; --to) s.send({to}, chunk{to});
  for (int from = me.value - 1; from >= 0; --from) s.recv_reduce({from}, chunk{me.value}, side::left);
  for (int from = me.value + 1; from < all.size; ++from) s.recv_reduce({from}, chunk{me.value}, side::right);
  return s;
}

/// Everyone sends its block to everyone: (p−1)/p of the vector from each rank
/// in p−1 messages, and one hop.
constexpr schedule pairwise_all_gather(team all, rank me) {
  schedule s{.parts = all.size};
  for (int hop = 1; hop < all.size; ++hop) {
    s.send(all.next(me, hop), chunk{me.value});
    s.recv(all.previous(me, hop), all.chunk_of(me, -hop));
  }
  return s;
}

/// Both: 2 (p−1)/p of the vector from each rank, the least there is, in two
/// hops but 2 (p−1) messages. Keeps the order of operands.
constexpr schedule pairwise_all_reduce(team all, rank me) {
  schedule s = pairwise_reduce_scatter(all, me);
  for (const step& next : pairwise_all_gather(all, me).steps) s.steps.push_back(next);
  return s;
}

/// Everyone sends every block straight to whom it is for: the fewest bytes, in
/// p−1 messages from each rank, and one hop.
constexpr schedule pairwise_all_to_all(team all, rank me) {
  schedule s{.parts = 2 * all.size, .exchanges = true};
  s.copy(chunk{me.value}, chunk{all.size + me.value});
  for (int hop = 1; hop < all.size; ++hop) {
    s.send(all.next(me, hop), all.chunk_of(me, hop));
    s.recv(all.previous(me, hop), chunk{all.size + all.previous(me, hop).value});
  }
  return s;
}

/// A barrier in which everyone hears from everyone itself before it says so to
/// anyone: a token to each, then a dissemination barrier.
constexpr schedule pairwise_barrier(team all, rank me) {
  schedule s{.parts = 1, .scratch = 1};
  const chunk own{0}, heard{1};
  for (int hop = 1; hop < all.size; ++hop) {
    s.send(all.next(me, hop), own);
    if (hop == 1) s.recv(all.previous(me), heard);
    else s.recv_reduce(all.previous(me, hop), heard, side::left);
  }
  disseminate(s, all, me, heard, own);
  return s;
}

}  // namespace tutti
