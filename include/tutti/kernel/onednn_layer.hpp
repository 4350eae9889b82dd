#pragma once
#include <optional>
#include <unordered_map>

#include <tutti/kernel/onednn_context.hpp>
#include <tutti/kernel/onednn_relu.hpp>

namespace tutti::onednn {

/// How a layer with weights is wanted.
struct layer_request {
  memory_format x;                       ///< what the layer before gives
  std::optional<memory_format> weights;  ///< the parameter's format; chosen by the layer where it has none yet
  std::optional<memory_format> y = {};   ///< and the result's, likewise; where it is given there is no backward
  bool bias = true;                      ///< where there is none, none is read and none gets a gradient
  bool relu = false;                     ///< y = max(·, 0) in the same pass
  bool train = true;                     ///< backward will be called
  bool input_gradient = true;            ///< and dx is wanted
};

/// What convolution and dense have in common: y from x, weights and bias, and
/// three gradients, by three primitives made once for one shape. Parameters and
/// their gradients stay in the format that the forward primitive likes best. Of
/// the others, a convolution's input gradient mostly wants its weights in
/// another order: a copy of the weights in each step, which is what remains.
template <class Forward, class DataGradient, class WeightsGradient>
class layer_with_weights {
 public:
  /// The format of the weights, and of their gradient.
  const memory_format& weights() const { return weights_; }
  /// The format of the output, and of its gradient.
  const memory_format& y() const { return y_; }

  void forward(const tensor& x, const tensor& w, const tensor& b, tensor& y) {
    std::unordered_map<int, dnnl::memory> arguments{{DNNL_ARG_SRC, forward_x_.in(*c_, x)},
                                                    {DNNL_ARG_WEIGHTS, forward_w_.in(*c_, w)},
                                                    {DNNL_ARG_DST, forward_y_.out(y)}};
    if (bias_) arguments.emplace(DNNL_ARG_BIAS, b.memory());
    forward_.execute(c_->stream(), arguments);
    forward_y_.done(*c_, y);
    c_->stream().wait();
  }

  /// dx where the request wanted it; overwrites dy where a relu was fused.
  void backward_data(const tensor& w, const tensor& y, tensor& dy, tensor* dx) {
    if (relu_) mask_(*c_, y, dy);
    if (dx) {
      data_.execute(c_->stream(), {{DNNL_ARG_DIFF_DST, data_y_.in(*c_, dy)},
                                   {DNNL_ARG_WEIGHTS, data_w_.in(*c_, w)},
                                   {DNNL_ARG_DIFF_SRC, data_x_.out(*dx)}});
      data_x_.done(*c_, *dx);
    }
    c_->stream().wait();
  }
  /// dw and db, after that.
  void backward_weights(const tensor& x, const tensor& dy, tensor& dw, tensor& db) {
    std::unordered_map<int, dnnl::memory> arguments{{DNNL_ARG_DIFF_DST, gradient_y_.in(*c_, dy)},
                                                    {DNNL_ARG_SRC, gradient_x_.in(*c_, x)},
                                                    {DNNL_ARG_DIFF_WEIGHTS, gradient_w_.out(dw)}};
    if (bias_) arguments.emplace(DNNL_ARG_DIFF_BIAS, db.memory());
    gradient_.execute(c_->stream(), arguments);
    gradient_w_.done(*c_, dw);
    c_->stream().wait();
  }

 protected:
  layer_with_weights(context& c, const layer_request& r) : c_(&c), bias_(r.bias), relu_(r.relu) {}

  /// Makes the primitives, of at least one sample. `forward_of`, `data_of` and `gradient_of` describe
  /// one each from the formats of x, weights and y; the `any` formats leave
  /// the choice to oneDNN.
  template <class ForwardOf, class DataOf, class GradientOf>
  void prepare(const layer_request& r, const dnnl::memory::desc& any_x, const dnnl::memory::desc& any_w,
               const dnnl::memory::desc& any_y, ForwardOf forward_of, DataOf data_of, GradientOf gradient_of) {
    const auto& x = r.x.description();
    if (r.weights) weights_ = *r.weights;
    auto forward = prefer(
        [&](bool free) {
          return forward_of(free ? any_x : x, free || !r.weights ? any_w : weights_.description(), any_y);
        },
        [&](const auto& d) { return d.src_desc() == x && (!r.weights || d.weights_desc() == weights_.description()); });
    if (!r.weights) weights_ = memory_format(forward.weights_desc());
    y_ = r.y ? *r.y : memory_format(forward.dst_desc());
    forward_ = Forward(forward);
    forward_x_ = adapter(*c_, r.x, forward.src_desc());
    forward_w_ = adapter(*c_, weights_, forward.weights_desc());
    forward_y_ = adapter(*c_, y_, forward.dst_desc());
    if (!r.train || r.y) return;

    const auto &w = weights_.description(), &y = y_.description();
    if (relu_) mask_ = relu_mask(*c_, y_);
    auto gradient = prefer(
        [&](bool free) { return gradient_of(forward, free ? any_x : x, free ? any_w : w, free ? any_y : y); },
        [&](const auto& d) { return d.src_desc() == x && d.diff_weights_desc() == w && d.diff_dst_desc() == y; });
    gradient_ = WeightsGradient(gradient);
    gradient_x_ = adapter(*c_, r.x, gradient.src_desc());
    gradient_w_ = adapter(*c_, weights_, gradient.diff_weights_desc());
    gradient_y_ = adapter(*c_, y_, gradient.diff_dst_desc());
    if (!r.input_gradient) return;

    auto data = prefer(
        [&](bool free) { return data_of(forward, free ? any_x : x, free ? any_w : w, free ? any_y : y); },
        [&](const auto& d) { return d.diff_src_desc() == x && d.weights_desc() == w && d.diff_dst_desc() == y; });
    data_ = DataGradient(data);
    data_x_ = adapter(*c_, r.x, data.diff_src_desc());
    data_w_ = adapter(*c_, weights_, data.weights_desc());
    data_y_ = adapter(*c_, y_, data.diff_dst_desc());
  }

 private:
  context* c_;
  bool bias_, relu_;
  memory_format weights_, y_;
  relu_mask mask_;
  Forward forward_;
  DataGradient data_;
  WeightsGradient gradient_;
  adapter forward_x_, forward_w_, forward_y_, gradient_x_, gradient_w_, gradient_y_, data_x_, data_w_, data_y_;
};

}  // namespace tutti::onednn
