#pragma once
#include <tutti/kernel/geometry.hpp>
#include <tutti/kernel/onednn_window.hpp>

namespace tutti::onednn {

namespace detail {
// oneDNN 2 has pooling with dilation under a name of its own, which oneDNN 3 gave up for the plain one.
#if DNNL_VERSION_MAJOR < 3
using pooling_forward = dnnl::pooling_v2_forward;
using pooling_backward = dnnl::pooling_v2_backward;
#else
using pooling_forward = dnnl::pooling_forward;
using pooling_backward = dnnl::pooling_backward;
#endif
}  // namespace detail

/// The primitives of one pooling, for one shape; keeps for backward which input won, if one did.
template <dnnl::algorithm Algorithm>
class pool {
 public:
  pool(context& c, const pool_geometry& g, const memory_format& x, bool train) : c_(&c) {
    const sliding along(g, x);
    const dnnl::memory::dims sizes = joined(dims_of(g.batch, g.channels), along.outputs);
    const auto &stride = along.stride, &size = along.size, &low = along.low, &high = along.high, &dilation = along.dilation;
    auto forward = describe<detail::pooling_forward>(
        c, dnnl::primitive_attr(), train ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference,
        Algorithm, x.description(), any_of(sizes), stride, size, dilation, low, high);
    y_ = memory_format(forward.dst_desc());
    forward_ = detail::pooling_forward(forward);
    if (!train) return;
    workspace_ = dnnl::memory(forward.workspace_desc(), c.engine());
    backward_ = detail::pooling_backward(describe_backward<detail::pooling_backward>(
        c, forward, Algorithm, x.description(), y_.description(), stride, size, dilation, low, high));
    train_ = true;
  }

  const memory_format& y() const { return y_; }

  void forward(const tensor& x, tensor& y) {
    if (train_)
      forward_.execute(c_->stream(),
                       {{DNNL_ARG_SRC, x.memory()}, {DNNL_ARG_DST, y.memory()}, {DNNL_ARG_WORKSPACE, workspace_}});
    else forward_.execute(c_->stream(), {{DNNL_ARG_SRC, x.memory()}, {DNNL_ARG_DST, y.memory()}});  // (N, C, [D',] H', W')
  }

  void backward(const tensor& dy, tensor& dx) {
    backward_.execute(c_->stream(), {{DNNL_ARG_DIFF_DST, dy.memory()},
                                     {DNNL_ARG_DIFF_SRC, dx.memory()},
                                     {DNNL_ARG_WORKSPACE, workspace_}});  // (N, C, [D,] H, W)
  }

 private:
  context* c_;
  bool train_ = false;
  memory_format y_;
  dnnl::memory workspace_;
  detail::pooling_forward forward_;
  detail::pooling_backward backward_;
};

using max_pool = pool<dnnl::algorithm::pooling_max>;
using average_pool = pool<dnnl::algorithm::pooling_avg_include_padding>;

}  // namespace tutti::onednn
