#pragma once
#include <cstddef>
#include <cstdint>

#include <tutti/kernel/channels_last.hpp>

namespace tutti::channels_last {

namespace detail {

/// Where element i of pictures with their channels last stands.
struct position {
  std::size_t n, d, h, w, c;
  TUTTI_HOST_DEVICE position(std::size_t i, std::size_t channels, std::size_t depth, std::size_t height, std::size_t width)
      : n(i / channels / width / height / depth), d(i / channels / width / height % depth), h(i / channels / width % height), w(i / channels % width),
        c(i % channels) {}
};

/// `visit(place)` for the places of a picture that output `at` reads, in the order of its window.
template <class Visit>
TUTTI_HOST_DEVICE void each_read(const pool_geometry& g, const position& at, const Visit& visit) {
  for (std::size_t t = 0; t < g.through.size; ++t) {
    const std::size_t plane = g.through.source(at.d, t, g.depth);
    if (plane == static_cast<std::size_t>(-1)) continue;
    for (std::size_t u = 0; u < g.down.size; ++u) {
      const std::size_t row = g.down.source(at.h, u, g.height);
      if (row == static_cast<std::size_t>(-1)) continue;
      for (std::size_t v = 0; v < g.across.size; ++v) {
        const std::size_t column = g.across.source(at.w, v, g.width);
        if (column != static_cast<std::size_t>(-1)) visit((plane * g.height + row) * g.width + column);
      }
    }
  }
}

inline constexpr std::uint32_t nobody = static_cast<std::uint32_t>(-1);

template <class T>
struct greatest {
  pool_geometry g;
  const T* x;
  T* y;
  std::uint32_t* winner;  // a place in its picture
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    const position at(i, g.channels, g.out_depth(), g.out_height(), g.out_width());
    std::uint32_t best = nobody;
    sum_of<T> most{};
    each_read(g, at, [&](std::size_t place) {
      const auto value = static_cast<sum_of<T>>(x[(at.n * g.places() + place) * g.channels + at.c]);
      if (best == nobody || most < value) best = static_cast<std::uint32_t>(place), most = value;
    });
    y[i] = static_cast<T>(most);
    if (winner) winner[i] = best;
  }
};

template <class T>
struct mean_of_window {
  pool_geometry g;
  const T* x;
  T* y;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    const position at(i, g.channels, g.out_depth(), g.out_height(), g.out_width());
    sum_of<T> sum{};
    each_read(g, at, [&](std::size_t place) { sum = sum + static_cast<sum_of<T>>(x[(at.n * g.places() + place) * g.channels + at.c]); });
    y[i] = static_cast<T>(sum / static_cast<sum_of<T>>(g.taps()));
  }
};

/// The window in whose place `tap` a position is, or beyond all.
template <class Dimension>
TUTTI_HOST_DEVICE std::size_t window_of(std::size_t position, std::size_t tap, const Dimension& d) {
  const std::size_t from = position + d.pad_low;
  if (from < tap * d.dilation) return static_cast<std::size_t>(-1);
  const auto first = static_cast<std::uint32_t>(from - tap * d.dilation), stride = static_cast<std::uint32_t>(d.stride);  // 64 bits are divided slowly
  return first % stride == 0 ? first / stride : static_cast<std::size_t>(-1);
}

/// Each input asks the windows that it is in, so that nothing is added to by two.
template <class T>
struct pooled_gradient {
  pool_geometry g;
  const T* dy;
  const std::uint32_t* winner;  // of an average pool none
  T* dx;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    const position at(i, g.channels, g.depth, g.height, g.width);
    const std::size_t planes = g.out_depth(), rows = g.out_height(), columns = g.out_width();
    sum_of<T> sum{};
    for (std::size_t t = 0; t < g.through.size; ++t) {
      const std::size_t d = window_of(at.d, t, g.through);
      if (d >= planes) continue;
      for (std::size_t u = 0; u < g.down.size; ++u) {
        const std::size_t h = window_of(at.h, u, g.down);
        if (h >= rows) continue;
        for (std::size_t v = 0; v < g.across.size; ++v) {
          const std::size_t w = window_of(at.w, v, g.across);
          if (w >= columns) continue;
          const std::size_t out = (((at.n * planes + d) * rows + h) * columns + w) * g.channels + at.c;
          if (winner && winner[out] != (at.d * g.height + at.h) * g.width + at.w) continue;
          sum = sum + static_cast<sum_of<T>>(dy[out]);
        }
      }
    }
    dx[i] = static_cast<T>(winner ? sum : sum / static_cast<sum_of<T>>(g.taps()));
  }
};

}  // namespace detail

/// As `naive::max_pool` and back. `winner` (of the sizes of y) may be empty where there
/// is no backward.
template <class T, memory_space Space>
void max_pool(const pool_geometry& g, span<const T, Space> x, span<T, Space> y, span<std::uint32_t, Space> winner, const order_of<Space>& order) {
  detail::each<Space>(g.outputs(), detail::greatest<T>{g, x.data(), y.data(), winner.empty() ? nullptr : winner.data()}, order);
}
template <class T, memory_space Space>
void max_pool_backward(const pool_geometry& g, span<const T, Space> dy, span<const std::uint32_t, Space> winner, span<T, Space> dx,
                       const order_of<Space>& order) {
  detail::each<Space>(g.inputs(), detail::pooled_gradient<T>{g, dy.data(), winner.data(), dx.data()}, order);
}

/// As `naive::average_pool` and back.
template <class T, memory_space Space>
void average_pool(const pool_geometry& g, span<const T, Space> x, span<T, Space> y, const order_of<Space>& order) {
  detail::each<Space>(g.outputs(), detail::mean_of_window<T>{g, x.data(), y.data()}, order);
}
template <class T, memory_space Space>
void average_pool_backward(const pool_geometry& g, span<const T, Space> dy, span<T, Space> dx, const order_of<Space>& order) {
  detail::each<Space>(g.inputs(), detail::pooled_gradient<T>{g, dy.data(), nullptr, dx.data()}, order);
}

}  // namespace tutti::channels_last
