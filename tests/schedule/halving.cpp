#include <tutti/schedule/halving.hpp>

#include <doctest/doctest.h>

#include <tutti/analysis/draw.hpp>

#include "proofs.hpp"

namespace {

using namespace tutti;
using proofs::proved_up_to_8;

static_assert(proved_up_to_8<collective::reduce_scatter, algorithm::halving>);
static_assert(proved_up_to_8<collective::all_reduce, algorithm::halving>);

TEST_CASE("halving is proved for 1 to 33 ranks and some more") {
  for (collective what : {collective::reduce_scatter, collective::all_reduce})
    proofs::prove_at_run_time(what, algorithm::halving);
}

TEST_CASE("halving of 4, as drawn") {
  CHECK(draw_text(collective::all_reduce, algorithm::halving, {4}) ==
        R"(     │ rank 0        │ rank 1        │ rank 2        │ rank 3
─────┼───────────────┼───────────────┼───────────────┼───────────────
   1 │ c2-3→2 2∘c0-1 │ c3→3   3∘c1-2 │ c0-1→0 0∘c2-3 │ c1-2→1 1∘c3
   2 │ c1→1          │ c2→2   0∘c1   │ c3→3   1∘c2   │        2∘c3
     │               │ c0→3          │               │        1∘c0
   3 │        c1←1   │ c1→0   c2←2   │ c2→1   c3←3   │ c3→1
     │        3∘c0   │        c3←3   │               │ c3→2
     │               │               │               │ c0→0
   4 │ c0-1→2 c2-3←2 │ c1-2→3        │ c2-3→0 c0-1←0 │        c1-2←1
     │ c0→3          │               │               │        c0←0
   5 │               │        c0←3   │               │ c0→1
)");
}

TEST_CASE("halving sends the least there is for any number of ranks, to one peer a round") {
  for (int p = 1; p <= 33; ++p)
    for (int r = 0; r < p; ++r) {
      CAPTURE(p);
      const auto block = std::size_t{12}, n = block * static_cast<std::size_t>(p);
      CHECK(proofs::sent(halving_reduce_scatter({p}, {r}), n) == n - block);
      CHECK(proofs::sent(halving_all_reduce({p}, {r}), n) == 2 * (n - block));
      int peers = 0, last = -1;
      for (const step& s : halving_reduce_scatter({p}, {r}).steps)
        if (s.what == verb::send && s.peer.value != last) ++peers, last = s.peer.value;
      CHECK(peers == proofs::rounds_for(p));
    }
}

}  // namespace
