#include <tutti/schedule/linear.hpp>

#include <doctest/doctest.h>

#include <tutti/analysis/draw.hpp>

#include "proofs.hpp"

namespace {

using namespace tutti;
using proofs::proved_up_to_8;

static_assert(proved_up_to_8<collective::gather, algorithm::linear>);
static_assert(proved_up_to_8<collective::scatter, algorithm::linear>);
static_assert(proved_up_to_8<collective::broadcast, algorithm::linear>);
static_assert(proved_up_to_8<collective::reduce, algorithm::linear>);
static_assert(proved_up_to_8<collective::scan, algorithm::linear>);
static_assert(proved_up_to_8<collective::exclusive_scan, algorithm::linear>);

TEST_CASE("straight to and from the root is proved for 1 to 33 ranks and some more, any root") {
  for (collective what : {collective::gather, collective::scatter, collective::broadcast, collective::reduce}) proofs::prove_at_run_time(what, algorithm::linear);
}

TEST_CASE("straight to and from the root of 4, as drawn") {
  CHECK(draw_text(collective::gather, algorithm::linear, {4}, {1}) == R"(     │ rank 0    │ rank 1    │ rank 2    │ rank 3
─────┼───────────┼───────────┼───────────┼───────────
   1 │ c0→1      │      c0←0 │ c2→1      │ c3→1
     │           │      c2←2 │           │
     │           │      c3←3 │           │
)");
  CHECK(draw_text(collective::scatter, algorithm::linear, {4}, {2}) == R"(     │ rank 0    │ rank 1    │ rank 2    │ rank 3
─────┼───────────┼───────────┼───────────┼───────────
   1 │      c0←2 │      c1←2 │ c0→0      │      c3←2
     │           │           │ c1→1      │
     │           │           │ c3→3      │
)");
}

TEST_CASE("everything straight from the root of 4, as drawn") {
  CHECK(draw_text(collective::broadcast, algorithm::linear, {4}, {1}) == R"(     │ rank 0    │ rank 1    │ rank 2    │ rank 3
─────┼───────────┼───────────┼───────────┼───────────
   1 │      c0←1 │ c0→0      │      c0←1 │      c0←1
     │           │ c0→2      │           │
     │           │ c0→3      │           │
)");
}

TEST_CASE("every block but the root's travels once, in a message of its own") {
  for (int p = 1; p <= 33; ++p)
    for (int root = 0; root < p; ++root)
      for (int r = 0; r < p; ++r) {
        const auto block = std::size_t{12}, n = block * static_cast<std::size_t>(p);
        CHECK(proofs::sent(linear_gather({p}, {r}, {root}), n) == (r == root ? 0 : block));
        CHECK(proofs::sent(linear_scatter({p}, {r}, {root}), n) == (r == root ? n - block : 0));
        CHECK(linear_scatter({p}, {r}, {root}).steps.size() == static_cast<std::size_t>(r == root ? p - 1 : 1));
      }
}

TEST_CASE("a vector straight to and from any root keeps the order of operands") {
  for (int p = 1; p <= 33; ++p)
    for (int root = 0; root < p; root += p <= 9 ? 1 : 4) {
      CAPTURE(p);
      CAPTURE(root);
      const proof up = verify(collective::reduce, {p}, {root}, order::kept, linear_reduce);
      CHECK_MESSAGE(up.ok, explain(up));
      const proof down = verify(collective::broadcast, {p}, {root}, order::any, linear_broadcast);
      CHECK_MESSAGE(down.ok, explain(down));
    }
}

TEST_CASE("chains are proved for 1 to 33 ranks and some more") {
  for (collective what : {collective::scan, collective::exclusive_scan}) proofs::prove_at_run_time(what, algorithm::linear);
}

TEST_CASE("the chains of 4, as drawn") {
  CHECK(draw_text(collective::scan, algorithm::linear, {4}) == R"(     │ rank 0    │ rank 1    │ rank 2    │ rank 3
─────┼───────────┼───────────┼───────────┼───────────
   1 │ c0→1      │      0∘c0 │           │
   2 │           │ c0→2      │      1∘c0 │
   3 │           │           │ c0→3      │      2∘c0
)");
  CHECK(draw_text(collective::exclusive_scan, algorithm::linear, {4}) == R"(     │ rank 0       │ rank 1       │ rank 2       │ rank 3
─────┼──────────────┼──────────────┼──────────────┼──────────────
   1 │ c0→1         │ c0→2 s0←0    │ c0→3 s0←1    │      s0←2
   2 │              │      c0=s0   │              │
   3 │              │ c0→2         │      c0=1∘s0 │
   4 │              │              │ c0→3         │      c0=2∘s0
)");
}

TEST_CASE("a chain sends the vector once from each rank but the last, an exclusive one twice") {
  for (int p = 1; p <= 33; ++p)
    for (int r = 0; r < p; ++r) {
      const std::size_t last = r + 1 == p;
      CHECK(proofs::sent(linear_scan({p}, {r}), 10) == 10 * (1 - last));
      CHECK(proofs::sent(linear_exclusive_scan({p}, {r}), 10) == (r == 0 ? 10 : 20) * (1 - last));
    }
}

}  // namespace
