#pragma once
#include <cstddef>

#include <tutti/base/span.hpp>

namespace tutti {

/// y = a + b, or max(a + b, 0), for data of one format, whichever; in place too.
template <class T>
void add(span<const T> a, span<const T> b, span<T> y, bool relu = false) {
  if (relu)
    for (std::size_t i = 0; i < y.size(); ++i) {
      const T sum = static_cast<T>(a[i] + b[i]);
      y[i] = T{} < sum ? sum : T{};
    }
  else
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<T>(a[i] + b[i]);
}

}  // namespace tutti
