#include <tutti/comm/group.hpp>

#include <doctest/doctest.h>

using namespace tutti;
using namespace tutti::detail;

TEST_CASE("a colour's ranks are ordered by key, then by rank") {
  const std::vector<colour_and_key> said{{0, 5}, {1, 0}, {0, -3}, {-1, 0}, {0, 5}, {1, 0}, {-7, 9}};
  CHECK(group_of_colour(said, 0) == std::vector<int>{2, 0, 4});
  CHECK(group_of_colour(said, 1) == std::vector<int>{1, 5});
  CHECK(group_of_colour(said, 2).empty());
  CHECK(group_of_colour(said, -1).empty());
  CHECK(group_of_colour(said, -7).empty());
  CHECK(everyone(3) == std::vector<int>{0, 1, 2});
}

TEST_CASE("lists of members: any order, none at all, and what cannot be") {
  const std::vector<int> who{10, 11, 12};
  auto all_say = [](std::vector<int> list) { return std::vector<std::vector<int>>(3, list); };
  CHECK(group_of_lists(all_say({2, 0}), who) == std::vector<int>{2, 0});
  CHECK(group_of_lists(all_say({}), who).empty());
  CHECK_THROWS_WITH_AS(group_of_lists(all_say({0, 3}), who), "subset: member 3 is not a rank from 0 to 2", error);
  CHECK_THROWS_WITH_AS(group_of_lists(all_say({-1}), who), "subset: member -1 is not a rank from 0 to 2", error);
  CHECK_THROWS_WITH_AS(group_of_lists(all_say({1, 2, 1}), who), "subset: member 1 is named twice", error);
  std::vector<std::vector<int>> differ = all_say({0, 1});
  differ[2] = {1, 0};
  CHECK_THROWS_WITH_AS(group_of_lists(differ, who),
                       "subset: ranks named different members: rank 10 named [0, 1], rank 12 named [1, 0]", error);
  try {
    group_of_lists(differ, who);
  } catch (const error& e) {
    CHECK(e.code() == errc::invalid_argument);
    CHECK(e.rank() == 12);
  }
}
