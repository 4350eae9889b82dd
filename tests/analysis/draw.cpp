#include <tutti/analysis/draw.hpp>

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>

namespace {

using namespace tutti;

std::size_t occurrences(const std::string& text, const std::string& of) {
  std::size_t n = 0;
  for (std::size_t at = text.find(of); at != std::string::npos; at = text.find(of, at + 1)) ++n;
  return n;
}

TEST_CASE("the ring of 4 in text") {
  CHECK(draw_text(collective::all_reduce, algorithm::ring, {4}) ==
        R"(     │ rank 0    │ rank 1    │ rank 2    │ rank 3
─────┼───────────┼───────────┼───────────┼───────────
   1 │ c3→1 3∘c2 │ c0→2 0∘c3 │ c1→3 1∘c0 │ c2→0 2∘c1
   2 │ c2→1 3∘c1 │ c3→2 0∘c2 │ c0→3 1∘c3 │ c1→0 2∘c0
   3 │ c1→1 3∘c0 │ c2→2 0∘c1 │ c3→3 1∘c2 │ c0→0 2∘c3
   4 │ c0→1 c3←3 │ c1→2 c0←0 │ c2→3 c1←1 │ c3→0 c2←2
   5 │ c3→1 c2←3 │ c0→2 c3←0 │ c1→3 c0←1 │ c2→0 c1←2
   6 │ c2→1 c1←3 │ c3→2 c2←0 │ c0→3 c3←1 │ c1→0 c0←2
)");
}

TEST_CASE("scratch, operand sides and copies in text") {
  CHECK(draw_text(collective::all_reduce, algorithm::doubling, {2}) ==
        R"(     │ rank 0       │ rank 1
─────┼──────────────┼──────────────
   1 │ c0→1 s0=c0∘1 │ c0→0 s0=0∘c0
   2 │      c0=s0   │      c0=s0
)");
}

TEST_CASE("a broadcast of 2 as SVG") {
  CHECK(draw_svg(collective::broadcast, algorithm::tree, {2}) == R"~(<svg xmlns="http://www.w3.org/2000/svg" width="240" height="144" viewBox="0 0 240 144" font-family="sans-serif" font-size="12" text-anchor="middle">
<rect width="100%" height="100%" fill="white"/>
<marker id="tip0" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z" fill="hsl(0 70% 40%)"/></marker>
<text x="60" y="28" font-weight="bold">rank 0</text><line x1="60" y1="40" x2="60" y2="128" stroke="#bbb"/>
<text x="180" y="28" font-weight="bold">rank 1</text><line x1="180" y1="40" x2="180" y2="128" stroke="#bbb"/>
<line x1="60" y1="56" x2="180" y2="96" stroke="hsl(0 70% 40%)" stroke-width="1.5" marker-end="url(#tip0)"/><text x="90" y="63" fill="hsl(0 70% 30%)" stroke="white" stroke-width="3" paint-order="stroke">c0</text>
</svg>
)~");
}

TEST_CASE("text of 4 ranks fits 80 columns, whatever the algorithm") {
  for (const repertoire_entry& entry : repertoire) {
    const std::string text = draw_text(entry.what, entry.how, {4});
    std::size_t columns = 0;
    for (char c : text) {
      columns = c == '\n' ? 0 : columns + ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U);
      REQUIRE(columns <= 80);
    }
  }
}

TEST_CASE("every send is drawn, in text and in SVG") {
  for (const repertoire_entry& entry : repertoire)
    for (int p : {1, 2, 5, 7}) {
      std::size_t sends = 0, folds_of_sent = 0, folds = 0, local = 0;
      for (const schedule& s : team_schedules(entry.what, entry.how, {p}))
        for (const step& each : s.steps) {
          sends += each.what == verb::send;
          folds_of_sent += each.what == verb::recv_reduce;
          folds += each.what == verb::recv_reduce || each.what == verb::fold;
          local += is_local(each.what);
        }
      INFO(name_of(entry.what), " ", name_of(entry.how), " of ", p);
      const std::string text = draw_text(entry.what, entry.how, {p}), svg = draw_svg(entry.what, entry.how, {p});
      CHECK(occurrences(text, "→") == sends);
      CHECK(occurrences(text, "∘") == folds);
      CHECK(occurrences(svg, "marker-end") == sends);
      CHECK(occurrences(svg, "<circle") == folds_of_sent);
      CHECK(occurrences(svg, "<rect") == local + 1);
    }
}

TEST_CASE("what cannot run is not drawn, and the error says why") {
  std::vector<schedule> team(2, schedule{.parts = 1});
  team[0].recv({1}, chunk{0});
  team[0].send({1}, chunk{0});
  CHECK_THROWS_WITH_AS(draw_text(team),
                       "cannot draw these schedules: rank 0, step 1, chunk 0: no step of the peer meets this one", error);
  team[1].recv({0}, chunk{0});
  team[1].send({0}, chunk{0});
  CHECK_THROWS_WITH_AS(draw_svg(team),
                       "cannot draw these schedules: rank 0, step 0, chunk 0: this step can never complete", error);
  CHECK_THROWS_WITH_AS(draw_text(collective::barrier, algorithm::ring, {2}), "there is no ring barrier", error);
}

}  // namespace
