#include <tutti/schedule/bidirectional.hpp>

#include <doctest/doctest.h>

#include <tutti/analysis/draw.hpp>

#include "proofs.hpp"

namespace {

using namespace tutti;
using proofs::proved_up_to_8;

static_assert(proved_up_to_8<collective::reduce_scatter, algorithm::bidirectional>);
static_assert(proved_up_to_8<collective::all_gather, algorithm::bidirectional>);
static_assert(proved_up_to_8<collective::all_reduce, algorithm::bidirectional>);

TEST_CASE("rings both ways are proved for 1 to 33 ranks and some more") {
  for (collective what : {collective::reduce_scatter, collective::all_gather, collective::all_reduce})
    proofs::prove_at_run_time(what, algorithm::bidirectional);
}

TEST_CASE("rings both ways, as drawn") {
  CHECK(draw_text(collective::reduce_scatter, algorithm::bidirectional, {5}) ==
        R"(     │ rank 0    │ rank 1    │ rank 2    │ rank 3    │ rank 4
─────┼───────────┼───────────┼───────────┼───────────┼───────────
   1 │ c2→1 c4∘1 │ c4→0 0∘c2 │ c0→1 1∘c3 │ c1→2 2∘c4 │ c1→0 3∘c0
     │ c3→4 4∘c1 │ c3→2 c0∘2 │ c4→3 c1∘3 │ c0→4 c2∘4 │ c2→3 c3∘0
   2 │ c1→1 4∘c0 │ c2→2 0∘c1 │ c3→3 1∘c2 │ c4→4 2∘c3 │ c0→0 3∘c4
   3 │ c4→4 c0∘1 │ c0→0 c1∘2 │ c1→1 c2∘3 │ c2→2 c3∘4 │ c3→3 c4∘0
)");
  CHECK(draw_text(collective::all_gather, algorithm::bidirectional, {4}) ==
        R"(     │ rank 0    │ rank 1    │ rank 2    │ rank 3
─────┼───────────┼───────────┼───────────┼───────────
   1 │ c0→1 c1←1 │ c1→0 c0←0 │ c2→1 c1←1 │ c3→0 c2←2
     │ c0→3 c3←3 │ c1→2 c2←2 │ c2→3 c3←3 │ c3→2 c0←0
   2 │ c3→1 c2←3 │ c0→2 c3←0 │ c1→3 c0←1 │ c2→0 c1←2
)");
}

TEST_CASE("a ring both ways sends what one ring does, half of it either way") {
  for (int p = 1; p <= 33; ++p)
    for (int r = 0; r < p; ++r) {
      CAPTURE(p);
      const auto block = std::size_t{12}, n = block * static_cast<std::size_t>(p);
      CHECK(proofs::sent(bidirectional_ring_reduce_scatter({p}, {r}), n) == n - block);
      CHECK(proofs::sent(bidirectional_ring_all_gather({p}, {r}), n) == n - block);
      CHECK(proofs::sent(bidirectional_ring_all_reduce({p}, {r}), n) == 2 * (n - block));
      int on = 0, back = 0;
      for (const step& s : bidirectional_ring_all_gather({p}, {r}).steps) {
        if (s.what != verb::send) continue;
        CHECK((s.peer == team{p}.next({r}) || s.peer == team{p}.previous({r})));
        if (p > 2) ++(s.peer == team{p}.next({r}) ? on : back);
      }
      if (p > 2) CHECK(on == p / 2);
      if (p > 2) CHECK(back == (p - 1) / 2);
    }
}

}  // namespace
