#include <tutti/mesh/placement.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace tutti;

namespace {
constexpr mesh two_by_three{{"data", 2}, {"model", 3}};
constexpr shape matrix{{"batch", 7}, {"features", 5}};
constexpr placement replicated{};
}  // namespace

static_assert(replicated.sharded(1, 0).dimension_on(0) == 1);
static_assert(replicated.sharded(1, 0).gathered(1) == replicated);
static_assert(replicated.with_partial(1).partial_on(1) && !replicated.with_partial(1).replicated_on(1));
static_assert(replicated.with_partial(1).with_partial(1, false) == replicated);
static_assert(!(replicated.sharded(0, 0).sharded(0, 1) == replicated.sharded(0, 1).sharded(0, 0)));

TEST_CASE("two axes on one dimension: the first cuts it, the second cuts each piece") {
  const placement p = replicated.sharded(0, 0).sharded(0, 1);
  // 7 = 4 + 3; 4 = 2 + 1 + 1; 3 = 1 + 1 + 1.
  const share expected[] = {{0, 2}, {2, 1}, {3, 1}, {4, 1}, {5, 1}, {6, 1}};
  for (rank r{0}; r.value < 6; ++r.value) {
    CHECK(local_share(p, two_by_three, r, 0, 7) == expected[r.value]);
    CHECK(local_shape(matrix, p, two_by_three, r) == shape{{"batch", expected[r.value].count}, {"features", 5}});
  }
}

TEST_CASE("the ranks' parts of a dimension cover it once for each that holds the same") {
  for (const placement& p : {replicated, replicated.sharded(0, 1), replicated.sharded(0, 1).sharded(0, 0), replicated.sharded(1, 0)})
    for (std::size_t size : {0u, 1u, 2u, 5u, 12u, 17u}) {
      std::vector<int> held(size);
      for (rank r{0}; r.value < 6; ++r.value) {
        const share mine = local_share(p, two_by_three, r, 0, size);
        for (std::size_t i = mine.first; i < mine.end(); ++i) ++held[i];
      }
      int copies = 6;
      for (int axis : p.axes_of(0)) copies /= two_by_three[axis].size;
      for (int each : held) CHECK(each == copies);
    }
}

TEST_CASE("a placement says in words what it is") {
  CHECK(text_of(matrix, replicated, two_by_three) == "(batch 7, features 5)");
  CHECK(text_of(matrix, replicated.sharded(0, 1).sharded(0, 0), two_by_three) == "(batch:model+data 7, features 5)");
  CHECK(text_of(matrix, replicated.sharded(1, 1).with_partial(0), two_by_three) ==
        "(batch 7, features:model 5), a sum over data");
}
