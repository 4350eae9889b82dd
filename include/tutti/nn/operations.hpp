#pragma once
#include <tutti/mesh/tensor_operation.hpp>
#include <tutti/nn/network.hpp>

namespace tutti {

/// A network's layers as operations on one batch, for the planner: layer i is
/// operation i, and their tensors have the same numbers.
constexpr operation_list operations_of(const network& net, std::size_t batch) {
  const std::vector<layer_operands> operands = operands_of(net);
  operation_list all(batch_of(net, batch));
  for (std::size_t i = 0; i < net.layers.size(); ++i) {
    const layer& o = net.layers[i];
    const std::size_t x = operands[i].x;
    switch (o.kind) {
      case layer_kind::convolution:
        all.convolution(o.label, o.outputs, o.down, o.across, x, {.groups = o.groups, .bias = o.bias});
        break;
      case layer_kind::max_pool: all.pool(o.label, o.down, o.across, x); break;
      case layer_kind::average_pool: all.average_pool(o.label, o.down, o.across, x); break;
      case layer_kind::global_average_pool: {
        const std::size_t height = all.shape_of(x).of("height"), width = all.shape_of(x).of("width");
        all.average_pool(o.label, {.size = height, .stride = height}, {.size = width, .stride = width}, x);
        break;
      }
      case layer_kind::batch_norm: all.batch_norm(o.label, x); break;
      case layer_kind::relu: all.pointwise(o.label, x); break;
      case layer_kind::dropout: all.dropout(o.label, o.rate, x); break;
      case layer_kind::sum: all.sum(o.label, x, operands[i].other); break;
      case layer_kind::flatten: all.flatten(o.label, x); break;
      case layer_kind::dense: all.dense(o.label, o.outputs, x); break;
    }
  }
  return all;
}

}  // namespace tutti
