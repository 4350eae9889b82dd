#include <tutti/schedule/team.hpp>

#include <doctest/doctest.h>

#include <initializer_list>

namespace {

using namespace tutti;

static_assert(team{5}.next({4}) == rank{0});
static_assert(team{5}.previous({0}) == rank{4});
static_assert(team{5}.chunk_of({1}, -3) == chunk{3});
static_assert(rank{1} < rank{2});

TEST_CASE("wrapping goes around in both directions, any number of times") {
  for (int size : {1, 2, 3, 7})
    for (int hops = -20; hops <= 20; ++hops)
      for (int r = 0; r < size; ++r) {
        const rank to = team{size}.next({r}, hops);
        CHECK(to.value >= 0);
        CHECK(to.value < size);
        CHECK((to.value - r - hops) % size == 0);
        CHECK(team{size}.previous(to, hops) == rank{r});
      }
}

}  // namespace
