#pragma once
#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include <tutti/kernel/channels_last_batch_norm.hpp>
#include <tutti/kernel/channels_last_pool.hpp>
#include <tutti/kernel/cudnn_convolution.cuh>

namespace tutti {

/// The arithmetic of a network on a CUDA device, in float, half or bfloat16, by cuDNN
/// (convolutions), cuBLAS (dense layers) and kernels of our own: the names of
/// `naive_backend`. Work is done in the order of the context's stream, and no call
/// waits for it. What normalises 16-bit data has parameters in float.
template <class T>
struct cudnn_backend {
  using element = T;
  using space = cuda;
  using context = cudnn::context;
  using format = cudnn::picture_format;
  using tensor = cudnn::tensor<T>;
  using number = channels_last::sum_of<T>;
  using numbers = span<number, cuda>;
  using convolution = cudnn::convolution<T>;

  static void copy(context& c, const tensor& from, tensor& into) { cudnn::copy(c, from, into); }

  /// y = a + b, or max(a + b, 0) where `relu`; a and b may lie where y does; all in one format.
  static void add(context& c, const tensor& a, const tensor& b, tensor& y, bool relu = false) {
    channels_last::add<T, cuda>(a.stored(), b.stored(), y.stored(), relu, c.order());
  }

  /// As `onednn::layer_request`.
  using layer_request = cudnn::layer_request;

  class dense {
   public:
    dense(context& c, const dense_geometry& g, const layer_request& r)
        : c_(&c), g_(g), relu_(r.relu), weights_({g.units, g.channels, g.height, g.width}), y_({.batch = g.batch, .channels = g.units}),
          parts_(channels_last::splits_of(g.batch, g.units) * g.units) {
      cudnn::detail::need_flat(g.depth);
    }
    const format& weights() const { return weights_; }
    const format& y() const { return y_; }

    void forward(const tensor& x, const tensor& w, const tensor& b, tensor& y) {
      const cudnn::detail::range shown("dense");
      multiply(CUBLAS_OP_T, CUBLAS_OP_N, g_.units, g_.batch, g_.features(), w.stored().data(), g_.features(), x.stored().data(), g_.features(), y);
      channels_last::add_bias<T, cuda>(y.stored(), b.stored(), g_.units, relu_, c_->order());
    }
    void backward_data(const tensor& w, const tensor& y, tensor& dy, tensor* dx) {
      const cudnn::detail::range shown("dense, backward");
      if (relu_) channels_last::relu_backward<T, cuda>(y.stored(), dy.stored(), c_->order());
      if (dx) multiply(CUBLAS_OP_N, CUBLAS_OP_N, g_.features(), g_.batch, g_.units, w.stored().data(), g_.features(), dy.stored().data(), g_.units, *dx);
    }
    void backward_weights(const tensor& x, const tensor& dy, tensor& dw, tensor& db) {
      const cudnn::detail::range shown("dense, backward to weights");
      multiply(CUBLAS_OP_N, CUBLAS_OP_T, g_.features(), g_.units, g_.batch, x.stored().data(), g_.features(), dy.stored().data(), g_.units, dw);
      channels_last::column_sums<T, cuda>(dy.stored(), g_.units, parts_, db.stored(), c_->order());
    }

   private:
    // By columns, as cuBLAS has it: into (m, n) = a (m, k) · b (k, n).
    void multiply(cublasOperation_t how_a, cublasOperation_t how_b, std::size_t m, std::size_t n, std::size_t k, const T* a, std::size_t lda, const T* b,
                  std::size_t ldb, tensor& into) {
      if (m == 0 || n == 0) return;
      if (k == 0) return channels_last::fill<T, cuda>(into.stored(), T{}, c_->order());
      const float one = 1, none = 0;
      cudnn::detail::check(::cublasGemmEx(c_->blas(), how_a, how_b, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), &one, a, cudnn::cublas_type<T>,
                                          static_cast<int>(lda), b, cudnn::cublas_type<T>, static_cast<int>(ldb), &none, into.stored().data(),
                                          cudnn::cublas_type<T>, static_cast<int>(m), CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT), "a product");
    }

    context* c_;
    dense_geometry g_;
    bool relu_;
    format weights_, y_;
    buffer<number, cuda> parts_;
  };

  class max_pool {
   public:
    max_pool(context& c, const pool_geometry& g, const format&, bool train) : c_(&c), g_(g), winner_(train ? g.outputs() : 0) { cudnn::detail::need_flat(g.depth); }
    format y() const { return format({g_.batch, g_.channels, g_.out_height(), g_.out_width()}); }
    void forward(const tensor& x, tensor& y) { channels_last::max_pool<T, cuda>(g_, x.stored(), y.stored(), winner_, c_->order()); }
    void backward(const tensor& dy, tensor& dx) { channels_last::max_pool_backward<T, cuda>(g_, dy.stored(), winner_, dx.stored(), c_->order()); }

   private:
    context* c_;
    pool_geometry g_;
    buffer<std::uint32_t, cuda> winner_;
  };

  class average_pool {
   public:
    average_pool(context& c, const pool_geometry& g, const format&, bool) : c_(&c), g_(g) { cudnn::detail::need_flat(g.depth); }
    format y() const { return format({g_.batch, g_.channels, g_.out_height(), g_.out_width()}); }
    void forward(const tensor& x, tensor& y) { channels_last::average_pool<T, cuda>(g_, x.stored(), y.stored(), c_->order()); }
    void backward(const tensor& dy, tensor& dx) { channels_last::average_pool_backward<T, cuda>(g_, dy.stored(), dx.stored(), c_->order()); }

   private:
    context* c_;
    pool_geometry g_;
  };

  /// y lies in the format of x. Sums lie on the device, where they are added up.
  class batch_norm : public channels_last::batch_norm<T, cuda> {
   public:
    batch_norm(context&, const norm_geometry& g, const format&, bool relu, double epsilon) : channels_last::batch_norm<T, cuda>(g, relu, epsilon) {}
  };

  /// In place.
  class relu {
   public:
    relu(context& c, const format&) : c_(&c) {}
    void forward(tensor& y) { channels_last::add_bias<T, cuda>(y.stored(), {}, 1, true, c_->order()); }
    void backward(const tensor& y, tensor& dy) { channels_last::relu_backward<T, cuda>(y.stored(), dy.stored(), c_->order()); }

   private:
    context* c_;
  };
};

}  // namespace tutti
