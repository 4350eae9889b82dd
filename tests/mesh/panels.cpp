#include <tutti/mesh/panels.hpp>

#include <doctest/doctest.h>

#include "worlds.hpp"

using namespace tutti;

namespace {

constexpr std::size_t panels_of_summa() {
  const mesh grid{{"r", 2}, {"c", 3}};
  const placement both = placement{}.sharded(0, 0).sharded(1, 1);
  const einsum e({{"b", 4}, {"k", 12}}, {{"k", 12}, {"n", 6}}, {"b", "n"});
  return panels_of(e, plan_einsum(e, placement{}.sharded(0, 0).sharded(2, 1), both, both, both, grid), grid, {0}, 4).panels.size();
}
static_assert(panels_of_summa() == 3);

}  // namespace

TEST_CASE("in panels a rank brings a panel of each operand, and of every rank's share as much") {
  const einsum e({{"batch", 60}, {"in", 240}}, {{"in", 240}, {"out", 60}}, {"batch", "out"});
  const mesh grid{{"r", 2}, {"c", 3}};
  const placement both = placement{}.sharded(0, 0).sharded(1, 1), cut = placement{}.sharded(0, 0).sharded(2, 1);
  const product_panels p = panels_of(e, plan_einsum(e, cut, both, both, both, grid), grid, {4}, 24);
  REQUIRE(p.a.moved);
  REQUIRE(p.b.moved);
  CHECK(p.panels.size() == 10);
  for (const std::vector<share>& pieces : p.panels) {
    CHECK(p.a.counts(pieces) == std::vector<std::size_t>(3, 30 * 8));  // (B/r, 24/c)
    CHECK(p.b.counts(pieces) == std::vector<std::size_t>(2, 12 * 20)); // (24/r, N/c)
  }
}

TEST_CASE("panels have every place once, none of two ranks' shares, however uneven") {
  const einsum e({{"b", 3}, {"k", 7}}, {{"k", 7}, {"n", 2}}, {"b", "n"});
  for (const mesh& on : worlds::meshes())
    for (const placement& cut : cuts_of(e, {}, {}, on))
      for (const placement& at : worlds::placements(2, on)) {
        const einsum_plan plan = plan_einsum(e, cut, at, at, {}, on);
        for (rank r{0}; r.value < on.size(); ++r.value) {
          const product_panels p = panels_of(e, plan, on, r, 2);
          if (p.dimension == shape::capacity) continue;
          std::vector<int> seen(7);
          for (const auto& pieces : p.panels)
            for (const share& piece : pieces) {
              for (std::size_t i = piece.first; i < piece.end(); ++i) ++seen[i];
              for (const panelled_tensor* t : {&p.a, &p.b, &p.result}) {
                bool inside = !t->moved;
                for (const share& s : t->shares) inside |= piece.first >= s.first && piece.end() <= s.end();
                CHECK(inside);
              }
            }
          const share mine = p.loops[p.dimension];
          bool once = true;
          for (std::size_t i = 0; i < 7; ++i) once &= seen[i] == (i >= mine.first && i < mine.end());
          CHECK(once);
        }
      }
}
