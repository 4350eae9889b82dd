#include <tutti/comm/call_checks.hpp>

#include <doctest/doctest.h>

#include <string>
#include <type_traits>
#include <vector>

using namespace tutti;

// What they refuse is tested with the calls, in collectives.cpp.
static_assert(std::is_same_v<detail::value_of<std::vector<float>&>, float>);
static_assert(std::is_same_v<detail::value_of<span<const int>>, int>);

TEST_CASE("a call's shape says what it is, and of which types") {
  const call_shape moved = detail::shape_of<double>(collective::gather, 7, 2, {.algorithm = algorithm::linear});
  CHECK(moved.what == collective::gather);
  CHECK((moved.count == 7 && moved.element == 8 && moved.root == 2 && moved.algorithm == algorithm::linear));
  CHECK(std::string(moved.type) == "double");
  CHECK(moved.operation.empty());
  auto mine = [](int a, int) { return a; };
  const call_shape folded = detail::shape_of<int, decltype(mine)>(collective::all_reduce, 1, -1, {});
  CHECK_FALSE(folded.commutative);
  CHECK_FALSE(folded.operation.empty());
  CHECK(detail::shape_of<int, plus>(collective::all_reduce, 1, -1, {}).commutative);
}
