#include <tutti/schedule/double_tree.hpp>

#include <doctest/doctest.h>

#include <tutti/analysis/draw.hpp>

#include "proofs.hpp"

namespace {

using namespace tutti;
using proofs::proved_up_to_8;

static_assert(proved_up_to_8<collective::all_reduce, algorithm::double_tree>);
static_assert(proved_up_to_8<collective::broadcast, algorithm::double_tree>);
static_assert(proved_up_to_8<collective::reduce, algorithm::double_tree>);

TEST_CASE("double trees are proved for 1 to 33 ranks and some more, any root") {
  for (collective what : {collective::all_reduce, collective::broadcast, collective::reduce})
    proofs::prove_at_run_time(what, algorithm::double_tree);
}

TEST_CASE("the double tree of 4, as drawn") {
  CHECK(draw_text(collective::all_reduce, algorithm::double_tree, {4}) ==
        R"(     │ rank 0    │ rank 1    │ rank 2    │ rank 3
─────┼───────────┼───────────┼───────────┼───────────
   1 │ c0→1      │ c1→2 0∘c0 │      1∘c1 │
   2 │           │      c0∘2 │ c0→1 c1∘3 │ c1→2
   3 │      c1∘2 │ c0→3      │ c1→0      │      1∘c0
   4 │ c1→2      │      c0←3 │      c1←0 │ c0→1
   5 │      c0←1 │ c0→2 c1←2 │ c1→3 c0←1 │      c1←2
     │           │ c0→0      │ c1→1      │
)");
  CHECK(draw_text(collective::broadcast, algorithm::double_tree, {4}, {1}) ==
        R"(     │ rank 0    │ rank 1    │ rank 2    │ rank 3
─────┼───────────┼───────────┼───────────┼───────────
   1 │           │ c1→2      │      c1←1 │      c0←1
     │           │ c0→3      │           │
   2 │      c1←2 │           │ c1→0 c0←3 │ c0→0
     │      c0←3 │           │           │ c0→2
   3 │ c1→3      │           │           │      c1←0
)");
  CHECK(draw_text(collective::reduce, algorithm::double_tree, {4}, {1}) ==
        R"(     │ rank 0    │ rank 1    │ rank 2    │ rank 3
─────┼───────────┼───────────┼───────────┼───────────
   1 │      3∘c1 │           │ c0→3      │ c1→0 2∘c0
   2 │ c0→3      │           │      c1∘0 │      c0∘0
     │ c1→2      │           │           │
   3 │           │      c0∘3 │ c1→1      │ c0→1
     │           │      c1∘2 │           │
)");
}

TEST_CASE("no rank of a double tree sends more than the vector each way") {
  const std::size_t n = 10;
  for (int p = 1; p <= 33; ++p)
    for (int root = 0; root < p; ++root) {
      std::size_t down = 0, both = 0;
      for (int r = 0; r < p; ++r) {
        CHECK(proofs::sent(double_tree_reduce({p}, {r}, {root}), n) == (r == root ? 0 : n));
        CHECK(proofs::sent(double_tree_broadcast({p}, {r}, {root}), n) <= n);
        CHECK(proofs::sent(double_tree_all_reduce({p}, {r}), n) <= 2 * n);
        down += proofs::sent(double_tree_broadcast({p}, {r}, {root}), n);
        both += proofs::sent(double_tree_all_reduce({p}, {r}), n);
      }
      CHECK(down == static_cast<std::size_t>(p - 1) * n);
      CHECK(both == 2 * static_cast<std::size_t>(p - 1) * n);
    }
}

}  // namespace
