#pragma once
#include <tutti/base/span.hpp>

namespace tutti::naive {

/// y = max(x, 0), in place too.
template <class T>
void relu(span<const T> x, span<T> y) {
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = T{} < x[i] ? x[i] : T{};
}

/// dx = dy where the output was above 0, else 0, in place too. From the output
/// y and not from the input, so that the forward pass may have been in place.
template <class T>
void relu_backward(span<const T> y, span<const T> dy, span<T> dx) {
  for (std::size_t i = 0; i < y.size(); ++i) dx[i] = T{} < y[i] ? dy[i] : T{};
}

}  // namespace tutti::naive
