#pragma once
#include <tutti/kernel/geometry.hpp>
#include <tutti/kernel/onednn_layer.hpp>
#include <tutti/kernel/onednn_window.hpp>

namespace tutti::onednn {

/// The primitives of one dense layer, for one shape. Pictures come in as they
/// are, in whatever format: the weights' format is the one that fits, so that
/// flattening costs nothing. y is row-major.
class dense : public layer_with_weights<dnnl::inner_product_forward, dnnl::inner_product_backward_data,
                                        dnnl::inner_product_backward_weights> {
 public:
  dense(context& c, const dense_geometry& g, const layer_request& r) : layer_with_weights(c, r) {
    const auto kind = r.train ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
    const auto bias = vector_of(g.units);
    prepare(
        r, any_of(joined(dims_of(g.batch), features(g, r))), any_of(joined(dims_of(g.units), features(g, r))),
        memory_format::row_major(dims_of(g.batch, g.units)).description(),
        [&](const auto& x, const auto& w, const auto& y) {
          return describe<dnnl::inner_product_forward>(c, fused_relu(r.relu), kind, x, w, bias, y);
        },
        [&](const auto& forward, const auto& dx, const auto& w, const auto& dy) {
          return describe_backward<dnnl::inner_product_backward_data>(c, forward, dx, w, dy);
        },
        [&](const auto& forward, const auto& x, const auto& dw, const auto& dy) {
          return describe_backward<dnnl::inner_product_backward_weights>(c, forward, x, dw, bias, dy);
        });
  }

 private:
  static dnnl::memory::dims features(const dense_geometry& g, const layer_request& r) {
    switch (r.x.sizes().size()) {
      case 4: return dims_of(g.channels, g.height, g.width);
      case 5: return dims_of(g.channels, g.depth, g.height, g.width);
      default: return dims_of(g.features());
    }
  }
};

}  // namespace tutti::onednn
