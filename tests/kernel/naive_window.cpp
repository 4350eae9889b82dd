#include <tutti/kernel/naive_window.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("an output reads what its window sees, padding left out, along depth, height and width") {
  constexpr pool_geometry g{.batch = 1, .channels = 1, .depth = 3, .height = 2, .width = 4,
                            .through = {.size = 2, .stride = 2, .pad_low = 1}, .across = {.size = 2, .dilation = 2}};
  static_assert(g.out_places() == 2 * 2 * 2 && g.taps() == 4);
  using reads = std::vector<naive::window_read>;
  // The first plane of outputs begins with padding.
  CHECK(naive::reads_of(g, 3) == reads{{.tap = 2, .place = 4 + 1}, {.tap = 3, .place = 4 + 3}});
  CHECK(naive::reads_of(g, 4) == reads{{0, 8}, {1, 10}, {2, 16}, {3, 18}});
}
