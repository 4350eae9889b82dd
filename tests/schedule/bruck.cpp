#include <tutti/schedule/bruck.hpp>

#include <doctest/doctest.h>

#include <tutti/analysis/draw.hpp>

#include "proofs.hpp"

namespace {

using namespace tutti;
using proofs::proved_up_to_8;

static_assert(proved_up_to_8<collective::all_to_all, algorithm::bruck>);

TEST_CASE("Bruck's exchange is proved for 1 to 33 ranks and some more") {
  proofs::prove_at_run_time(collective::all_to_all, algorithm::bruck);
}

TEST_CASE("Bruck's exchange of 3, as drawn: chunks 0 to 2 are sent, 3 to 5 received") {
  CHECK(draw_text(collective::all_to_all, algorithm::bruck, {3}) == R"(     │ rank 0     │ rank 1     │ rank 2
─────┼────────────┼────────────┼────────────
   1 │      s0=c1 │      s0=c2 │      s0=c0
     │      c3=c0 │      c4=c1 │      c5=c2
   2 │ s0→1 s1←2  │ s0→2 s1←0  │ s0→0 s1←1
   3 │      s0=c2 │      c3=s1 │      c4=s1
     │      c5=s1 │      s0=c0 │      s0=c1
   4 │ s0→2 s2←1  │ s0→0 s2←2  │ s0→1 s2←0
   5 │      c4=s2 │      c5=s2 │      c3=s2
)");
}

TEST_CASE("every block is sent once for each power of two in its way, in log2 p messages") {
  for (int p = 1; p <= 33; ++p)
    for (int r = 0; r < p; ++r) {
      const schedule s = bruck_all_to_all({p}, {r});
      const auto block = std::size_t{12}, ranks = static_cast<std::size_t>(p);
      std::size_t blocks = 0;
      for (int way = 0; way < p; ++way)
        for (int bits = way; bits > 0; bits /= 2) blocks += static_cast<std::size_t>(bits % 2);
      CHECK(proofs::sent(s, 2 * ranks * block) == blocks * block);
      int messages = 0;
      for (const step& each : s.steps) messages += each.what == verb::send;
      CHECK(messages == proofs::rounds_for(p));
      CHECK(s.scratch == static_cast<int>(blocks) + p / 2);
    }
}

}  // namespace
