#pragma once
#include <tutti/mesh/tensor_operation.hpp>
#include <tutti/nn/network.hpp>

namespace tutti {

/// A network's layers as operations on one batch, for the planner.
constexpr operation_list operations_of(const network& net, std::size_t batch) {
  operation_list all(batch_of(net, batch));
  for (const layer& o : net.layers) switch (o.kind) {
      case layer_kind::convolution: all.convolution(o.label, o.outputs, o.down, o.across); break;
      case layer_kind::max_pool: all.pool(o.label, o.down, o.across); break;
      case layer_kind::relu: all.pointwise(o.label); break;
      case layer_kind::flatten: all.flatten(o.label); break;
      case layer_kind::dense: all.dense(o.label, o.outputs); break;
    }
  return all;
}

}  // namespace tutti
