#include <tutti/schedule/algorithm.hpp>

#include <doctest/doctest.h>

#include <string>

namespace {

using namespace tutti;

static_assert(parse_algorithm("ring") == algorithm::ring);

TEST_CASE("algorithms have names both ways") {
  for (algorithm how : every_algorithm) CHECK(parse_algorithm(name_of(how)) == how);
  CHECK(parse_algorithm("automatic") == algorithm::automatic);
  for (const char* wrong : {"", "rings", "Ring", "ring ", "unknown"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_algorithm(wrong).has_value());
  }
}

}  // namespace
