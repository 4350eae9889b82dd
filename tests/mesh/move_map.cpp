#include <tutti/mesh/move_map.hpp>

#include <algorithm>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include <tutti/mesh/einsum.hpp>

using namespace tutti;

namespace {

/// All ways to lie, where several axes cut a dimension in each order.
std::vector<placement> all_placements(const shape& whole, const mesh& on) {
  std::vector<placement> all{{}};
  for (std::size_t begin = 0; begin < all.size(); ++begin)
    for (int axis = 0; axis < on.axes(); ++axis) {
      if (!all[begin].replicated_on(axis)) continue;
      std::vector<placement> next{all[begin].with_partial(axis)};
      for (std::size_t d = 0; d < whole.rank(); ++d) next.push_back(all[begin].sharded(d, axis));
      for (const placement& p : next)
        if (std::find(all.begin(), all.end(), p) == all.end()) all.push_back(p);
    }
  return all;
}

}  // namespace

TEST_CASE("what moves cost is what those that are planned one by one cost, to the last bit") {
  std::size_t pairs = 0, asked = 0;
  std::mt19937 random(7);
  MESSAGE("seed 7");
  auto compare = [&](const shape& whole, const mesh& on, const move_costs& costs, unsigned one_of) {
    const std::vector<placement> all = all_placements(whole, on);
    move_map map(whole, on, costs);
    move_table table(on, costs);
    for (const placement& from : all)
      for (const placement& to : all) {
        ++pairs;
        if (random() % one_of != 0) continue;
        ++asked;
        const double planned = detail::seconds_of(plan_moves(whole, from, to, on, costs), whole, from, on, costs);
        const std::size_t begin = table.number_of(from), end = table.number_of(to), sizes = table.sizes_of(whole);
        for (double found : {map.seconds(from, to), table.seconds(sizes, begin, end), table.seconds(sizes, begin, end)})
          if (!(found == planned)) FAIL_CHECK(text_of(whole, from, on) << " to " << text_of(whole, to, on) << ": " << found << ", not " << planned);
      }
  };
  const shape pictures{{"batch", 8}, {"channels", 3}, {"height", 5}}, features{{"batch", 64}, {"features", 1000}};
  const move_costs slow{.link = {.latency_s = 1e-3, .step_s = 1e-7, .send_bytes_per_s = 1e6}};
  compare(pictures, {{"p", 3}}, {}, 1);
  compare(pictures, {{"a", 2}, {"b", 3}}, {}, 1);
  compare(pictures, {{"a", 2}, {"b", 3}}, slow, 1);
  compare(features, {{"a", 2}, {"b", 2}, {"c", 3}}, {}, 4);
  compare(features, {{"a", 2}, {"b", 2}, {"c", 2}}, slow, 4);
  MESSAGE(pairs << " pairs, " << asked << " of them compared");
}

TEST_CASE("tensors of other sizes have costs of their own, of other names the same") {
  const mesh on{{"p", 4}};
  move_table table(on, {});
  const std::size_t small = table.sizes_of({{"batch", 8}, {"features", 3}});
  CHECK(table.sizes_of({{"batch", 8}, {"units", 3}}) == small);
  const std::size_t large = table.sizes_of({{"batch", 8}, {"features", 4096}});
  CHECK(small != large);
  const std::size_t cut = table.number_of(placement{}.sharded(0, 0)), whole = table.number_of({});
  CHECK(table.seconds(small, cut, whole) < table.seconds(large, cut, whole));
  CHECK(table.seconds(large, whole, whole) == 0);
  CHECK_THROWS_WITH_AS(static_cast<void>(table.seconds(small, whole, table.number_of(placement{}.sharded(3, 0)))),
                       "(batch 8, features 3) cannot be moved to where a dimension is cut that it has not", error);
}
