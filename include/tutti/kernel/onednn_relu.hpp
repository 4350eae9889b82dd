#pragma once
#include <tutti/kernel/onednn_context.hpp>

namespace tutti::onednn {

/// Attributes that end a layer in max(·, 0), or none.
inline dnnl::primitive_attr fused_relu(bool wanted) {
  dnnl::primitive_attr attributes;
  if (!wanted) return attributes;
  const auto relu = dnnl::algorithm::eltwise_relu;
  const auto append = [&](auto operations) {
    if constexpr (requires { operations.append_eltwise(1.0f, relu, 0.0f, 0.0f); })
      operations.append_eltwise(1.0f, relu, 0.0f, 0.0f);  // oneDNN 2 begins with a scale
    else operations.append_eltwise(relu, 0.0f, 0.0f);
    return operations;
  };
  attributes.set_post_ops(append(dnnl::post_ops{}));
  return attributes;
}

namespace detail {
/// max(·, 0) on one format, in place.
template <class Primitive = dnnl::eltwise_forward>
typename Primitive::primitive_desc describe_relu(context& c, const memory_format& f) {
  const auto training = dnnl::prop_kind::forward_training;
  const auto relu = dnnl::algorithm::eltwise_relu;
  if constexpr (requires { typename Primitive::desc; })  // oneDNN 2: one format for source and destination
    return {typename Primitive::desc(training, relu, f.description(), 0.0f, 0.0f), c.engine()};
  else return {c.engine(), training, relu, f.description(), f.description(), 0.0f, 0.0f};
}

template <class Primitive = dnnl::eltwise_backward>
typename Primitive::primitive_desc describe_relu_backward(context& c, const memory_format& f,
                                                          const dnnl::eltwise_forward::primitive_desc& forward) {
  const auto by_output = dnnl::algorithm::eltwise_relu_use_dst_for_bwd;
  const auto& any = f.description();
  if constexpr (requires { typename Primitive::desc; })
    return {typename Primitive::desc(by_output, any, any, 0.0f, 0.0f), c.engine(), forward};
  else return {c.engine(), by_output, any, any, any, 0.0f, 0.0f, forward};
}
}  // namespace detail

/// Lets the gradient of a relu's output through where the output was above 0, in place.
class relu_mask {
 public:
  relu_mask() = default;
  relu_mask(context& c, const memory_format& f)
      : backward_(detail::describe_relu_backward(c, f, detail::describe_relu(c, f))) {}

  void operator()(context& c, const tensor& y, tensor& dy) {
    backward_.execute(c.stream(),
                      {{DNNL_ARG_DST, y.memory()}, {DNNL_ARG_DIFF_DST, dy.memory()}, {DNNL_ARG_DIFF_SRC, dy.memory()}});
  }

 private:
  dnnl::eltwise_backward backward_;
};

/// max(·, 0) as a layer of its own, in place.
class relu {
 public:
  relu(context& c, const memory_format& f) : c_(&c), forward_(detail::describe_relu(c, f)), mask_(c, f) {}

  void forward(tensor& y) { forward_.execute(c_->stream(), {{DNNL_ARG_SRC, y.memory()}, {DNNL_ARG_DST, y.memory()}}); }
  void backward(const tensor& y, tensor& dy) { mask_(*c_, y, dy); }

 private:
  context* c_;
  dnnl::eltwise_forward forward_;
  relu_mask mask_;
};

}  // namespace tutti::onednn
