#pragma once
#include <cstddef>
#include <vector>

#include <tutti/kernel/geometry.hpp>

namespace tutti::naive {

/// One input that an output reads: at which place of its window, and where in the channel.
struct window_read {
  std::size_t tap = 0;    ///< in (through, down, across)
  std::size_t place = 0;  ///< in (depth, height, width)
  friend constexpr bool operator==(const window_read&, const window_read&) = default;
};

/// What output number `output` of a channel reads, in the order of its window, padding left out.
template <class Geometry>
constexpr std::vector<window_read> reads_of(const Geometry& g, std::size_t output) {
  const std::size_t column = output % g.out_width(), row = output / g.out_width() % g.out_height(),
                    plane = output / g.out_width() / g.out_height();
  std::vector<window_read> all;
  for (std::size_t t = 0; t < g.through.size; ++t)
    for (std::size_t u = 0; u < g.down.size; ++u)
      for (std::size_t v = 0; v < g.across.size; ++v) {
        const std::size_t k = g.through.source(plane, t, g.depth), i = g.down.source(row, u, g.height), j = g.across.source(column, v, g.width);
        if (k == window::outside || i == window::outside || j == window::outside) continue;
        all.push_back({.tap = (t * g.down.size + u) * g.across.size + v, .place = (k * g.height + i) * g.width + j});
      }
  return all;
}

/// `visit(in the box, in the whole)` for the places of a box in each of some pictures.
template <class Visit>
constexpr void each_of_box(std::size_t pictures, const picture_box& box, const picture_box& whole, Visit visit) {
  const auto &[depth, height, width] = box;
  std::size_t next = 0;
  for (std::size_t n = 0; n < pictures; ++n)
    for (std::size_t k = depth.first; k < depth.end(); ++k)
      for (std::size_t i = height.first; i < height.end(); ++i)
        for (std::size_t j = width.first; j < width.end(); ++j)
          visit(next++, ((n * whole.depth.count + k) * whole.height.count + i) * whole.width.count + j);
}

}  // namespace tutti::naive
