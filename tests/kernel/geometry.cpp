#include <tutti/kernel/geometry.hpp>

#include <doctest/doctest.h>

using tutti::window;

TEST_CASE("A window's outputs are exactly those whose last place exists") {
  // By trying, for every small window: output i exists where its last place lies inside the padded input.
  for (std::size_t size = 1; size < 4; ++size)
    for (std::size_t stride = 1; stride < 4; ++stride)
      for (std::size_t dilation = 1; dilation < 4; ++dilation)
        for (std::size_t low = 0; low < 3; ++low)
          for (std::size_t high = 0; high < 3; ++high)
            for (std::size_t inputs = 0; inputs < 8; ++inputs) {
              const window w{.size = size, .stride = stride, .pad_low = low, .pad_high = high, .dilation = dilation};
              std::size_t fit = 0;
              while (fit * stride + (size - 1) * dilation < low + inputs + high) ++fit;
              REQUIRE(w.outputs(inputs) == fit);
              if (fit == 0) continue;
              const std::size_t least = w.input_for(fit);
              REQUIRE(w.outputs(least) >= fit);
              if (least > 1) REQUIRE(w.outputs(least - 1) < fit);
            }
}

TEST_CASE("A window reads i·stride − pad_low + u·dilation, where that exists") {
  constexpr window w{.size = 3, .stride = 2, .pad_low = 1, .dilation = 2};
  static_assert(w.reach() == 5);
  static_assert(w.source(0, 0, 9) == window::outside && w.source(0, 1, 9) == 1 && w.source(1, 0, 9) == 1);
  constexpr window wide{.size = 2, .pad_low = 1, .pad_high = 1, .dilation = 4};
  static_assert(!w.misses(9) && wide.misses(3) && !wide.misses(4));
  static_assert(w.source(3, 2, 10) == 9 && w.source(3, 2, 9) == window::outside);
}
