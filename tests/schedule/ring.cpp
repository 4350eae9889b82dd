#include <tutti/schedule/ring.hpp>

#include <doctest/doctest.h>

#include <tutti/analysis/draw.hpp>

#include "proofs.hpp"

namespace {

using namespace tutti;
using proofs::proved_up_to_8;

static_assert(proved_up_to_8<collective::reduce_scatter, algorithm::ring>);
static_assert(proved_up_to_8<collective::all_gather, algorithm::ring>);
static_assert(proved_up_to_8<collective::all_reduce, algorithm::ring>);

TEST_CASE("rings are proved for 1 to 33 ranks and some more") {
  for (collective what : {collective::reduce_scatter, collective::all_gather, collective::all_reduce})
    proofs::prove_at_run_time(what, algorithm::ring);
}

TEST_CASE("the ring of 4, as drawn") {
  CHECK(draw_text(collective::all_reduce, algorithm::ring, {4}) ==
        R"(     │ rank 0    │ rank 1    │ rank 2    │ rank 3
─────┼───────────┼───────────┼───────────┼───────────
   1 │ c3→1 3∘c2 │ c0→2 0∘c3 │ c1→3 1∘c0 │ c2→0 2∘c1
   2 │ c2→1 3∘c1 │ c3→2 0∘c2 │ c0→3 1∘c3 │ c1→0 2∘c0
   3 │ c1→1 3∘c0 │ c2→2 0∘c1 │ c3→3 1∘c2 │ c0→0 2∘c3
   4 │ c0→1 c3←3 │ c1→2 c0←0 │ c2→3 c1←1 │ c3→0 c2←2
   5 │ c3→1 c2←3 │ c0→2 c3←0 │ c1→3 c0←1 │ c2→0 c1←2
   6 │ c2→1 c1←3 │ c3→2 c2←0 │ c0→3 c3←1 │ c1→0 c0←2
)");
}

TEST_CASE("a ring sends (p-1)/p of the vector from each rank, an all-reduce twice that, in as many hops") {
  for (int p = 1; p <= 33; ++p)
    for (int r = 0; r < p; ++r) {
      const auto block = std::size_t{12}, n = block * static_cast<std::size_t>(p);
      CHECK(proofs::sent(ring_reduce_scatter({p}, {r}), n) == n - block);
      CHECK(proofs::sent(ring_all_gather({p}, {r}), n) == n - block);
      CHECK(proofs::sent(ring_all_reduce({p}, {r}), n) == 2 * (n - block));
      CHECK(ring_all_reduce({p}, {r}).steps.size() == static_cast<std::size_t>(4 * (p - 1)));
    }
}

}  // namespace
