#pragma once
#include <tutti/kernel/geometry.hpp>
#include <tutti/kernel/onednn_layer.hpp>

namespace tutti::onednn {

/// The primitives of one convolution, for one shape. Weights of more than one group
/// have the groups as a dimension of their own, which row-major is the same.
class convolution : public layer_with_weights<dnnl::convolution_forward, dnnl::convolution_backward_data,
                                              dnnl::convolution_backward_weights> {
 public:
  convolution(context& c, const convolution_geometry& g, const layer_request& request) : layer_with_weights(c, request) {
    const layer_request r = grouped(g, request);
    const auto how = c.options().winograd ? dnnl::algorithm::convolution_auto : dnnl::algorithm::convolution_direct;
    const auto kind = r.train ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
    const auto stride = dims_of(g.down.stride, g.across.stride), low = dims_of(g.down.pad_low, g.across.pad_low),
               high = dims_of(g.down.pad_high, g.across.pad_high),
               dilation = dims_of(g.down.dilation - 1, g.across.dilation - 1);  // oneDNN counts from 0
    const auto bias = r.bias ? vector_of(g.filters) : dnnl::memory::desc();
    prepare(
        r, any_of(dims_of(g.batch, g.channels, g.height, g.width)), any_of(memory_format::dims(weights_shape(g))),
        any_of(memory_format::dims(y_shape(g))),
        [&](const auto& x, const auto& w, const auto& y) {
          return describe<dnnl::convolution_forward>(c, fused_relu(r.relu), kind, how, x, w, bias, y, stride,
                                                     dilation, low, high);
        },
        [&](const auto& forward, const auto& dx, const auto& w, const auto& dy) {
          return describe_backward<dnnl::convolution_backward_data>(c, forward, how, dx, w, dy, stride, dilation,
                                                                    low, high);
        },
        [&](const auto& forward, const auto& x, const auto& dw, const auto& dy) {
          return describe_backward<dnnl::convolution_backward_weights>(c, forward, how, x, dw, bias, dy, stride,
                                                                       dilation, low, high);
        });
  }

 private:
  static layer_request grouped(const convolution_geometry& g, layer_request r) {
    if (g.groups > 1 && r.weights && r.weights->sizes().size() == 4) r.weights = memory_format::row_major(weights_shape(g));
    return r;
  }
  static shape weights_shape(const convolution_geometry& g) {
    shape all;
    if (g.groups > 1) all.append({"groups", g.groups});
    for (const dimension& d : shape{{"filters", g.group_filters()}, {"channels", g.group_channels()}, {"down", g.down.size}, {"across", g.across.size}})
      all.append(d);
    return all;
  }
  static shape y_shape(const convolution_geometry& g) {
    return {{"batch", g.batch}, {"filters", g.filters}, {"height", g.out_height()}, {"width", g.out_width()}};
  }
};

}  // namespace tutti::onednn
