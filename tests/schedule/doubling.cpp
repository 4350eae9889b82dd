#include <tutti/schedule/doubling.hpp>

#include <doctest/doctest.h>

#include <tutti/analysis/draw.hpp>

#include "proofs.hpp"

namespace {

using namespace tutti;
using proofs::proved_up_to_8;

static_assert(proved_up_to_8<collective::scan, algorithm::doubling>);
static_assert(proved_up_to_8<collective::exclusive_scan, algorithm::doubling>);
static_assert(proved_up_to_8<collective::all_reduce, algorithm::doubling>);
static_assert(proved_up_to_8<collective::all_gather, algorithm::doubling>);

TEST_CASE("doubling is proved for 1 to 33 ranks and some more") {
  for (collective what : {collective::all_reduce, collective::all_gather})
    proofs::prove_at_run_time(what, algorithm::doubling);
}

TEST_CASE("doubling of 4, and of 3, where one watches, as drawn") {
  CHECK(draw_text(collective::all_reduce, algorithm::doubling, {4}) ==
        R"(     │ rank 0       │ rank 1       │ rank 2       │ rank 3
─────┼──────────────┼──────────────┼──────────────┼──────────────
   1 │ c0→1 s0=c0∘1 │ c0→0 s0=0∘c0 │ c0→3 s0=c0∘3 │ c0→2 s0=2∘c0
   2 │ s0→2 c0=s0∘2 │ s0→3 c0=s0∘3 │ s0→0 c0=0∘s0 │ s0→1 c0=1∘s0
)");
  CHECK(draw_text(collective::all_reduce, algorithm::doubling, {3}) ==
        R"(     │ rank 0       │ rank 1       │ rank 2
─────┼──────────────┼──────────────┼──────────────
   1 │ c0→1         │      0∘c0    │
   2 │              │ c0→2 s0=c0∘2 │ c0→1 s0=1∘c0
   3 │              │      c0=s0   │      c0=s0
   4 │      c0←1    │ c0→0         │
)");
  CHECK(draw_text(collective::all_gather, algorithm::doubling, {4}) ==
        R"(     │ rank 0        │ rank 1        │ rank 2        │ rank 3
─────┼───────────────┼───────────────┼───────────────┼───────────────
   1 │ c0→3   c1←1   │ c1→0   c2←2   │ c2→1   c3←3   │ c3→2   c0←0
     │               │        c3←3   │               │ c3→1
   2 │ c0-1→2 c2-3←2 │ c1-2→3 c0←3   │ c2-3→0 c0-1←0 │ c0→1   c1-2←1
)");
}

TEST_CASE("players send the vector once a round, watchers once; a gather sends (p-1)/p") {
  for (int p = 1; p <= 33; ++p) {
    const power_of_two_players game({p});
    const auto block = std::size_t{12}, n = block * static_cast<std::size_t>(p);
    const auto rounds = static_cast<std::size_t>(proofs::rounds_for(game.players));
    for (int r = 0; r < p; ++r) {
      CAPTURE(p);
      CAPTURE(r);
      const std::size_t times = game.watches({r}) ? 1 : rounds + game.plays_for_two({r});
      CHECK(proofs::sent(doubling_all_reduce({p}, {r}), n) == times * n);
      CHECK(proofs::sent(doubling_all_gather({p}, {r}), n) == n - block);
    }
  }
}

TEST_CASE("players and ranks name each other") {
  for (int p = 1; p <= 33; ++p) {
    const power_of_two_players game({p});
    CHECK(2 * game.players > p);
    for (int player = 0; player < game.players; ++player) {
      CHECK(game.player(game.rank_of(player)) == player);
      CHECK_FALSE(game.watches(game.rank_of(player)));
    }
  }
}

TEST_CASE("scans by doubling are proved for 1 to 33 ranks and some more") {
  for (collective what : {collective::scan, collective::exclusive_scan}) proofs::prove_at_run_time(what, algorithm::doubling);
}

TEST_CASE("the scans of 4 by doubling, as drawn") {
  CHECK(draw_text(collective::scan, algorithm::doubling, {4}) == R"(     │ rank 0       │ rank 1       │ rank 2       │ rank 3
─────┼──────────────┼──────────────┼──────────────┼──────────────
   1 │ c0→1         │ c0→2 s0=0∘c0 │ c0→3 s0=1∘c0 │      s0=2∘c0
   2 │ c0→2         │ s0→3 c0=s0   │      c0=0∘s0 │      c0=1∘s0
)");
  CHECK(draw_text(collective::exclusive_scan, algorithm::doubling, {4}) == R"(     │ rank 0       │ rank 1       │ rank 2       │ rank 3
─────┼──────────────┼──────────────┼──────────────┼──────────────
   1 │ c0→1         │ c0→2 s0←0    │ c0→3 s0←1    │      s0←2
   2 │              │ s0→2 c0=s0   │ s0→3 c0=1∘s0 │      c0=2∘s0
   3 │              │ s0→3         │              │      s0=1∘c0
   4 │              │              │              │      c0=s0
)");
}

TEST_CASE("a scan by doubling sends the vector to every rank a power of two after it, an exclusive one once more") {
  for (int p = 1; p <= 33; ++p)
    for (int r = 0; r < p; ++r) {
      const auto after = static_cast<std::size_t>(proofs::rounds_for(p - r));
      CHECK(proofs::sent(doubling_scan({p}, {r}), 10) == 10 * after);
      CHECK(proofs::sent(doubling_exclusive_scan({p}, {r}), 10) == 10 * (r == 0 ? (p > 1) : after + (r + 1 < p)));
    }
}

}  // namespace
