#pragma once
#include <cstddef>

namespace tutti {

/// c += a · b for row-major matrices of any type: a (rows, depth), b (depth, columns),
/// c (rows, columns). A block of b stays in cache while all rows of a pass by, and
/// four of its rows are added to one of c at a time.
struct blocked_matmul {
  template <class T>
  void operator()(std::size_t rows, std::size_t columns, std::size_t depth, const T* a, const T* b, T* c) const {
    constexpr std::size_t deep = 64, wide = 512, together = 4;
    for (std::size_t k0 = 0; k0 < depth; k0 += deep)
      for (std::size_t n0 = 0; n0 < columns; n0 += wide) {
        const std::size_t k1 = k0 + deep < depth ? k0 + deep : depth, n = n0 + wide < columns ? wide : columns - n0;
        for (std::size_t m = 0; m < rows; ++m) {
          T* out = c + m * columns + n0;
          std::size_t k = k0;
          for (; k + together <= k1; k += together) {
            const T *x = a + m * depth + k, *w0 = b + k * columns + n0, *w1 = w0 + columns, *w2 = w1 + columns, *w3 = w2 + columns;
            for (std::size_t j = 0; j < n; ++j)
              out[j] = static_cast<T>(out[j] + x[0] * w0[j] + x[1] * w1[j] + x[2] * w2[j] + x[3] * w3[j]);
          }
          for (; k < k1; ++k)
            for (std::size_t j = 0; j < n; ++j)
              out[j] = static_cast<T>(out[j] + a[m * depth + k] * b[k * columns + n0 + j]);
        }
      }
  }
};

}  // namespace tutti
