#include <tutti/schedule/pairwise.hpp>

#include <doctest/doctest.h>

#include <tutti/analysis/draw.hpp>

#include "proofs.hpp"

namespace {

using namespace tutti;
using proofs::proved_up_to_8;

static_assert(proved_up_to_8<collective::reduce_scatter, algorithm::pairwise>);
static_assert(proved_up_to_8<collective::all_gather, algorithm::pairwise>);
static_assert(proved_up_to_8<collective::all_reduce, algorithm::pairwise>);

TEST_CASE("pairwise exchange is proved for 1 to 33 ranks and some more") {
  for (collective what : {collective::reduce_scatter, collective::all_gather, collective::all_reduce})
    proofs::prove_at_run_time(what, algorithm::pairwise);
}

TEST_CASE("pairwise exchange of 4, as drawn") {
  CHECK(draw_text(collective::all_reduce, algorithm::pairwise, {4}) ==
        R"(     │ rank 0    │ rank 1    │ rank 2    │ rank 3
─────┼───────────┼───────────┼───────────┼───────────
   1 │ c1→1 c0∘1 │ c0→0 0∘c1 │ c3→3 1∘c2 │      2∘c3
     │           │ c2→2      │           │
   2 │ c2→2 c0∘2 │ c3→3 c1∘2 │ c0→0 0∘c2 │      1∘c3
     │           │           │ c1→1      │
   3 │ c3→3 c0∘3 │      c1∘3 │      c2∘3 │ c0→0 0∘c3
     │           │           │           │ c1→1
     │           │           │           │ c2→2
   4 │ c0→2 c1←1 │ c1→0 c0←0 │ c2→1 c0←0 │ c3→2 c1←1
     │ c0→1 c2←2 │ c1→2 c2←2 │ c2→0 c1←1 │ c3→1 c2←2
     │ c0→3 c3←3 │ c1→3 c3←3 │ c2→3 c3←3 │ c3→0 c0←0
)");
}

TEST_CASE("a pairwise exchange sends (p-1)/p of the vector in p-1 messages") {
  for (int p = 1; p <= 33; ++p)
    for (int r = 0; r < p; ++r) {
      const auto block = std::size_t{12}, n = block * static_cast<std::size_t>(p);
      CHECK(proofs::sent(pairwise_reduce_scatter({p}, {r}), n) == n - block);
      CHECK(proofs::sent(pairwise_all_gather({p}, {r}), n) == n - block);
      CHECK(proofs::sent(pairwise_all_reduce({p}, {r}), n) == 2 * (n - block));
      CHECK(pairwise_all_gather({p}, {r}).steps.size() == static_cast<std::size_t>(2 * (p - 1)));
    }
}

}  // namespace
