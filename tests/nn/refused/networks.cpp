// refused, each with -DCASE=n:
// 1: layer `sum` takes what `conv2` makes, and no layer before it has that name
// 2: layer `conv1` has a kernel, stride or dilation of 0 along its depth
// 3: layer `pool1` pads the depth by as much as its window is long, which would pool over padding only
// 4: layer `conv1` has the name of another layer
// 5: layer `dense` needs (batch, features) and gets (batch 4, channels 3, depth 4, height 4, width 4); flatten first
// 6: layer `pool1` has a dilation of 5 along a height of 4, which would pool over padding only
#include <tutti/mesh/legal.hpp>
#include <tutti/nn/operations.hpp>

using namespace tutti;

constexpr operation_list good() {
  network net({{"channels", 3}, {"depth", 4}, {"height", 4}, {"width", 4}});
  net.convolution("conv1", {.filters = 3}).max_pool("pool1").flatten().dense("dense", {.units = 2});
  return operations_of(net, 4);
}
// What is wrong comes first, and more layers behind it.
constexpr operation_list wrong() {
  network net({{"channels", 3}, {"depth", 4}, {"height", 4}, {"width", 4}});
#if CASE == 1
  net.convolution("conv1", {.filters = 3}).sum("sum", "conv2");
#elif CASE == 2
  net.convolution("conv1", {.filters = 3, .stride = 0}).relu();
#elif CASE == 3
  net.max_pool("pool1", {.padding = 2}).batch_norm("norm1");
#elif CASE == 4
  net.convolution("conv1", {.filters = 3}).convolution("conv1", {.filters = 3});
#elif CASE == 5
  net.dense("dense", {.units = 2}).relu();
#elif CASE == 6
  net.add({.kind = layer_kind::max_pool, .label = "pool1", .down = {.size = 2, .pad_low = 1, .pad_high = 1, .dilation = 5}}).relu();
#endif
  net.global_average_pool("all").flatten().dense("classes", {.units = 2});
  return operations_of(net, 4);
}

#if CASE == 0
static_assert(legal_program<good, "conv*/depth:data,dense/batch:data", "data=2">);
#else
static_assert(legal_program<wrong, "conv*/depth:data,dense/batch:data", "data=2">);
#endif
