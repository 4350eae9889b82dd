#pragma once
#include <tutti/base/span.hpp>
#include <tutti/kernel/geometry.hpp>

namespace tutti::naive {

/// y = the greatest input in each window, argmax = its place in its plane, the
/// first where several are greatest. Padding never wins; a window that sees
/// padding only is the caller's mistake, and gives T{} and `window::outside`.
template <class T>
void max_pool(const pool_geometry& g, span<const T> x, span<T> y, span<std::size_t> argmax) {
  const std::size_t rows = g.out_height(), columns = g.out_width(), places = g.height * g.width;
  for (std::size_t plane = 0; plane < g.batch * g.channels; ++plane)
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns; ++j) {
        std::size_t best = window::outside;
        for (std::size_t u = 0; u < g.down.size; ++u)
          for (std::size_t v = 0; v < g.across.size; ++v) {
            std::size_t row = g.down.source(i, u, g.height), column = g.across.source(j, v, g.width);
            if (row == window::outside || column == window::outside) continue;
            std::size_t place = row * g.width + column;
            if (best == window::outside || x[plane * places + best] < x[plane * places + place]) best = place;
          }
        std::size_t out = (plane * rows + i) * columns + j;  // (N, C, H', W')
        y[out] = best == window::outside ? T{} : x[plane * places + best];
        argmax[out] = best;
      }
}

/// dx: every output's gradient goes to the input that won.
template <class T>
void max_pool_backward(const pool_geometry& g, span<const T> dy, span<const std::size_t> argmax, span<T> dx) {
  const std::size_t outputs = g.out_height() * g.out_width(), places = g.height * g.width;
  for (T& value : dx) value = T{};
  for (std::size_t plane = 0; plane < g.batch * g.channels; ++plane)
    for (std::size_t out = plane * outputs; out < (plane + 1) * outputs; ++out) {
      if (argmax[out] == window::outside) continue;
      T& winner = dx[plane * places + argmax[out]];  // (N, C, H, W)
      winner = static_cast<T>(winner + dy[out]);
    }
}

/// y = the sum of each window's inputs over the number of places in a window,
/// padding counting as zeros.
template <class T>
void average_pool(const pool_geometry& g, span<const T> x, span<T> y) {
  const std::size_t rows = g.out_height(), columns = g.out_width(), places = g.height * g.width;
  for (std::size_t plane = 0; plane < g.batch * g.channels; ++plane)
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns; ++j) {
        T sum{};
        for (std::size_t u = 0; u < g.down.size; ++u)
          for (std::size_t v = 0; v < g.across.size; ++v) {
            std::size_t row = g.down.source(i, u, g.height), column = g.across.source(j, v, g.width);
            if (row == window::outside || column == window::outside) continue;
            sum = static_cast<T>(sum + x[plane * places + row * g.width + column]);
          }
        y[(plane * rows + i) * columns + j] = static_cast<T>(sum / static_cast<T>(g.down.size * g.across.size));  // (N, C, H', W')
      }
}

/// dx: every input gets its part of the gradients of the windows that it is in.
template <class T>
void average_pool_backward(const pool_geometry& g, span<const T> dy, span<T> dx) {
  const std::size_t rows = g.out_height(), columns = g.out_width(), places = g.height * g.width;
  for (T& value : dx) value = T{};
  for (std::size_t plane = 0; plane < g.batch * g.channels; ++plane)
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns; ++j) {
        const T given = static_cast<T>(dy[(plane * rows + i) * columns + j] / static_cast<T>(g.down.size * g.across.size));
        for (std::size_t u = 0; u < g.down.size; ++u)
          for (std::size_t v = 0; v < g.across.size; ++v) {
            std::size_t row = g.down.source(i, u, g.height), column = g.across.source(j, v, g.width);
            if (row == window::outside || column == window::outside) continue;
            T& taker = dx[plane * places + row * g.width + column];  // (N, C, H, W)
            taker = static_cast<T>(taker + given);
          }
      }
}

}  // namespace tutti::naive
