#include <tutti/kernel/naive_pool.hpp>

#include <numeric>

#include <doctest/doctest.h>

#include "data.hpp"

using namespace tutti;

TEST_CASE("A pooling done by hand: the first of equals wins, padding never does") {
  const pool_geometry g{.batch = 1,
                        .channels = 1,
                        .height = 3,
                        .width = 3,
                        .down = {.size = 2, .stride = 2, .pad_low = 1},
                        .across = {.size = 2, .stride = 2, .pad_low = 1}};
  //  -4 -9 -9
  //  -1  3  3
  //  -2  3  1
  std::vector<int> x{-4, -9, -9, -1, 3, 3, -2, 3, 1}, y(4), dx(9, 77);
  std::vector<std::size_t> argmax(4);
  naive::max_pool<int>(g, x, y, argmax);
  CHECK(y == std::vector<int>{-4, -9, -1, 3});
  CHECK(argmax == std::vector<std::size_t>{0, 1, 3, 4});
  naive::max_pool_backward<int>(g, std::vector<int>{10, 20, 30, 40}, argmax, dx);
  CHECK(dx == std::vector<int>{10, 20, 0, 30, 40, 0, 0, 0, 0});
}

TEST_CASE("Windows that overlap add up, and every gradient arrives once") {
  for (const auto& g : odd_pools) {
    auto x = some<double>(g.inputs(), 1);
    std::vector<double> y(g.outputs());
    std::vector<std::size_t> argmax(g.outputs());
    naive::max_pool<double>(g, x, y, argmax);
    std::vector<int> dy(g.outputs()), dx(g.inputs(), 99);
    std::iota(dy.begin(), dy.end(), 1);
    naive::max_pool_backward<int>(g, dy, argmax, dx);
    CHECK(std::accumulate(dx.begin(), dx.end(), 0L) == std::accumulate(dy.begin(), dy.end(), 0L));
    // y is what stands at argmax, and nothing in the window is greater.
    const std::size_t places = g.places(), outputs = g.out_places();
    for (std::size_t o = 0; o < y.size(); ++o) {
      REQUIRE(y[o] == x[o / outputs * places + argmax[o]]);
      for (const naive::window_read& r : naive::reads_of(g, o % outputs)) REQUIRE(x[o / outputs * places + r.place] <= y[o]);
    }
  }
}

TEST_CASE("An average done by hand: padding counts as zeros") {
  const pool_geometry g{.batch = 1,
                        .channels = 1,
                        .height = 2,
                        .width = 3,
                        .down = {.size = 2, .stride = 2},
                        .across = {.size = 2, .stride = 2, .pad_low = 1}};
  std::vector<double> x{1, 2, 3, 4, 5, 6}, y(2), dx(6, 77);
  naive::average_pool<double>(g, x, y);
  CHECK(y == std::vector<double>{1.25, 4});
  naive::average_pool_backward<double>(g, std::vector<double>{4, 8}, dx);
  CHECK(dx == std::vector<double>{1, 2, 2, 1, 2, 2});
}

TEST_CASE("The gradient of an average is its adjoint, exactly, over a prime field") {
  for (const auto& g : odd_pools) {
    auto x = some<modular>(g.inputs(), 1), dy = some<modular>(g.outputs(), 2);
    std::vector<modular> y(g.outputs()), dx(g.inputs(), modular(5));
    naive::average_pool<modular>(g, x, y);
    naive::average_pool_backward<modular>(g, dy, dx);
    CHECK(inner_product(y, dy) == inner_product(x, dx));
  }
}
