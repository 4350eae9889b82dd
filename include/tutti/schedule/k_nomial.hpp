#pragma once
#include <tutti/schedule/cyclic.hpp>

namespace tutti {

/// Where a rank stands in the k-nomial tree of a root; with radix 2, the
/// binomial tree. Ranks are labelled around the circle from the root on; the
/// subtree of a label is the `blocks` labels from it on, so that what belongs to
/// it lies together on the circle. Its children stand d·kⁱ after it, for every
/// digit d from 1 to k−1 and every power below `unit`, with kⁱ labels each.
struct k_nomial_place {
  int radix = 2;
  int label = 0;
  int unit = 1;      ///< the power that the label's last digit but zeros counts; for the root, one that nobody is beyond
  int parent = 0;    ///< how far it stands before
  int blocks = 1;    ///< in its subtree

  constexpr k_nomial_place(const team& all, rank me, rank root, int k) : radix(k), label(all.wrap(me.value - root.value)) {
    while (label == 0 ? unit < all.size : label / unit % radix == 0) unit *= radix;
    parent = label / unit % radix * unit;
    blocks = fitting(all, unit);
  }
  /// How many labels from `from` after this one on are among the next `most`.
  constexpr int fitting(const team& all, int most, int from = 0) const {
    const int there = all.size - label - from;
    return there < most ? there : most;
  }
  /// Calls `visit(distance, blocks)` for each child, the nearest, which has the
  /// smallest subtree, first.
  template <class Visit>
  constexpr void for_each_child(const team& all, Visit visit) const {
    for (int power = 1; power < unit; power *= radix)
      for (int hop = power; hop < power * radix && label + hop < all.size; hop += power)
        visit(hop, fitting(all, power, hop));
  }
  /// The same, the farthest first.
  template <class Visit>
  constexpr void for_each_child_backwards(const team& all, Visit visit) const {
    for (int power = unit / radix; power > 0; power /= radix)
      for (int hop = power * (radix - 1); hop > 0; hop -= power)
        if (label + hop < all.size) visit(hop, fitting(all, power, hop));
  }
};

/// The blocks of a subtree travel together: ⌈log_k p⌉ hops and at most k−1
/// messages a hop at the root. (k−1)/k of the vector at most from each of some ranks.
constexpr schedule k_nomial_gather(const team& all, rank me, rank root, int radix) {
  schedule s{.parts = all.size};
  const k_nomial_place mine(all, me, root, radix);
  mine.for_each_child(all, [&](int hop, int blocks) {
    recv(s, all.next(me, hop), cyclic(s.parts, all.chunk_of(me, hop), blocks));
  });
  if (me != root) send(s, all.previous(me, mine.parent), cyclic(s.parts, all.chunk_of(me), mine.blocks));
  return s;
}

/// The same ways back, the largest subtree first.
constexpr schedule k_nomial_scatter(const team& all, rank me, rank root, int radix) {
  schedule s{.parts = all.size};
  const k_nomial_place mine(all, me, root, radix);
  if (me != root) recv(s, all.previous(me, mine.parent), cyclic(s.parts, all.chunk_of(me), mine.blocks));
  mine.for_each_child_backwards(all, [&](int hop, int blocks) {
    send(s, all.next(me, hop), cyclic(s.parts, all.chunk_of(me, hop), blocks));
  });
  return s;
}

/// Every rank but the root sends the vector once, in ⌈log_k p⌉ hops with up to
/// k−1 vectors each. Needs a commutative operation: ranks stand in the order in
/// which they follow the root.
constexpr schedule k_nomial_reduce(const team& all, rank me, rank root, int radix) {
  schedule s;
  const k_nomial_place mine(all, me, root, radix);
  mine.for_each_child(all, [&](int hop, int) { s.recv_reduce(all.next(me, hop), chunk{0}, side::right); });
  if (me != root) s.send(all.previous(me, mine.parent), chunk{0});
  return s;
}

/// The same ways back.
constexpr schedule k_nomial_broadcast(const team& all, rank me, rank root, int radix) {
  schedule s;
  const k_nomial_place mine(all, me, root, radix);
  if (me != root) s.recv(all.previous(me, mine.parent), chunk{0});
  mine.for_each_child_backwards(all, [&](int hop, int) { s.send(all.next(me, hop), chunk{0}); });
  return s;
}

}  // namespace tutti
