#pragma once
#include <tutti/base/span.hpp>
#include <tutti/kernel/naive_window.hpp>

// Convolution as its definition says, for any element type with + and ·: what
// faster kernels are tested against. A row-major place is spelled out in every
// line; the compiler moves it out of the loops.

namespace tutti::naive {

/// y = x ⋆ weights + bias, summed in T, channel by channel; an empty bias is none.
template <class T>
void convolution(const convolution_geometry& g, span<const T> x, span<const T> weights, span<const T> bias, span<T> y) {
  const std::size_t group = g.group_channels();
  for (std::size_t out = 0; out < g.out_places(); ++out) {
    const std::vector<window_read> reads = reads_of(g, out);
    for (std::size_t n = 0; n < g.batch; ++n)
      for (std::size_t f = 0; f < g.filters; ++f) {
        const std::size_t first = n * g.channels + f / g.group_filters() * group;
        T sum = bias.empty() ? T{} : bias[f];
        for (std::size_t c = 0; c < group; ++c)
          for (const window_read& r : reads)
            sum = static_cast<T>(sum + x[(first + c) * g.places() + r.place] * weights[(f * group + c) * g.taps() + r.tap]);
        y[(n * g.filters + f) * g.out_places() + out] = sum;  // (N, F, D', H', W')
      }
  }
}

/// dx, the gradient of the input: every output gives back to what it has read.
template <class T>
void convolution_backward_data(const convolution_geometry& g, span<const T> dy, span<const T> weights, span<T> dx) {
  const std::size_t group = g.group_channels();
  for (T& value : dx) value = T{};
  for (std::size_t out = 0; out < g.out_places(); ++out) {
    const std::vector<window_read> reads = reads_of(g, out);
    for (std::size_t n = 0; n < g.batch; ++n)
      for (std::size_t f = 0; f < g.filters; ++f) {
        const std::size_t first = n * g.channels + f / g.group_filters() * group;
        const T given = dy[(n * g.filters + f) * g.out_places() + out];
        for (std::size_t c = 0; c < group; ++c)
          for (const window_read& r : reads) {
            T& taker = dx[(first + c) * g.places() + r.place];  // (N, C, D, H, W)
            taker = static_cast<T>(taker + given * weights[(f * group + c) * g.taps() + r.tap]);
          }
      }
  }
}

/// dweights, the gradient of the weights, summed over the picture and the batch.
template <class T>
void convolution_backward_weights(const convolution_geometry& g, span<const T> x, span<const T> dy, span<T> dweights) {
  const std::size_t group = g.group_channels();
  for (T& value : dweights) value = T{};
  for (std::size_t out = 0; out < g.out_places(); ++out) {
    const std::vector<window_read> reads = reads_of(g, out);
    for (std::size_t n = 0; n < g.batch; ++n)
      for (std::size_t f = 0; f < g.filters; ++f) {
        const std::size_t first = n * g.channels + f / g.group_filters() * group;
        const T given = dy[(n * g.filters + f) * g.out_places() + out];
        for (std::size_t c = 0; c < group; ++c)
          for (const window_read& r : reads) {
            T& sum = dweights[(f * group + c) * g.taps() + r.tap];  // (F, C, K, K, K)
            sum = static_cast<T>(sum + x[(first + c) * g.places() + r.place] * given);
          }
      }
  }
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
