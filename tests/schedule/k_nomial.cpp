#include <tutti/schedule/binomial.hpp>

#include <doctest/doctest.h>

#include <set>

#include <tutti/analysis/draw.hpp>

#include "proofs.hpp"

namespace {

using namespace tutti;
using proofs::proved_up_to_8;

static_assert(proved_up_to_8<collective::gather, algorithm::tree>);
static_assert(proved_up_to_8<collective::scatter, algorithm::tree>);

TEST_CASE("the binomial tree is proved for 1 to 33 ranks and some more, any root") {
  for (collective what : {collective::gather, collective::scatter}) proofs::prove_at_run_time(what, algorithm::tree);
}

TEST_CASE("the binomial tree of 4, as drawn") {
  CHECK(draw_text(collective::gather, algorithm::tree, {4}, {1}) == R"(     │ rank 0    │ rank 1    │ rank 2    │ rank 3
─────┼───────────┼───────────┼───────────┼───────────
   1 │ c0→3      │      c2←2 │ c2→1      │ c3→1 c0←0
     │           │      c3←3 │           │
   2 │           │      c0←3 │           │ c0→1
)");
  CHECK(draw_text(collective::scatter, algorithm::tree, {4}, {2}) == R"(     │ rank 0        │ rank 1        │ rank 2        │ rank 3
─────┼───────────────┼───────────────┼───────────────┼───────────────
   1 │        c0-1←2 │               │ c0-1→0        │        c3←2
     │               │               │ c3→3          │
   2 │ c1→1          │        c1←0   │               │
)");
}

TEST_CASE("subtrees partition the circle, and nobody is further than log2 p hops") {
  for (int p = 1; p <= 130; ++p)
    for (int root : {0, p / 2, p - 1}) {
      int children = 0, blocks = 0;
      for (int r = 0; r < p; ++r) {
        const binomial_place mine({p}, {r}, {root});
        CHECK(mine.label == (r - root + p) % p);
        int hops = 0;
        for (int up = mine.label; up > 0; up -= up & -up) ++hops;
        CHECK(hops <= proofs::rounds_for(p));
        if (mine.label == 0) CHECK(mine.blocks == p);
        if (mine.label > 0 && mine.label - mine.reach == 0) ++children, blocks += mine.blocks;
      }
      CHECK(children == proofs::rounds_for(p));
      CHECK(blocks == p - 1);
    }
}

TEST_CASE("a subtree's blocks travel once to its parent, and the root has log2 p messages of them") {
  for (int p = 1; p <= 33; ++p)
    for (int root = 0; root < p; ++root) {
      const auto block = std::size_t{12}, n = block * static_cast<std::size_t>(p);
      std::size_t up = 0, down = 0;
      for (int r = 0; r < p; ++r) {
        const binomial_place mine({p}, {r}, {root});
        const std::size_t subtree = block * static_cast<std::size_t>(mine.blocks);
        CHECK(proofs::sent(tree_gather({p}, {r}, {root}), n) == (r == root ? 0 : subtree));
        up += proofs::sent(tree_gather({p}, {r}, {root}), n);
        down += proofs::sent(tree_scatter({p}, {r}, {root}), n);
        std::set<int> peers;
        for (const step& s : tree_gather({p}, {r}, {root}).steps) peers.insert(s.peer.value);
        if (r == root) CHECK(peers.size() == static_cast<std::size_t>(proofs::rounds_for(p)));
      }
      CHECK(up == down);
    }
}

}  // namespace
