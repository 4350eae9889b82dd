#include <tutti/kernel/naive.hpp>

#include <vector>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("One include brings every operation") {
  std::vector<int> x{-1, 2}, y(1), w{3, 4}, b{5};
  naive::dense<int>({.batch = 1, .channels = 2, .units = 1}, x, w, b, y);
  CHECK(y[0] == 10);
  naive::convolution<int>({.batch = 1, .channels = 2, .height = 1, .width = 1, .filters = 1}, x, w, b, y);
  CHECK(y[0] == 10);
  std::vector<std::size_t> argmax(1);
  naive::max_pool<int>({.batch = 1, .channels = 1, .height = 1, .width = 2, .across = {.size = 2}}, x, y, argmax);
  CHECK(y[0] == 2);
  naive::relu<int>(x, x);
  CHECK(x[0] == 0);
}
