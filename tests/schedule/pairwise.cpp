#include <tutti/schedule/pairwise.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include <tutti/analysis/draw.hpp>

#include "proofs.hpp"

namespace {

using namespace tutti;
using proofs::proved_up_to_8;

static_assert(proved_up_to_8<collective::reduce_scatter, algorithm::pairwise>);
static_assert(proved_up_to_8<collective::all_gather, algorithm::pairwise>);
static_assert(proved_up_to_8<collective::all_to_all, algorithm::pairwise>);

TEST_CASE("pairwise exchange is proved for 1 to 145 ranks and some more") {
  for (collective what : {collective::reduce_scatter, collective::all_gather, collective::all_to_all})
    proofs::prove_at_run_time(what, algorithm::pairwise, 145);
}

TEST_CASE("in the pairwise barrier everyone has heard from everyone before anyone says so") {
  for (int p = 1; p <= 257; p += p < 33 ? 1 : 56) {
    CAPTURE(p);
    const proof all = verify(collective::barrier, {p}, {0}, order::any, pairwise_barrier);
    CHECK_MESSAGE(all.ok, explain(all));
    // What is said in the second half waits for a token from each in the first.
    const schedule s = pairwise_barrier({p}, {p / 2});
    const auto half_way = static_cast<std::size_t>(2 * (p - 1));
    CHECK(s.steps.size() == half_way + static_cast<std::size_t>(2 * proofs::rounds_for(p)));
    std::vector<bool> heard(static_cast<std::size_t>(p));
    chunk last{0};
    for (std::size_t i = 0; i < half_way; ++i) {
      if (s.steps[i].what == verb::send) continue;
      CHECK((last == chunk{0} || s.steps[i].with == chunks{last}));
      last = s.steps[i].where.first;
      heard[static_cast<std::size_t>(s.steps[i].peer.value)] = true;
    }
    CHECK(std::count(heard.begin(), heard.end(), true) == p - 1);
    for (std::size_t i = half_way; i < s.steps.size(); ++i) {
      if (s.steps[i].what == verb::send) CHECK(s.steps[i].where == chunks{last});
      else last = s.steps[i].where.first;
    }
  }
}

TEST_CASE("the all_to_all of 4, as drawn: chunks 0 to 3 are sent, 4 to 7 received") {
  CHECK(draw_text(collective::all_to_all, algorithm::pairwise, {4}) == R"(     │ rank 0     │ rank 1     │ rank 2     │ rank 3
─────┼────────────┼────────────┼────────────┼────────────
   1 │ c1→1 c4=c0 │ c0→0 c5=c1 │ c0→0 c6=c2 │ c0→0 c7=c3
     │ c2→2 c5←1  │ c2→2 c4←0  │ c1→1 c5←1  │ c1→1 c6←2
     │ c3→3 c6←2  │ c3→3 c6←2  │ c3→3 c4←0  │ c2→2 c5←1
     │      c7←3  │      c7←3  │      c7←3  │      c4←0
)");
}

TEST_CASE("a pairwise exchange sends (p-1)/p of the vector in p-1 messages") {
  for (int p = 1; p <= 33; ++p)
    for (int r = 0; r < p; ++r) {
      const auto block = std::size_t{12}, n = block * static_cast<std::size_t>(p);
      CHECK(proofs::sent(pairwise_reduce_scatter({p}, {r}), n) == n - block);
      CHECK(proofs::sent(pairwise_all_gather({p}, {r}), n) == n - block);
      CHECK(proofs::sent(pairwise_all_to_all({p}, {r}), 2 * n) == n - block);
      CHECK(pairwise_all_gather({p}, {r}).steps.size() == static_cast<std::size_t>(2 * (p - 1)));
    }
}

}  // namespace
