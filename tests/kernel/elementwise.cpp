#include <tutti/kernel/elementwise.hpp>

#include <vector>

#include <doctest/doctest.h>

TEST_CASE("A sum, and its part above zero, in place too") {
  const std::vector<int> a{1, -5, 2}, b{3, 1, -2};
  std::vector<int> y(3);
  tutti::add<int>(a, b, y);
  CHECK(y == std::vector<int>{4, -4, 0});
  y = b;
  tutti::add<int>(a, y, y, true);
  CHECK(y == std::vector<int>{4, 0, 0});
}
