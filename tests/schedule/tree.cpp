#include <tutti/schedule/tree.hpp>

#include <doctest/doctest.h>

#include <tutti/analysis/draw.hpp>

#include "proofs.hpp"

namespace {

using namespace tutti;
using proofs::proved_up_to_8;

static_assert(proved_up_to_8<collective::all_reduce, algorithm::tree>);
static_assert(proved_up_to_8<collective::broadcast, algorithm::tree>);
static_assert(proved_up_to_8<collective::reduce, algorithm::tree>);

/// The ranks of a subtree in order, and its height in hops.
struct walked {
  std::vector<int> ranks;
  int height = 0;
};
template <class Place>
walked walk(int root, Place place, int parent = -1) {
  if (root < 0) return {.ranks = {}, .height = -1};
  const tree_place here = place(root);
  CHECK(here.parent == parent);
  walked left = walk(here.left, place, root), right = walk(here.right, place, root);
  left.ranks.push_back(root);
  left.ranks.insert(left.ranks.end(), right.ranks.begin(), right.ranks.end());
  return {.ranks = left.ranks, .height = 1 + (left.height > right.height ? left.height : right.height)};
}

TEST_CASE("trees hold every rank once, in order, and are no higher than they need be") {
  for (int p = 1; p <= 130; ++p) {
    CAPTURE(p);
    std::vector<int> all;
    for (int r = 0; r < p; ++r) all.push_back(r);
    const walked first = walk(tree_root(p), [p](int r) { return in_order_tree(p, r); });
    CHECK(first.ranks == all);
    CHECK(first.height == proofs::rounds_for(p + 1) - 1);
    for (int root = 0; root < p; root += p < 20 ? 1 : 7) {
      const walked rooted = walk(root, [&](int r) { return rooted_tree(p, root, r); });
      CHECK(rooted.ranks == all);
      CHECK(rooted.height <= proofs::rounds_for(p));
    }
  }
}

TEST_CASE("in the two trees together no rank is an inner node twice") {
  for (int p = 1; p <= 130; ++p) {
    CAPTURE(p);
    std::vector<int> all;
    int root = -1, inner_twice = 0;
    for (int r = 0; r < p; ++r) {
      all.push_back(r);
      if (second_tree(p, r).parent < 0) root = r;
      inner_twice += in_order_tree(p, r).inner() && second_tree(p, r).inner();
    }
    CHECK(inner_twice == 0);
    const walked second = walk(root, [p](int r) { return second_tree(p, r); });
    CHECK(second.ranks == all);
    CHECK(second.height <= proofs::rounds_for(p + 1));
  }
}

TEST_CASE("trees are proved for 1 to 33 ranks and some more, any root") {
  for (collective what : {collective::all_reduce, collective::broadcast, collective::reduce})
    proofs::prove_at_run_time(what, algorithm::tree);
}

TEST_CASE("the tree of 4, as drawn") {
  CHECK(draw_text(collective::all_reduce, algorithm::tree, {4}) ==
        R"(     │ rank 0    │ rank 1    │ rank 2    │ rank 3
─────┼───────────┼───────────┼───────────┼───────────
   1 │ c0→1      │      0∘c0 │           │
   2 │           │      c0∘2 │ c0→1      │
   3 │           │ c0→3      │           │      1∘c0
   4 │           │      c0←3 │           │ c0→1
   5 │      c0←1 │ c0→2      │      c0←1 │
     │           │ c0→0      │           │
)");
  CHECK(draw_text(collective::reduce, algorithm::tree, {4}, {1}) ==
        R"(     │ rank 0    │ rank 1    │ rank 2    │ rank 3
─────┼───────────┼───────────┼───────────┼───────────
   1 │ c0→1      │      0∘c0 │ c0→3      │      2∘c0
   2 │           │      c0∘3 │           │ c0→1
)");
  CHECK(draw_text(collective::broadcast, algorithm::tree, {4}, {2}) ==
        R"(     │ rank 0    │ rank 1    │ rank 2    │ rank 3
─────┼───────────┼───────────┼───────────┼───────────
   1 │           │      c0←2 │ c0→1      │      c0←2
     │           │           │ c0→3      │
   2 │      c0←1 │ c0→0      │           │
)");
}

TEST_CASE("a tree moves the vector p-1 times each way, and no rank sends it more than twice down") {
  const std::size_t n = 10;
  for (int p = 1; p <= 33; ++p)
    for (int root = 0; root < p; ++root) {
      std::size_t down = 0;
      for (int r = 0; r < p; ++r) {
        CHECK(proofs::sent(tree_reduce({p}, {r}, {root}), n) == (r == root ? 0 : n));
        CHECK(proofs::sent(tree_broadcast({p}, {r}, {root}), n) <= 2 * n);
        CHECK(proofs::sent(tree_all_reduce({p}, {r}), n) <= 3 * n);
        down += proofs::sent(tree_broadcast({p}, {r}, {root}), n);
      }
      CHECK(down == static_cast<std::size_t>(p - 1) * n);
    }
}

}  // namespace
