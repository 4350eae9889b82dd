#include <tutti/kernel/naive_relu.hpp>

#include <vector>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("ReLU keeps what is above 0, and lets gradients through there only, in place too") {
  std::vector<int> x{-2, 0, 3}, dy{5, 6, 7};
  naive::relu<int>(x, x);
  CHECK(x == std::vector<int>{0, 0, 3});
  naive::relu_backward<int>(x, dy, dy);
  CHECK(dy == std::vector<int>{0, 0, 7});
  std::vector<int> empty;
  naive::relu<int>(empty, empty);
  CHECK(empty.empty());
}
