#pragma once
#include <tutti/base/span.hpp>
#include <tutti/kernel/naive_window.hpp>

namespace tutti::naive {

/// y = the greatest input in each window, argmax = its place in its channel, the
/// first where several are greatest. Padding never wins; a window that sees
/// padding only is the caller's mistake, and gives T{} and `window::outside`.
template <class T>
void max_pool(const pool_geometry& g, span<const T> x, span<T> y, span<std::size_t> argmax) {
  for (std::size_t out = 0; out < g.out_places(); ++out) {
    const std::vector<window_read> reads = reads_of(g, out);
    for (std::size_t channel = 0; channel < g.batch * g.channels; ++channel) {
      const std::size_t first = channel * g.places(), at = channel * g.out_places() + out;  // (N, C, D', H', W')
      std::size_t best = window::outside;
      for (const window_read& r : reads)
        if (best == window::outside || x[first + best] < x[first + r.place]) best = r.place;
      y[at] = best == window::outside ? T{} : x[first + best];
      argmax[at] = best;
    }
  }
}

/// dx: every output's gradient goes to the input that won.
template <class T>
void max_pool_backward(const pool_geometry& g, span<const T> dy, span<const std::size_t> argmax, span<T> dx) {
  for (T& value : dx) value = T{};
  for (std::size_t channel = 0; channel < g.batch * g.channels; ++channel)
    for (std::size_t out = channel * g.out_places(); out < (channel + 1) * g.out_places(); ++out) {
      if (argmax[out] == window::outside) continue;
      T& winner = dx[channel * g.places() + argmax[out]];  // (N, C, D, H, W)
      winner = static_cast<T>(winner + dy[out]);
    }
}

/// y = the sum of each window's inputs over the number of places in a window,
/// padding counting as zeros.
template <class T>
void average_pool(const pool_geometry& g, span<const T> x, span<T> y) {
  for (std::size_t out = 0; out < g.out_places(); ++out) {
    const std::vector<window_read> reads = reads_of(g, out);
    for (std::size_t channel = 0; channel < g.batch * g.channels; ++channel) {
      T sum{};
      for (const window_read& r : reads) sum = static_cast<T>(sum + x[channel * g.places() + r.place]);
      y[channel * g.out_places() + out] = static_cast<T>(sum / static_cast<T>(g.taps()));  // (N, C, D', H', W')
    }
  }
}

/// dx: every input gets its part of the gradients of the windows that it is in.
template <class T>
void average_pool_backward(const pool_geometry& g, span<const T> dy, span<T> dx) {
  for (T& value : dx) value = T{};
  for (std::size_t out = 0; out < g.out_places(); ++out) {
    const std::vector<window_read> reads = reads_of(g, out);
    for (std::size_t channel = 0; channel < g.batch * g.channels; ++channel) {
      const T given = static_cast<T>(dy[channel * g.out_places() + out] / static_cast<T>(g.taps()));
      for (const window_read& r : reads) {
        T& taker = dx[channel * g.places() + r.place];  // (N, C, D, H, W)
        taker = static_cast<T>(taker + given);
      }
    }
  }
}

}  // namespace tutti::naive
