#pragma once
#include <cstddef>
#include <optional>
#include <type_traits>

#include <tutti/kernel/channels_last_tensor.hpp>

namespace tutti::channels_last {

/// As `onednn::layer_request`.
struct layer_request {
  picture_format x{};
  std::optional<picture_format> weights{};
  bool bias = true;
  bool relu = false;
  bool train = true;
  bool input_gradient = true;
};

/// A convolution or dense layer around a `Product` of T: bias and ReLU are added to what
/// that makes, and where T has 16 bits, weights, bias and their gradients are floats: the
/// product gets rounded weights, and its gradient of them is widened. Nothing is waited
/// for, and nothing taken after it was made.
template <class T, class Context, class Geometry, class Product>
class layer {
 public:
  using space = typename Context::space;
  using number = sum_of<T>;
  using values = tensor<T, space>;
  using parameter = tensor<number, space>;

  layer(Context& c, const Geometry& g, const layer_request& r)
      : c_(&c), bias_(r.bias), relu_(r.relu), weights_(weights_of(g)), y_(results_of(g)) {
    if (r.x.rows() || (r.weights && r.weights->rows()))
      throw error(errc::not_supported, "on devices layers take pictures and weights with their channels last");
    if (y_.stored() == 0) return;
    product_.emplace(c, g, r.train, r.input_gradient);
    if constexpr (mixed) {
      rounded_ = buffer<T, space>(weights_.stored());
      if (r.train) gradient_ = buffer<T, space>(weights_.stored());
    }
    if (r.train && bias_) parts_ = buffer<number, space>(splits_of(rows(), units()) * units());
  }

  const picture_format& weights() const { return weights_; }
  const picture_format& y() const { return y_; }

  void forward(const values& x, const parameter& w, const parameter& b, values& y) {
    if (!product_) return;
    if constexpr (mixed) round_to<T, number, space>(w.stored(), rounded_, c_->order());
    product_->forward(x.stored(), factor(w), y.stored());
    if (bias_ || relu_) add_bias<T, space>(y.stored(), bias_ ? b.stored() : span<const number, space>(), units(), relu_, c_->order());
  }

  /// After forward with the same weights: dx where the request wanted it; overwrites dy
  /// where a relu was fused.
  void backward_data(const parameter& w, const values& y, values& dy, values* dx) {
    if (!product_) {
      if (dx) fill<T, space>(dx->stored(), T{}, c_->order());
      return;
    }
    if (relu_) relu_backward<T, space>(y.stored(), dy.stored(), c_->order());
    if (dx) product_->data_gradient(factor(w), dy.stored(), dx->stored());
  }
  /// dw and db, after that.
  void backward_weights(const values& x, const values& dy, parameter& dw, parameter& db) {
    if (!product_) {
      fill<number, space>(dw.stored(), number{}, c_->order());
      if (bias_) fill<number, space>(db.stored(), number{}, c_->order());
      return;
    }
    if constexpr (mixed) {
      product_->weights_gradient(x.stored(), dy.stored(), gradient_);
      round_to<number, T, space>(span<const T, space>(gradient_), dw.stored(), c_->order());
    } else {
      product_->weights_gradient(x.stored(), dy.stored(), dw.stored());
    }
    if (bias_) column_sums<T, space>(dy.stored(), units(), parts_, db.stored(), c_->order());
  }

 private:
  static constexpr bool mixed = !std::is_same_v<T, number>;

  std::size_t units() const { return y_.sizes().channels; }
  std::size_t rows() const { return y_.stored() / units(); }
  span<const T, space> factor(const parameter& w) const {
    if constexpr (mixed) return span<const T, space>(rounded_);
    else return w.stored();
  }

  Context* c_;
  bool bias_, relu_;
  picture_format weights_, y_;
  std::optional<Product> product_{};
  buffer<T, space> rounded_{}, gradient_{};
  buffer<number, space> parts_{};
};

}  // namespace tutti::channels_last
