#include <tutti/mesh/move.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "world.hpp"
#include "worlds.hpp"

using namespace tutti;

namespace {

constexpr mesh two_by_three{{"data", 2}, {"model", 3}};
constexpr shape matrix{{"batch", 12}, {"features", 6}};
constexpr placement replicated{};

std::string path(const placement& from, const placement& to) {
  std::string all;
  for (const move& m : plan_moves(matrix, from, to, two_by_three))
    all += (all.empty() ? "" : "; ") + text_of(m, matrix, two_by_three);
  return all;
}

}  // namespace

static_assert(plan_moves(matrix, replicated, replicated, two_by_three).empty());
static_assert(plan_moves(matrix, replicated.sharded(0, 0), replicated.sharded(1, 0), two_by_three).size() == 1);

TEST_CASE("each move is found, and sends the table's words") {
  const double n = 72, s = 2.0 / 3;
  const struct {
    placement from, to;
    const char* text;
    double words;
  } table[] = {
      {replicated.sharded(0, 1), replicated, "all_gather over model: batch", s * n},
      {replicated.sharded(0, 1), replicated.sharded(1, 1), "all_to_all over model: batch → features", s * n / 3},
      {replicated.with_partial(1), replicated, "all_reduce over model", 2 * s * n},
      {replicated.with_partial(1), replicated.sharded(1, 1), "reduce_scatter over model: features", s * n},
      {replicated, replicated.sharded(0, 1), "slice over model: batch", 0},
      {replicated, replicated.with_partial(1), "keep_on_first over model", 0},
      {replicated.sharded(0, 1), replicated.with_partial(1), "pad over model: batch", 0},
  };
  for (const auto& row : table) {
    CHECK(path(row.from, row.to) == row.text);
    CHECK(words_of(plan_moves(matrix, row.from, row.to, two_by_three).front(), matrix, row.from, two_by_three) ==
          doctest::Approx(row.words).epsilon(1e-15));
  }
}

TEST_CASE("what can be cut is cut before the rest is gathered") {
  CHECK(path(replicated.sharded(0, 0), replicated.sharded(1, 1)) == "slice over model: features; all_gather over data: batch");
}

TEST_CASE("a sum is scattered over one axis before it is added up over the other") {
  CHECK(path(replicated.with_partial(0).with_partial(1), replicated.sharded(1, 1)) ==
        "reduce_scatter over model: features; all_reduce over data");
}

TEST_CASE("only the innermost axis of a dimension can be gathered") {
  const placement both = replicated.sharded(0, 0).sharded(0, 1);
  CHECK_FALSE(can_move(both, {.what = move_kind::all_gather, .axis = 0, .from = 0}));
  CHECK(can_move(both, {.what = move_kind::all_gather, .axis = 1, .from = 0}));
}

TEST_CASE("every path leads where it should, by legal moves, and none of up to two moves costs less") {
  const move_costs costs;
  std::size_t cases = 0;
  for (const mesh& on : worlds::meshes()) {
    const std::vector<placement> all = worlds::placements(2, on);
    std::vector<move> every;
    for (int axis = 0; axis < on.axes(); ++axis)
      for (int from = -1; from < 2; ++from)
        for (int to = -1; to < 2; ++to)
          for (move_kind what : {move_kind::all_gather, move_kind::all_to_all, move_kind::all_reduce,
                                 move_kind::reduce_scatter, move_kind::slice, move_kind::keep_on_first, move_kind::pad}) {
            const bool gathers = what == move_kind::all_gather || what == move_kind::all_to_all || what == move_kind::pad;
            const bool cuts = what == move_kind::all_to_all || what == move_kind::reduce_scatter || what == move_kind::slice;
            if (gathers == (from >= 0) && cuts == (to >= 0)) every.push_back({what, axis, from, to});
          }
    for (const placement& from : all)
      for (const placement& to : all) {
        ++cases;
        double cost = 0;
        placement here = from;
        for (const move& m : plan_moves(matrix, from, to, on)) {
          REQUIRE(can_move(here, m));
          cost += costs.of(m, matrix, here, on);
          here = after(here, m);
        }
        CHECK(here == to);
        for (const move& first : every) {
          if (!can_move(from, first)) continue;
          const placement middle = after(from, first);
          const double half = costs.of(first, matrix, from, on);
          if (middle == to) CHECK(cost <= half * (1 + 1e-12));
          for (const move& second : every)
            if (can_move(middle, second) && after(middle, second) == to)
              CHECK(cost <= (half + costs.of(second, matrix, middle, on)) * (1 + 1e-12));
        }
      }
  }
  MESSAGE("pairs of placements: " << cases);
}

TEST_CASE("after every path the ranks hold together what they held before") {
  std::size_t cases = 0, wrong = 0;
  for (const shape& tensor : {shape{{"batch", 5}, {"features", 3}}, shape{{"batch", 1}, {"features", 7}}}) {
    const random_stream random{.seed = 1};
    std::vector<modular> values;
    for (std::size_t i = 0; i < tensor.elements(); ++i) values.emplace_back(random.at(i));
    for (const mesh& on : worlds::meshes())
      for (const placement& from : worlds::placements(2, on))
        for (const placement& to : worlds::placements(2, on)) {
          world_tensor t = spread(tensor, from, on, values, ++cases);
          for (const move& m : plan_moves(tensor, from, to, on)) apply(t, m, on);
          wrong += !(t.at == to) || collect(t, on) != values;
        }
  }
  CHECK(wrong == 0);
  MESSAGE("pairs of placements: " << cases);
}
