#pragma once
#include <tutti/schedule/cyclic.hpp>

namespace tutti {

/// Where a rank stands in the binomial tree of a root. Ranks are labelled
/// around the circle from the root on; the subtree of a label is the `blocks`
/// labels from it on, so that what belongs to it lies together on the circle.
/// Its children stand 1, 2, 4, … after it.
struct binomial_place {
  int label = 0;
  int reach = 1;   ///< to its parent; for the root, a power of two that nobody is beyond
  int blocks = 1;  ///< in its subtree

  constexpr binomial_place(team all, rank me, rank root) : label(all.wrap(me.value - root.value)) {
    while (label == 0 ? reach < all.size : (label & reach) == 0) reach *= 2;
    blocks = fitting(all, reach);
  }
  /// How many labels from `from` after this one on are among the next `most`.
  constexpr int fitting(team all, int most, int from = 0) const {
    const int there = all.size - label - from;
    return there < most ? there : most;
  }
};

/// The blocks of a subtree travel together: ⌈log2 p⌉ hops and as many messages
/// at the root, for up to half of the vector from each of some ranks.
constexpr schedule tree_gather(team all, rank me, rank root) {
  schedule s{.parts = all.size};
  const binomial_place mine(all, me, root);
  for (int hop = 1; hop < mine.reach && mine.label + hop < all.size; hop *= 2)
    recv(s, all.next(me, hop), cyclic(s.parts, all.chunk_of(me, hop), mine.fitting(all, hop, hop)));
  if (me != root) send(s, all.previous(me, mine.reach), cyclic(s.parts, all.chunk_of(me), mine.blocks));
  return s;
}

/// The same ways back, the largest subtree first.
constexpr schedule tree_scatter(team all, rank me, rank root) {
  schedule s{.parts = all.size};
  const binomial_place mine(all, me, root);
  if (me != root) recv(s, all.previous(me, mine.reach), cyclic(s.parts, all.chunk_of(me), mine.blocks));
  for (int hop = mine.reach / 2; hop > 0; hop /= 2)
    if (mine.label + hop < all.size)
      send(s, all.next(me, hop), cyclic(s.parts, all.chunk_of(me, hop), mine.fitting(all, hop, hop)));
  return s;
}

}  // namespace tutti
