#include <tutti/transport/link.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <string>

using namespace tutti;

TEST_CASE("a rank's status fills a line, so that others reading it disturb nobody") {
  static_assert(alignof(rank_status) == 64);
  rank_status s;
  CHECK(s.entered == 0);
  CHECK(s.completed == 0);
  CHECK(s.left == 0);
}

TEST_CASE("a rank's status holds the call that it has entered") {
  rank_status s;
  call what{.count = 12, .element = 4, .root = 3};
  std::strcpy(what.kind, "reduce");
  s.enter(what, 77, 9);
  CHECK(s.entered == 9);
  CHECK(s.shape == 77);
  CHECK_FALSE(s.astray(9, 77));
  CHECK_FALSE(s.astray(8, 78));
  CHECK_FALSE(s.astray(10, 78));
  const auto seen = s.astray(9, 78);
  REQUIRE(seen);
  CHECK(seen->number == 9);
  CHECK(describe(*seen).find("reduce of 12 ") == 0);
  CHECK(seen->root == 3);
}

TEST_CASE("whoever goes on to another call is not taken for astray in the one before") {
  rank_status s;
  s.enter({.count = 12}, 77, 9);
  s.approach({.count = 13}, 78, 10);
  CHECK(s.entered == 9);
  CHECK_FALSE(s.astray(9, 77));
  s.enter({.count = 13}, 78, 10);
  CHECK_FALSE(s.astray(10, 78));
  CHECK(s.astray(10, 77)->count == 13);
}
