#include <tutti/schedule/two_shot.hpp>

#include <doctest/doctest.h>

#include <tutti/analysis/draw.hpp>

#include "proofs.hpp"

namespace {

using namespace tutti;

static_assert(proofs::proved_up_to_8<collective::all_reduce, algorithm::two_shot>);

TEST_CASE("two shots are proved for 1 to 33 ranks and some more") {
  proofs::prove_at_run_time(collective::all_reduce, algorithm::two_shot);
}

TEST_CASE("two shots of 4, as drawn") {
  CHECK(draw_text(collective::all_reduce, algorithm::two_shot, {4}) ==
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

TEST_CASE("two shots send 2 (p-1)/p of the vector, and fold each block where it belongs") {
  for (int p = 1; p <= 33; ++p)
    for (int r = 0; r < p; ++r) {
      const auto block = std::size_t{12}, n = block * static_cast<std::size_t>(p);
      CHECK(proofs::sent(two_shot_all_reduce({p}, {r}), n) == 2 * (n - block));
      for (const step& s : two_shot_all_reduce({p}, {r}).steps)
        if (s.what == verb::recv_reduce) CHECK(s.where == chunks{{r}, 1});
    }
}

}  // namespace
