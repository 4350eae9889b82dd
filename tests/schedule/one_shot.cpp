#include <tutti/schedule/one_shot.hpp>

#include <doctest/doctest.h>

#include <tutti/analysis/draw.hpp>

#include "proofs.hpp"

namespace {

using namespace tutti;
using proofs::proved_up_to_8;

static_assert(proved_up_to_8<collective::all_reduce, algorithm::one_shot>);

TEST_CASE("one shot is proved for 1 to 33 ranks and some more") {
  proofs::prove_at_run_time(collective::all_reduce, algorithm::one_shot);
}

TEST_CASE("one shot of 4, as drawn") {
  // With nothing buffered, as here, a send waits for its receiver; a link that
  // holds a piece for everyone makes one hop of it.
  CHECK(draw_text(collective::all_reduce, algorithm::one_shot, {4}) ==
        R"(     │ rank 0        │ rank 1        │ rank 2        │ rank 3
─────┼───────────────┼───────────────┼───────────────┼───────────────
   1 │ c0→1          │      s0←0     │      s0←0     │      s0←0
     │ c0→2          │               │               │
     │ c0→3          │               │               │
   2 │      c0∘1     │ c0→2          │      s0∘1     │      s0∘1
     │               │ c0→3          │               │
     │               │ c0→0          │               │
   3 │      c0∘2     │      c0=s0∘c0 │ c0→3          │      s0∘2
     │               │               │ c0→0          │
   4 │      c0∘3     │      c0∘2     │ c0→1          │ c0→0
   5 │               │      c0∘3     │      c0=s0∘c0 │ c0→1
   6 │               │               │      c0∘3     │ c0→2
   7 │               │               │               │      c0=s0∘c0
)");
}

TEST_CASE("one shot sends p-1 vectors in p-1 messages, all before anything arrives") {
  for (int p = 1; p <= 33; ++p)
    for (int r = 0; r < p; ++r) {
      const schedule s = one_shot_all_reduce({p}, {r});
      CHECK(proofs::sent(s, 100) == static_cast<std::size_t>(100 * (p - 1)));
      for (std::size_t i = 0; i < s.steps.size(); ++i) CHECK((s.steps[i].what == verb::send) == (i < static_cast<std::size_t>(p - 1)));
    }
}

}  // namespace
