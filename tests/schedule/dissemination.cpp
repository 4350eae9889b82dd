#include <tutti/schedule/dissemination.hpp>

#include <doctest/doctest.h>

#include <tutti/analysis/draw.hpp>

#include "proofs.hpp"

namespace {

using namespace tutti;

static_assert(proofs::proved_up_to_8<collective::barrier, algorithm::dissemination>);

TEST_CASE("the dissemination barrier is proved for 1 to 33 ranks and some more") {
  proofs::prove_at_run_time(collective::barrier, algorithm::dissemination);
}

TEST_CASE("the barrier of 4, as drawn") {
  CHECK(draw_text(collective::barrier, algorithm::dissemination, {4}) ==
        R"(     │ rank 0       │ rank 1       │ rank 2       │ rank 3
─────┼──────────────┼──────────────┼──────────────┼──────────────
   1 │ c0→1 s0=3∘c0 │ c0→2 s0=0∘c0 │ c0→3 s0=1∘c0 │ c0→0 s0=2∘c0
   2 │ s0→2 c0=2∘s0 │ s0→3 c0=3∘s0 │ s0→0 c0=0∘s0 │ s0→1 c0=1∘s0
)");
}

TEST_CASE("a barrier sends one token a round") {
  for (int p = 1; p <= 33; ++p)
    for (int r = 0; r < p; ++r)
      CHECK(proofs::sent(dissemination_barrier({p}, {r}), 1) == static_cast<std::size_t>(proofs::rounds_for(p)));
}

}  // namespace
