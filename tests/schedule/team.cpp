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

static_assert(team{5}.hosts() == 1 && team{5}.same_host({0}, {4}) && team{5}.hosts_in_order());
static_assert(team{4, {0, 1, 0, 2}}.hosts() == 3 && !team{4, {0, 1, 0, 2}}.hosts_in_order());
static_assert(team{4, {0, 1, 0, 2}}.same_host({0}, {2}) && !team{4, {0, 1, 0, 2}}.same_host({1}, {2}));

TEST_CASE("hosts are found from who is near to whom, in the order in which they first appear") {
  auto of = [](const std::vector<int>& where) {
    return hosts_by(static_cast<int>(where.size()), [&](int a, int b) {
      return where[static_cast<std::size_t>(a)] == where[static_cast<std::size_t>(b)];
    });
  };
  CHECK(of({7, 7, 7}) == std::vector<int>{});
  CHECK(of({7}) == std::vector<int>{});
  CHECK(of({7, 3, 7, 5, 3}) == std::vector<int>{0, 1, 0, 2, 1});
  // 0 and 2 are both near to 1, but not to each other: 2 is on no host that has 0.
  CHECK(hosts_by(4, [](int a, int b) { return b - a < 2; }) == std::vector<int>{0, 0, 1, 1});
}

}  // namespace
