#pragma once
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <tutti/kernel/batch_norm.hpp>
#include <tutti/kernel/host_backend.hpp>
#include <tutti/kernel/naive.hpp>
#include <tutti/kernel/shape.hpp>

namespace tutti {

/// The arithmetic of a network by the naive kernels, in any element type. All
/// data is row-major.
template <class T>
struct naive_backend : host_backend<T> {
  using element = T;

  struct context {};

  /// Row-major data of a shape.
  class format {
   public:
    format() = default;
    static format row_major(const shape& s) { return format(s.elements()); }
    static format native(const shape& s) { return row_major(s); }
    format row_major() const { return *this; }
    std::size_t stored() const { return elements_; }
    std::uint64_t fingerprint() const { return elements_; }
    friend bool operator==(const format&, const format&) = default;

   private:
    explicit format(std::size_t elements) : elements_(elements) {}
    std::size_t elements_ = 0;
  };

  class tensor {
   public:
    tensor() = default;
    tensor(context&, const format& f) : own_(f.stored()), data_(own_.data()), size_(own_.size()) {}
    tensor(context&, const format& f, T* data) : data_(data), size_(f.stored()) {}
    tensor(tensor&&) = default;
    tensor& operator=(tensor&&) = default;

    span<T> stored() { return {data_, size_}; }
    span<const T> stored() const { return {data_, size_}; }

   private:
    std::vector<T> own_;
    T* data_ = nullptr;
    std::size_t size_ = 0;
  };

  using parameter = tensor;

  static void copy(context&, const tensor& from, tensor& into) {
    for (std::size_t i = 0; i < into.stored().size(); ++i) into.stored()[i] = from.stored()[i];
  }

  /// y = a + b, or max(a + b, 0), where a and b lie too.
  static void add(context&, const tensor& a, const tensor& b, tensor& y, bool relu = false) {
    for (std::size_t i = 0; i < y.stored().size(); ++i) {
      const T sum = static_cast<T>(a.stored()[i] + b.stored()[i]);
      y.stored()[i] = relu && !(T{} < sum) ? T{} : sum;
    }
  }

  /// As `onednn::layer_request`.
  struct layer_request {
    format x;
    std::optional<format> weights;
    bool bias = true;
    bool relu = false;
    bool train = true;
    bool input_gradient = true;
  };

  class convolution {
   public:
    convolution(context&, const convolution_geometry& g, const layer_request& r) : g_(g), bias_(r.bias), relu_(r.relu) {}
    const convolution_geometry& geometry() const { return g_; }
    format weights() const { return format::row_major({{"all", g_.weights()}}); }
    format y() const { return format::row_major({{"all", g_.outputs()}}); }

    void forward(const tensor& x, const tensor& w, const tensor& b, tensor& y) {
      naive::convolution<T>(g_, x.stored(), w.stored(), bias_ ? b.stored() : span<const T>(), y.stored());
      if (relu_) naive::relu<T>(y.stored(), y.stored());
    }
    void backward_data(const tensor& w, const tensor& y, tensor& dy, tensor* dx) {
      if (relu_) naive::relu_backward<T>(y.stored(), dy.stored(), dy.stored());
      if (dx) naive::convolution_backward_data<T>(g_, dy.stored(), w.stored(), dx->stored());
    }
    void backward_weights(const tensor& x, const tensor& dy, tensor& dw, tensor& db) {
      naive::convolution_backward_weights<T>(g_, x.stored(), dy.stored(), dw.stored());
      if (bias_) naive::convolution_backward_bias<T>(g_, dy.stored(), db.stored());
    }

   private:
    convolution_geometry g_;
    bool bias_, relu_;
  };

  /// Some of a convolution's outputs: the operands are those of the whole.
  class convolution_part {
   public:
    convolution_part(context& c, const convolution& whole, const layer_request& r, const partial_convolution& p)
        : whole_(whole.geometry()), boxes_(p), part_(c, p.part, r), x_(c, format::row_major({{"all", p.part.inputs()}})), y_(c, part_.y()) {}

