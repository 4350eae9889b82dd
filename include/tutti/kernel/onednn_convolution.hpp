#pragma once
#include <tutti/kernel/geometry.hpp>
#include <tutti/kernel/onednn_layer.hpp>
#include <tutti/kernel/onednn_window.hpp>

namespace tutti::onednn {

/// A box of pictures, where it lies among the others.
inline memory_format box_of(const memory_format& pictures, const picture_box& b) {
  dnnl::memory::dims sizes = pictures.sizes(), first(sizes.size());
  const share along[] = {b.depth, b.height, b.width};
  for (std::size_t d = 2; d < sizes.size(); ++d) {
    const share& here = along[d + 3 - sizes.size()];
    sizes[d] = static_cast<dnnl::memory::dim>(here.count), first[d] = static_cast<dnnl::memory::dim>(here.first);
  }
  return memory_format(pictures.description().submemory_desc(sizes, first));
}

/// The primitives of one convolution, for one shape. Weights of more than one group
/// have the groups as a dimension of their own, which row-major is the same.
class convolution : public layer_with_weights<dnnl::convolution_forward, dnnl::convolution_backward_data,
                                              dnnl::convolution_backward_weights> {
 public:
  convolution(context& c, const convolution_geometry& g, const layer_request& request) : layer_with_weights(c, request) {
    const layer_request r = grouped(g, request);
    const auto how = c.options().winograd ? dnnl::algorithm::convolution_auto : dnnl::algorithm::convolution_direct;
    const auto kind = r.train ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
    const sliding along(g, r.x);
    const auto &stride = along.stride, &low = along.low, &high = along.high, &dilation = along.dilation;
    const auto bias = r.bias ? vector_of(g.filters) : dnnl::memory::desc();
    prepare(
        r, any_of(joined(dims_of(g.batch, g.channels), along.inputs)), any_of(weights_of(g, r)), any_of(y_of(g, r)),
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
    if (g.groups > 1 && r.weights && r.weights->sizes().size() == r.x.sizes().size()) r.weights = memory_format::row_major(weights_of(g, r));
    return r;
  }
  static dnnl::memory::dims weights_of(const convolution_geometry& g, const layer_request& r) {
    const dnnl::memory::dims each = joined(dims_of(g.group_filters(), g.group_channels()), sliding(g, r.x).size);
    return g.groups > 1 ? joined(dims_of(g.groups), each) : each;
  }
  static dnnl::memory::dims y_of(const convolution_geometry& g, const layer_request& r) {
    return joined(dims_of(g.batch, g.filters), sliding(g, r.x).outputs);
  }
};

/// Some of a convolution's outputs: the operands are those of the whole. What is made is
/// copied to its place.
class convolution_part {
 public:
  convolution_part(context& c, const convolution& whole, const layer_request& r, const partial_convolution& p)
      : c_(&c), x_(box_of(r.x, p.reads)), y_(box_of(whole.y(), p.makes)),
        part_(c, p.part, {.x = x_, .weights = whole.weights(), .y = y_, .bias = r.bias, .relu = r.relu, .train = r.train}) {}

  void forward(const tensor& x, const tensor& w, const tensor& b, tensor& y) {
    const auto within = [&](const tensor& t, const memory_format& box) { return tensor(*c_, box, static_cast<float*>(t.memory().get_data_handle())); };
    tensor into = within(y, y_);
    part_.forward(within(x, x_), w, b, into);
  }

 private:
  context* c_;
  memory_format x_, y_;
  convolution part_;
};

}  // namespace tutti::onednn
