#include <tutti/kernel/onednn_pool.hpp>

#include <doctest/doctest.h>

#include <tutti/kernel/naive_pool.hpp>

#include "onednn_tools.hpp"

using namespace tutti;
using onednn::memory_format;
using onednn::tensor;

TEST_CASE("oneDNN's pooling picks what the naive one does, and gives gradients to the same") {
  onednn::context c(2);
  for (std::size_t k = 1; k < odd_pools.size(); ++k) {
    CAPTURE(k);
    const auto& g = odd_pools[k];
    const memory_format x_format = pictures_of(g);
    auto x = some<float>(g.inputs(), 1);
    // Whole numbers, so that where windows overlap sums are exact.
    auto dy = some<float>(g.outputs(), 2);
    for (float& v : dy) v = static_cast<float>(static_cast<int>(100 * v));
    std::vector<float> y(g.outputs()), dx(g.inputs());
    std::vector<std::size_t> argmax(g.outputs());
    naive::max_pool<float>(g, x, y, argmax);
    naive::max_pool_backward<float>(g, dy, argmax, dx);
    for (bool train : {true, false}) {
      onednn::max_pool layer(c, g, x_format, train);
      tensor tx = filled(c, x_format, x), ty(c, layer.y());
      layer.forward(tx, ty);
      CHECK(values_of(c, ty, g.outputs()) == y);
      if (!train) continue;
      tensor tdx(c, x_format);
      layer.backward(filled(c, layer.y(), dy), tdx);
      CHECK(values_of(c, tdx, g.inputs()) == dx);
    }
  }
}

TEST_CASE("Of equals the first wins, as in the naive one") {
  onednn::context c(1);
  const pool_geometry g{.batch = 1,
                        .channels = 16,
                        .height = 4,
                        .width = 4,
                        .down = {.size = 2, .stride = 2},
                        .across = {.size = 2, .stride = 2}};
  const auto x_format = memory_format::row_major({{"n", 1}, {"c", 16}, {"h", 4}, {"w", 4}});
  std::vector<float> x(g.inputs(), 1.0f), dy(g.outputs(), 1.0f), y(g.outputs()), dx(g.inputs());
  std::vector<std::size_t> argmax(g.outputs());
  naive::max_pool<float>(g, x, y, argmax);
  naive::max_pool_backward<float>(g, dy, argmax, dx);
  onednn::max_pool layer(c, g, x_format, true);
  tensor ty(c, layer.y()), tdx(c, x_format);
  layer.forward(filled(c, x_format, x), ty);
  layer.backward(filled(c, layer.y(), dy), tdx);
  CHECK(values_of(c, tdx, g.inputs()) == dx);
}

TEST_CASE("Dilation is pooled too") {
  onednn::context c(1);
  const pool_geometry g{.batch = 2,
                        .channels = 3,
                        .height = 9,
                        .width = 8,
                        .down = {.size = 3, .dilation = 2},
                        .across = {.size = 2, .stride = 2, .dilation = 3}};
  const auto x_format = memory_format::row_major({{"n", 2}, {"c", 3}, {"h", 9}, {"w", 8}});
  auto x = some<float>(g.inputs(), 1);
  std::vector<float> y(g.outputs());
  std::vector<std::size_t> argmax(g.outputs());
  naive::max_pool<float>(g, x, y, argmax);
  onednn::max_pool layer(c, g, x_format, true);
  tensor ty(c, layer.y());
  layer.forward(filled(c, x_format, x), ty);
  CHECK(values_of(c, ty, g.outputs()) == y);
}

TEST_CASE("Averages are the naive ones, but for rounding, padding counted as zeros") {
  onednn::context c(2);
  for (std::size_t k = 1; k < odd_pools.size(); ++k) {
    CAPTURE(k);
    const auto& g = odd_pools[k];
    const memory_format x_format = pictures_of(g);
    auto x = some<float>(g.inputs(), 1), dy = some<float>(g.outputs(), 2);
    std::vector<double> y(g.outputs()), y_size(g.outputs()), dx(g.inputs()), dx_size(g.inputs());
    naive::average_pool<double>(g, wide(x), y);
    naive::average_pool<double>(g, sizes_of(x), y_size);
    naive::average_pool_backward<double>(g, wide(dy), dx);
    naive::average_pool_backward<double>(g, sizes_of(dy), dx_size);
    const std::size_t summands = g.taps() + 1;  // and a division
    for (bool train : {true, false}) {
      onednn::average_pool layer(c, g, x_format, train);
      tensor tx = filled(c, x_format, x), ty(c, layer.y());
      layer.forward(tx, ty);
      CHECK(worst_error(values_of(c, ty, g.outputs()), y, y_size, summands) <= 1);
      if (!train) continue;
      tensor tdx(c, x_format);
      layer.backward(filled(c, layer.y(), dy), tdx);
      CHECK(worst_error(values_of(c, tdx, g.inputs()), dx, dx_size, summands) <= 1);
    }
  }
}