    void forward(const tensor& x, const tensor& w, const tensor& b, tensor& y) {
      const convolution_geometry& g = whole_;
      naive::each_of_box(g.batch * g.channels, boxes_.reads, {{0, g.depth}, {0, g.height}, {0, g.width}},
                         [&](std::size_t in, std::size_t of) { x_.stored()[in] = x.stored()[of]; });
      part_.forward(x_, w, b, y_);
      naive::each_of_box(g.batch * g.filters, boxes_.makes, {{0, g.out_depth()}, {0, g.out_height()}, {0, g.out_width()}},
                         [&](std::size_t in, std::size_t of) { y.stored()[of] = y_.stored()[in]; });
    }

   private:
    convolution_geometry whole_;
    partial_convolution boxes_;
    convolution part_;
    tensor x_, y_;
  };

  class dense {
   public:
    dense(context&, const dense_geometry& g, const layer_request& r) : g_(g), relu_(r.relu) {}
    format weights() const { return format::row_major({{"all", g_.weights()}}); }
    format y() const { return format::row_major({{"all", g_.outputs()}}); }

    void forward(const tensor& x, const tensor& w, const tensor& b, tensor& y) {
      naive::dense<T>(g_, x.stored(), w.stored(), b.stored(), y.stored());
      if (relu_) naive::relu<T>(y.stored(), y.stored());
    }
    void backward_data(const tensor& w, const tensor& y, tensor& dy, tensor* dx) {
      if (relu_) naive::relu_backward<T>(y.stored(), dy.stored(), dy.stored());
      if (dx) naive::dense_backward_data<T>(g_, dy.stored(), w.stored(), dx->stored());
    }
    void backward_weights(const tensor& x, const tensor& dy, tensor& dw, tensor& db) {
      naive::dense_backward_weights<T>(g_, x.stored(), dy.stored(), dw.stored());
      naive::dense_backward_bias<T>(g_, dy.stored(), db.stored());
    }

   private:
    dense_geometry g_;
    bool relu_;
  };

  class max_pool {
   public:
    max_pool(context&, const pool_geometry& g, const format&, bool) : g_(g), argmax_(g.outputs()) {}
    format y() const { return format::row_major({{"all", g_.outputs()}}); }
    void forward(const tensor& x, tensor& y) { naive::max_pool<T>(g_, x.stored(), y.stored(), argmax_); }
    void backward(const tensor& dy, tensor& dx) { naive::max_pool_backward<T>(g_, dy.stored(), argmax_, dx.stored()); }

   private:
    pool_geometry g_;
    std::vector<std::size_t> argmax_;
  };

  class average_pool {
   public:
    average_pool(context&, const pool_geometry& g, const format&, bool) : g_(g) {}
    format y() const { return format::row_major({{"all", g_.outputs()}}); }
    void forward(const tensor& x, tensor& y) { naive::average_pool<T>(g_, x.stored(), y.stored()); }
    void backward(const tensor& dy, tensor& dx) { naive::average_pool_backward<T>(g_, dy.stored(), dx.stored()); }

   private:
    pool_geometry g_;
  };

  /// y lies in the format of x.
  struct batch_norm : batch_normalisation<T> {
    batch_norm(context&, const norm_geometry& g, const format&, bool relu, double epsilon)
        : batch_normalisation<T>({.batch = g.batch, .channels = g.channels, .places = g.places}, relu, epsilon) {}
  };

  /// In place.
  class relu {
   public:
    relu(context&, const format&) {}
    void forward(tensor& y) { naive::relu<T>(y.stored(), y.stored()); }
    void backward(const tensor& y, tensor& dy) { naive::relu_backward<T>(y.stored(), dy.stored(), dy.stored()); }
  };
};

}  // namespace tutti
