#pragma once
#include <tutti/base/span.hpp>
#include <tutti/kernel/geometry.hpp>

// Convolution as its definition says, for any element type with + and ·: what
// faster kernels are tested against. A picture's row-major place is spelled out
// in every line; the compiler moves it out of the loops.

namespace tutti::naive {

/// y = x ⋆ weights + bias, summed in T, channel by channel; an empty bias is none.
template <class T>
void convolution(const convolution_geometry& g, span<const T> x, span<const T> weights, span<const T> bias, span<T> y) {
  const std::size_t rows = g.out_height(), columns = g.out_width(), group = g.group_channels();
  for (std::size_t n = 0; n < g.batch; ++n)
    for (std::size_t f = 0; f < g.filters; ++f)
      for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < columns; ++j) {
          const std::size_t first = f / g.group_filters() * group;
          T sum = bias.empty() ? T{} : bias[f];
          for (std::size_t c = 0; c < group; ++c)
            for (std::size_t u = 0; u < g.down.size; ++u)
              for (std::size_t v = 0; v < g.across.size; ++v) {
                std::size_t row = g.down.source(i, u, g.height), column = g.across.source(j, v, g.width);
                if (row == window::outside || column == window::outside) continue;
                sum = static_cast<T>(sum + x[((n * g.channels + first + c) * g.height + row) * g.width + column] *
                                               weights[((f * group + c) * g.down.size + u) * g.across.size + v]);
              }
          y[((n * g.filters + f) * rows + i) * columns + j] = sum;  // (N, F, H', W')
        }
}

/// dx, the gradient of the input: every output gives back to what it has read.
template <class T>
void convolution_backward_data(const convolution_geometry& g, span<const T> dy, span<const T> weights, span<T> dx) {
  const std::size_t rows = g.out_height(), columns = g.out_width(), group = g.group_channels();
  for (T& value : dx) value = T{};
  for (std::size_t n = 0; n < g.batch; ++n)
    for (std::size_t f = 0; f < g.filters; ++f)
      for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < columns; ++j) {
          const std::size_t first = f / g.group_filters() * group;
          const T given = dy[((n * g.filters + f) * rows + i) * columns + j];
          for (std::size_t c = 0; c < group; ++c)
            for (std::size_t u = 0; u < g.down.size; ++u)
              for (std::size_t v = 0; v < g.across.size; ++v) {
                std::size_t row = g.down.source(i, u, g.height), column = g.across.source(j, v, g.width);
                if (row == window::outside || column == window::outside) continue;
                T& taker = dx[((n * g.channels + first + c) * g.height + row) * g.width + column];  // (N, C, H, W)
                taker = static_cast<T>(taker +
                                       given * weights[((f * group + c) * g.down.size + u) * g.across.size + v]);
              }
        }
}

/// dweights, the gradient of the weights, summed over the batch and the picture.
template <class T>
void convolution_backward_weights(const convolution_geometry& g, span<const T> x, span<const T> dy, span<T> dweights) {
  const std::size_t rows = g.out_height(), columns = g.out_width(), group = g.group_channels();
  for (std::size_t f = 0; f < g.filters; ++f)
    for (std::size_t c = 0; c < group; ++c)
      for (std::size_t u = 0; u < g.down.size; ++u)
        for (std::size_t v = 0; v < g.across.size; ++v) {
          const std::size_t first = f / g.group_filters() * group;
          T sum{};
          for (std::size_t n = 0; n < g.batch; ++n)
            for (std::size_t i = 0; i < rows; ++i)
              for (std::size_t j = 0; j < columns; ++j) {
                std::size_t row = g.down.source(i, u, g.height), column = g.across.source(j, v, g.width);
                if (row == window::outside || column == window::outside) continue;
                sum = static_cast<T>(sum + x[((n * g.channels + first + c) * g.height + row) * g.width + column] *
                                               dy[((n * g.filters + f) * rows + i) * columns + j]);
              }
          dweights[((f * group + c) * g.down.size + u) * g.across.size + v] = sum;  // (F, C, K, K)
        }
}

/// dbias, the gradient of the bias, summed over the batch and the picture.
template <class T>
void convolution_backward_bias(const convolution_geometry& g, span<const T> dy, span<T> dbias) {
  const std::size_t places = g.out_height() * g.out_width();
  for (std::size_t f = 0; f < g.filters; ++f) {
    T sum{};
    for (std::size_t n = 0; n < g.batch; ++n)
      for (std::size_t p = 0; p < places; ++p) sum = static_cast<T>(sum + dy[(n * g.filters + f) * places + p]);
    dbias[f] = sum;  // (F)
  }
}

}  // namespace tutti::naive
