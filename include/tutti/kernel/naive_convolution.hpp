#pragma once
#include <tutti/base/span.hpp>
#include <tutti/kernel/naive_window.hpp>

// Convolution as its definition says, for any element type with + and ·: what
// faster kernels are tested against. A row-major place is spelled out in every
// line; the compiler moves it out of the loops.

namespace tutti::naive {

namespace detail {

/// `visit(x, weights, y)` for every product of the definition, by their places in memory:
/// those of one y follow one another.
template <class Visit>
void each_product(const convolution_geometry& g, Visit visit) {
  const std::size_t group = g.group_channels();
  for (std::size_t out = 0; out < g.out_places(); ++out) {
    const std::vector<window_read> reads = reads_of(g, out);
    for (std::size_t n = 0; n < g.batch; ++n)
      for (std::size_t f = 0; f < g.filters; ++f) {
        const std::size_t first = n * g.channels + f / g.group_filters() * group;
        for (std::size_t c = 0; c < group; ++c)
          for (const window_read& r : reads)
            visit((first + c) * g.places() + r.place,           // (N, C, D, H, W)
                  (f * group + c) * g.taps() + r.tap,              // (F, C, K, K, K)
                  (n * g.filters + f) * g.out_places() + out);  // (N, F, D', H', W')
      }
  }
}

}  // namespace detail

/// y = x ⋆ weights + bias, summed in T, channel by channel; an empty bias is none.
template <class T>
void convolution(const convolution_geometry& g, span<const T> x, span<const T> weights, span<const T> bias, span<T> y) {
  for (std::size_t i = 0; i < g.outputs(); ++i) y[i] = bias.empty() ? T{} : bias[i / g.out_places() % g.filters];
  detail::each_product(g, [&](std::size_t from, std::size_t w, std::size_t into) { y[into] = static_cast<T>(y[into] + x[from] * weights[w]); });
}

/// dx, the gradient of the input: every output gives back to what it has read.
template <class T>
void convolution_backward_data(const convolution_geometry& g, span<const T> dy, span<const T> weights, span<T> dx) {
  for (T& value : dx) value = T{};
  detail::each_product(g, [&](std::size_t into, std::size_t w, std::size_t from) { dx[into] = static_cast<T>(dx[into] + dy[from] * weights[w]); });
}

/// dweights, the gradient of the weights, summed over the picture and the batch.
template <class T>
void convolution_backward_weights(const convolution_geometry& g, span<const T> x, span<const T> dy, span<T> dweights) {
  for (T& value : dweights) value = T{};
  detail::each_product(g, [&](std::size_t from, std::size_t into, std::size_t of) { dweights[into] = static_cast<T>(dweights[into] + x[from] * dy[of]); });
}

/// dbias, the gradient of the bias, summed over the batch and the picture.
template <class T>
void convolution_backward_bias(const convolution_geometry& g, span<const T> dy, span<T> dbias) {
  for (std::size_t f = 0; f < g.filters; ++f) {
    T sum{};
    for (std::size_t n = 0; n < g.batch; ++n)
      for (std::size_t p = 0; p < g.out_places(); ++p) sum = static_cast<T>(sum + dy[(n * g.filters + f) * g.out_places() + p]);
    dbias[f] = sum;  // (F)
  }
}

}  // namespace tutti::naive
