#include <tutti/kernel/naive_convolution.hpp>

#include <doctest/doctest.h>

#include "data.hpp"

using namespace tutti;

TEST_CASE("A convolution done by hand") {
  // 1 2 3        1 0        1+5 2+6      6  8
  // 4 5 6   ⋆    0 1    =   4+8 5+9  =  12 14, and 100 more of bias
  // 7 8 9
  const convolution_geometry g{
      .batch = 1, .channels = 1, .height = 3, .width = 3, .filters = 1, .down = {.size = 2}, .across = {.size = 2}};
  std::vector<int> x{1, 2, 3, 4, 5, 6, 7, 8, 9}, w{1, 0, 0, 1}, b{100}, y(4);
  naive::convolution<int>(g, x, w, b, y);
  CHECK(y == std::vector<int>{106, 108, 112, 114});
}

TEST_CASE("One weight and one pixel meet where the window says, and nowhere else") {
  // A convolution is linear in both, so what it does with single ones is all that it does.
  for (const auto& g : odd_convolutions) {
    if (g.batch == 0) continue;
    const std::size_t pixel = g.inputs() / 2, weight = g.weights() / 3;
    std::vector<int> x(g.inputs(), 0), w(g.weights(), 0), b(g.filters, 0), y(g.outputs(), -1), expected(g.outputs(), 0);
    x[pixel] = w[weight] = 1;
    naive::convolution<int>(g, x, w, b, y);
    const std::size_t n = pixel / (g.channels * g.places()), c = pixel / g.places() % g.channels;
    const std::size_t f = weight / (g.taps() * g.group_channels()),
                      wc = f / g.group_filters() * g.group_channels() + weight / g.taps() % g.group_channels();
    // Along each direction: where the pixel is, which place of the window the weight is, and where they meet.
    auto meet = [](const window& along, std::size_t output, std::size_t place, std::size_t at) {
      return output * along.stride + place * along.dilation == at + along.pad_low;
    };
    const std::size_t row = pixel / g.width % g.height, plane = pixel / g.width / g.height % g.depth;
    const std::size_t u = weight / g.across.size % g.down.size, t = weight / g.across.size / g.down.size % g.through.size;
    std::size_t at = (n * g.filters + f) * g.out_places();
    for (std::size_t k = 0; k < g.out_depth(); ++k)
      for (std::size_t i = 0; i < g.out_height(); ++i)
        for (std::size_t j = 0; j < g.out_width(); ++j)
          expected[at++] = wc == c && meet(g.through, k, t, plane) && meet(g.down, i, u, row) && meet(g.across, j, weight % g.across.size, pixel % g.width);
    CHECK(y == expected);
  }
}

TEST_CASE("Both gradients are the adjoints of the convolution, exactly, over a prime field") {
  // ⟨x ⋆ w, dy⟩ = ⟨x, dx⟩ = ⟨w, dw⟩ for every x, w and dy is what gradients of a bilinear map are.
  for (std::size_t k = 0; k < odd_convolutions.size(); ++k) {
    CAPTURE(k);
    const auto& g = odd_convolutions[k];
    auto x = some<modular>(g.inputs(), 1), w = some<modular>(g.weights(), 2), dy = some<modular>(g.outputs(), 3);
    std::vector<modular> none, y(g.outputs()), dx(g.inputs(), modular(5)), dw(g.weights(), modular(5)),
        db(g.filters, modular(5));
    naive::convolution<modular>(g, x, w, none, y);
    naive::convolution_backward_data<modular>(g, dy, w, dx);
    naive::convolution_backward_weights<modular>(g, x, dy, dw);
    naive::convolution_backward_bias<modular>(g, dy, db);
    CHECK(inner_product(y, dy) == inner_product(x, dx));
    CHECK(inner_product(y, dy) == inner_product(w, dw));
    // The bias is a weight on inputs of 1.
    auto b = some<modular>(g.filters, 4);
    std::vector<modular> with(g.outputs()), added(g.outputs());
    naive::convolution<modular>(g, x, w, b, with);
    for (std::size_t i = 0; i < y.size(); ++i) added[i] = with[i] - y[i];
    CHECK(inner_product(added, dy) == inner_product(b, db));
  }
}
