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
  s.enter(what, 77);
  CHECK(s.shape == 77);
  const call seen = s.entered_call(9);
  CHECK(seen.number == 9);
  CHECK(describe(seen).find("reduce of 12 ") == 0);
  CHECK(seen.root == 3);
}
