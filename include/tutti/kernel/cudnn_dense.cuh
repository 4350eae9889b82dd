#pragma once
#include <cstddef>

#include <tutti/kernel/cudnn_context.cuh>
#include <tutti/kernel/picture_format.hpp>

namespace tutti::cudnn {

/// The products of a dense layer by cuBLAS.
template <class T>
class dense {
 public:
  dense(context& c, const dense_geometry& g, bool, bool) : c_(&c), g_(g) {}

  void forward(span<const T, cuda> x, span<const T, cuda> w, span<T, cuda> y) {
    const device_range shown("dense");
    multiply(CUBLAS_OP_T, CUBLAS_OP_N, g_.units, g_.batch, g_.features(), w.data(), g_.features(), x.data(), g_.features(), y);
  }
  void weights_gradient(span<const T, cuda> x, span<const T, cuda> dy, span<T, cuda> dw) {
    const device_range shown("dense, gradient of weights");
    multiply(CUBLAS_OP_N, CUBLAS_OP_T, g_.features(), g_.units, g_.batch, x.data(), g_.features(), dy.data(), g_.units, dw);
  }
  void data_gradient(span<const T, cuda> w, span<const T, cuda> dy, span<T, cuda> dx) {
    const device_range shown("dense, gradient of features");
    multiply(CUBLAS_OP_N, CUBLAS_OP_N, g_.features(), g_.batch, g_.units, w.data(), g_.features(), dy.data(), g_.units, dx);
  }

 private:
  // By columns, as cuBLAS has it: into (m, n) = a (m, k) · b (k, n).
  void multiply(cublasOperation_t how_a, cublasOperation_t how_b, std::size_t m, std::size_t n, std::size_t k, const T* a, std::size_t lda, const T* b,
                std::size_t ldb, span<T, cuda> into) {
    if (m == 0 || n == 0) return;
    if (k == 0) return channels_last::fill<T, cuda>(into, T{}, c_->order());
    const float one = 1, none = 0;
    detail::check(::cublasGemmEx(c_->blas(), how_a, how_b, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), &one, a, cublas_type<T>,
                                 static_cast<int>(lda), b, cublas_type<T>, static_cast<int>(ldb), &none, into.data(), cublas_type<T>, static_cast<int>(m),
                                 CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT), "a product");
  }

  context* c_;
  dense_geometry g_;
};

}  // namespace tutti::cudnn
