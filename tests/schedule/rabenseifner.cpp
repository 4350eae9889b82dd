#include <tutti/schedule/rabenseifner.hpp>

#include <doctest/doctest.h>

#include <tutti/analysis/draw.hpp>

#include "proofs.hpp"

namespace {

using namespace tutti;

static_assert(proofs::proved_up_to_8<collective::all_reduce, algorithm::rabenseifner>);

TEST_CASE("Rabenseifner's algorithm is proved for 1 to 33 ranks and some more") {
  proofs::prove_at_run_time(collective::all_reduce, algorithm::rabenseifner);
}

TEST_CASE("Rabenseifner's algorithm of 4, as drawn") {
  CHECK(draw_text(collective::all_reduce, algorithm::rabenseifner, {4}) ==
        R"(     │ rank 0        │ rank 1        │ rank 2        │ rank 3
─────┼───────────────┼───────────────┼───────────────┼───────────────
   1 │ c2-3→1 c0-1∘1 │ c0-1→0 0∘c2-3 │ c2-3→3 c0-1∘3 │ c0-1→2 2∘c2-3
   2 │ c1→2   c0∘2   │ c3→3   c2∘3   │ c0→0   0∘c1   │ c2→1   1∘c3
   3 │ c0→2   c1←2   │ c2→3   c3←3   │ c1→0   c0←0   │ c3→1   c2←1
   4 │ c0-1→1 c2-3←1 │ c2-3→0 c0-1←0 │ c0-1→3 c2-3←3 │ c2-3→2 c0-1←2
)");
}

TEST_CASE("q players send 2 (q-1)/q of the vector, once more where they play for two, watchers once") {
  for (int p = 1; p <= 33; ++p) {
    const power_of_two_players game({p});
    const auto block = std::size_t{12}, n = block * static_cast<std::size_t>(game.players);
    for (int r = 0; r < p; ++r) {
      CAPTURE(p);
      CAPTURE(r);
      const std::size_t expected = game.watches({r}) ? n : 2 * (n - block) + (game.plays_for_two({r}) ? n : 0);
      CHECK(proofs::sent(rabenseifner_all_reduce({p}, {r}), n) == expected);
    }
  }
}

}  // namespace
