#pragma once
#include <tutti/schedule/tree.hpp>

namespace tutti {

// Half of the vector goes through one tree, half through another in which the
// first one's inner nodes are leaves, so that every rank has the same work.
// (Sanders, Speck and Träff, Two-tree algorithms for full bandwidth broadcast,
// reduction and scan, 2009.)

/// Both halves up, then both down: at most twice the vector's bytes from each
/// rank, in 2 log2 p hops or two more. Keeps the order of operands.
constexpr schedule double_tree_all_reduce(const team& all, rank me) {
  schedule s{.parts = 2};
  const tree_place first = in_order_tree(all.size, me.value);
  const tree_place second = second_tree(all.size, me.value);
  fold_up(s, first, {0});
  fold_up(s, second, {1});
  hand_down(s, first, {0});
  hand_down(s, second, {1});
  return s;
}

/// Where a rank stands when `root` feeds two trees of all others, which are
/// numbered from the rank after the root on.
struct fed_places {
  tree_place first, second;
};

constexpr fed_places fed_trees(const team& all, rank me, rank root) {
  const int others = all.size - 1;
  auto team_rank = [&](int label) { return label < 0 ? label : all.next(root, label + 1).value; };
  auto in_team = [&](tree_place p) {
    return tree_place{.parent = team_rank(p.parent), .left = team_rank(p.left), .right = team_rank(p.right)};
  };
  auto second_root = [&] { return others % 2 == 0 ? others - 1 - tree_root(others) : 0; };
  if (others == 0) return {};
  if (me == root)
    return {.first = {.right = team_rank(tree_root(others))}, .second = {.right = team_rank(second_root())}};
  const int label = all.wrap(me.value - root.value - 1);
  fed_places places{.first = in_team(in_order_tree(others, label)), .second = in_team(second_tree(others, label))};
  if (places.first.parent < 0) places.first.parent = root.value;
  if (places.second.parent < 0) places.second.parent = root.value;
  return places;
}

/// Every rank sends at most the vector's bytes, half of them to each of two;
/// 1 + log2 p hops or one more.
constexpr schedule double_tree_broadcast(const team& all, rank me, rank root) {
  schedule s{.parts = 2};
  const fed_places places = fed_trees(all, me, root);
  hand_down(s, places.first, {0});
  hand_down(s, places.second, {1});
  return s;
}

/// The same ways back. Needs a commutative operation: the others stand in the
/// order in which they follow the root.
constexpr schedule double_tree_reduce(const team& all, rank me, rank root) {
  schedule s{.parts = 2};
  const fed_places places = fed_trees(all, me, root);
  fold_up(s, places.first, {0});
  fold_up(s, places.second, {1});
  return s;
}

}  // namespace tutti
