#pragma once
#include <tutti/base/span.hpp>
#include <tutti/kernel/geometry.hpp>

namespace tutti::naive {

/// y = x · weightsᵀ + bias.
template <class T>
void dense(const dense_geometry& g, span<const T> x, span<const T> weights, span<const T> bias, span<T> y) {
  const std::size_t features = g.features();
  for (std::size_t n = 0; n < g.batch; ++n)
    for (std::size_t u = 0; u < g.units; ++u) {
      T sum = bias[u];
      for (std::size_t k = 0; k < features; ++k)
        sum = static_cast<T>(sum + x[n * features + k] * weights[u * features + k]);
      y[n * g.units + u] = sum;  // (N, U)
    }
}

/// dx = dy · weights.
template <class T>
void dense_backward_data(const dense_geometry& g, span<const T> dy, span<const T> weights, span<T> dx) {
  const std::size_t features = g.features();
  for (std::size_t n = 0; n < g.batch; ++n)
    for (std::size_t k = 0; k < features; ++k) {
      T sum{};
      for (std::size_t u = 0; u < g.units; ++u)
        sum = static_cast<T>(sum + dy[n * g.units + u] * weights[u * features + k]);
      dx[n * features + k] = sum;  // (N, K)
    }
}

/// dweights = dyᵀ · x.
template <class T>
void dense_backward_weights(const dense_geometry& g, span<const T> x, span<const T> dy, span<T> dweights) {
  const std::size_t features = g.features();
  for (std::size_t u = 0; u < g.units; ++u)
    for (std::size_t k = 0; k < features; ++k) {
      T sum{};
      for (std::size_t n = 0; n < g.batch; ++n) sum = static_cast<T>(sum + dy[n * g.units + u] * x[n * features + k]);
      dweights[u * features + k] = sum;  // (U, K)
    }
}

/// dbias = dy, summed over the batch.
template <class T>
void dense_backward_bias(const dense_geometry& g, span<const T> dy, span<T> dbias) {
  for (std::size_t u = 0; u < g.units; ++u) {
    T sum{};
    for (std::size_t n = 0; n < g.batch; ++n) sum = static_cast<T>(sum + dy[n * g.units + u]);
    dbias[u] = sum;  // (U)
  }
}

}  // namespace tutti::naive
