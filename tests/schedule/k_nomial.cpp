#include <tutti/schedule/k_nomial.hpp>

#include <doctest/doctest.h>

#include <set>

#include <tutti/analysis/draw.hpp>

#include "proofs.hpp"

namespace {

using namespace tutti;
using proofs::proved_up_to_8;

static_assert(proved_up_to_8<collective::gather, algorithm::tree>);
static_assert(proved_up_to_8<collective::scatter, algorithm::tree>);
static_assert(proved_up_to_8<collective::scatter, algorithm::k_nomial_4>);
static_assert(proved_up_to_8<collective::gather, algorithm::k_nomial_4>);
static_assert(proved_up_to_8<collective::reduce, algorithm::k_nomial_4>);
static_assert(proved_up_to_8<collective::reduce, algorithm::k_nomial_8>);
static_assert(proved_up_to_8<collective::broadcast, algorithm::k_nomial_4>);
static_assert(proved_up_to_8<collective::broadcast, algorithm::k_nomial_8>);

TEST_CASE("k-nomial trees are proved for 1 to 33 ranks and some more, any root") {
  for (const repertoire_entry& entry : repertoire)
    if (entry.how == algorithm::k_nomial_4 || entry.how == algorithm::k_nomial_8 ||
        (entry.how == algorithm::tree && (entry.what == collective::gather || entry.what == collective::scatter)))
      proofs::prove_at_run_time(entry.what, entry.how);
}

TEST_CASE("k-nomial trees of radix 4, as drawn") {
  CHECK(draw_text(collective::reduce, algorithm::k_nomial_4, {6}, {1}) ==
        R"(     │ rank 0    │ rank 1    │ rank 2    │ rank 3    │ rank 4    │ rank 5
─────┼───────────┼───────────┼───────────┼───────────┼───────────┼───────────
   1 │ c0→5      │      c0∘2 │ c0→1      │           │           │      c0∘0
   2 │           │      c0∘3 │           │ c0→1      │           │
   3 │           │      c0∘4 │           │           │ c0→1      │
   4 │           │      c0∘5 │           │           │           │ c0→1
)");
  CHECK(draw_text(collective::scatter, algorithm::k_nomial_4, {6}, {1}) ==
        R"(     │ rank 0    │ rank 1    │ rank 2    │ rank 3    │ rank 4    │ rank 5
─────┼───────────┼───────────┼───────────┼───────────┼───────────┼───────────
   1 │           │ c2→2      │      c2←1 │      c3←1 │      c4←1 │      c5←1
     │           │ c3→3      │           │           │           │
     │           │ c4→4      │           │           │           │
     │           │ c5→5      │           │           │           │
   2 │           │ c0→5      │           │           │           │      c0←1
   3 │      c0←5 │           │           │           │           │ c0→0
)");
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

TEST_CASE("subtrees partition the circle, and nobody is further than log_k p hops") {
  for (int radix : {2, 3, 4, 8})
    for (int p = 1; p <= 130; ++p)
      for (int root : {0, p / 2, p - 1}) {
        CAPTURE(radix);
        CAPTURE(p);
        int most_hops = 0;
        for (int reach = 1; reach < p; reach *= radix) ++most_hops;
        int below_root = 0;
        for (int r = 0; r < p; ++r) {
          const k_nomial_place mine({p}, {r}, {root}, radix);
          CHECK(mine.label == (r - root + p) % p);
          int hops = 0;
          for (rank up{r}; up != rank{root}; ++hops) up = team{p}.previous(up, k_nomial_place({p}, up, {root}, radix).parent);
          CHECK(hops <= most_hops);
          int blocks = 1, last = 0, messages = 0, backwards = 0;
          mine.for_each_child({p}, [&](int hop, int of_child) {
            CHECK(hop > last);
            last = hop;
            blocks += of_child;
            const rank child = team{p}.next({r}, hop);
            const k_nomial_place its({p}, child, {root}, radix);
            CHECK(its.blocks == of_child);
            CHECK(its.parent == hop);
            ++messages;
          });
          mine.for_each_child_backwards({p}, [&](int hop, int) {
            CHECK(hop <= last);
            last = hop - 1;
            ++backwards;
          });
          CHECK(messages == backwards);
          CHECK(blocks == mine.blocks);
          CHECK(messages <= most_hops * (radix - 1));
          if (r == root) below_root = blocks;
        }
        CHECK(below_root == p);
      }
}

TEST_CASE("a binomial subtree's blocks travel once to its parent, and the root has log2 p messages of them") {
  for (int p = 1; p <= 33; ++p)
    for (int root = 0; root < p; ++root) {
      const auto block = std::size_t{12}, n = block * static_cast<std::size_t>(p);
      std::size_t up = 0, down = 0;
      for (int r = 0; r < p; ++r) {
        const k_nomial_place mine({p}, {r}, {root}, 2);
        const std::size_t subtree = block * static_cast<std::size_t>(mine.blocks);
        CHECK(proofs::sent(k_nomial_gather({p}, {r}, {root}, 2), n) == (r == root ? 0 : subtree));
        up += proofs::sent(k_nomial_gather({p}, {r}, {root}, 2), n);
        down += proofs::sent(k_nomial_scatter({p}, {r}, {root}, 2), n);
        std::set<int> peers;
        for (const step& s : k_nomial_gather({p}, {r}, {root}, 2).steps) peers.insert(s.peer.value);
        if (r == root) CHECK(peers.size() == static_cast<std::size_t>(proofs::rounds_for(p)));
      }
      CHECK(up == down);
    }
}

}  // namespace
