#pragma once
#include <tutti/schedule/step.hpp>

namespace tutti {

/// Where a rank stands in a binary tree of ranks; −1 where there is none.
///
/// All trees here are in order: every rank of the left subtree is below me,
/// every rank of the right one above. Folding left ∘ me ∘ right therefore
/// keeps the operands in rank order.
struct tree_place {
  int parent = -1, left = -1, right = -1;

  constexpr bool inner() const { return left >= 0 || right >= 0; }
  /// The same place when rank 0 of the tree is rank `by` of the team.
  constexpr tree_place moved(int by) const {
    auto move = [by](int r) { return r < 0 ? r : r + by; };
    return {move(parent), move(left), move(right)};
  }
};

/// The largest power of two that is at most n; n > 0.
constexpr int power_below(int n) {
  int power = 1;
  while (power <= n / 2) power *= 2;
  return power;
}

/// Counted from 1, a node whose number is an odd multiple of 2^h stands h above
/// the leaves, 2^(h−1) away from its children: even ranks are leaves, odd ranks
/// inner nodes. Where `size` cuts a node off, its left child takes its place.
constexpr int tree_root(int size) { return power_below(size) - 1; }

constexpr tree_place in_order_tree(int size, int me) {
  const int number = me + 1, reach = number & -number;
  tree_place place;
  if (reach > 1) {
    place.left = me - reach / 2;
    for (int jump = reach / 2, right = me + jump; jump > 0 && place.right < 0; jump /= 2, right -= jump)
      if (right < size) place.right = right;
  }
  for (int up = number, distance = reach; place.parent < 0 && me != tree_root(size);) {
    up = (up & (2 * distance)) != 0 ? up - distance : up + distance;
    distance *= 2;
    if (up <= size) place.parent = up - 1;
  }
  return place;
}

/// A tree in order with a given root: a tree of all ranks below it to its left,
/// a tree of all ranks above it to its right.
constexpr tree_place rooted_tree(int size, int root, int me) {
  const int above = size - root - 1;
  if (me == root)
    return {.parent = -1,
            .left = root > 0 ? tree_root(root) : -1,
            .right = above > 0 ? root + 1 + tree_root(above) : -1};
  tree_place place = me < root ? in_order_tree(root, me) : in_order_tree(above, me - root - 1).moved(root + 1);
  if (place.parent < 0) place.parent = root;
  return place;
}

/// The second tree of a pair: its inner nodes are even, so that no rank is an
/// inner node of both. An even number of ranks: the first tree in a mirror. An
/// odd one: rank 0 above a tree of the others (a cyclic shift, as in the paper,
/// would save that hop but lose the order of the operands).
constexpr tree_place second_tree(int size, int me) {
  if (size % 2 == 0) {
    const tree_place mirrored = in_order_tree(size, size - 1 - me);
    auto mirror = [size](int r) { return r < 0 ? r : size - 1 - r; };
    return {.parent = mirror(mirrored.parent), .left = mirror(mirrored.right), .right = mirror(mirrored.left)};
  }
  return rooted_tree(size, 0, me);
}

/// Leaves send, inner nodes fold both subtrees into their own chunk and send on.
constexpr void fold_up(schedule& s, tree_place place, chunk c) {
  if (place.left >= 0) s.recv_reduce({place.left}, c, side::left);
  if (place.right >= 0) s.recv_reduce({place.right}, c, side::right);
  if (place.parent >= 0) s.send({place.parent}, c);
}

constexpr void hand_down(schedule& s, tree_place place, chunk c) {
  if (place.parent >= 0) s.recv({place.parent}, c);
  if (place.left >= 0) s.send({place.left}, c);
  if (place.right >= 0) s.send({place.right}, c);
}

/// Folds up a binary tree and hands the result down again. Every rank but the
/// tree's root sends the whole vector up once, inner nodes down twice; about
/// 2 log2 p hops. Keeps the order of operands.
constexpr schedule tree_all_reduce(const team& all, rank me) {
  schedule s;
  const tree_place place = in_order_tree(all.size, me.value);
  fold_up(s, place, {0});
  hand_down(s, place, {0});
  return s;
}

/// Folds up a tree whose root is `root`, so that any root keeps the order of
/// operands. Every other rank sends the vector once; at most 1 + log2 p hops.
constexpr schedule tree_reduce(const team& all, rank me, rank root) {
  schedule s;
  fold_up(s, rooted_tree(all.size, root.value, me.value), {0});
  return s;
}

/// Down the same tree: every rank receives the vector once, none sends it more
/// than twice; at most 1 + log2 p hops.
constexpr schedule tree_broadcast(const team& all, rank me, rank root) {
  schedule s;
  hand_down(s, rooted_tree(all.size, root.value, me.value), {0});
  return s;
}

}  // namespace tutti
