#include <tutti/mesh/explain.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("a plan is explained: what is cut, each move, its bytes, and why") {
  operation_list net({{"batch", 4}, {"channels", 2}, {"height", 4}, {"width", 4}});
  net.convolution("conv1", 4, {.size = 3, .pad_low = 1, .pad_high = 1}, {.size = 1});
  net.pointwise("relu1");
  net.flatten("flatten");
  net.dense("dense1", 6);
  const mesh on{{"data", 2}};
  CHECK(explain(net, plan_network(net, "conv1/height:data,relu1/batch:data,dense1/features:data", on), on, 4) ==
        R"(mesh data=2
conv1: (batch 4, channels 2, height:data 4, width 4) → (batch 4, filters 4, height:data 4, width 4)
  halo along height: a window reads 3 places
  all_reduce over data, 96 B: the gradient of (filters 4, channels 2, down 3, across 1) is a sum over data, needed whole
  all_reduce over data, 16 B: the gradient of (filters 4) is a sum over data, needed whole
relu1: (batch:data 4, channels 4, height 4, width 4) → (batch:data 4, channels 4, height 4, width 4)
  all_to_all over data: height → batch, 256 B: its operand is needed with all height, and cut by batch
  all_to_all over data: batch → height, 256 B: the operand's gradient is needed with all batch, and cut by height
flatten: (batch:data 4, channels 4, height 4, width 4) → (batch:data 4, features 64)
dense1: (batch 4, features:data 64) → (batch 4, units 6), a sum over data
  all_to_all over data: batch → features, 256 B: its operand is needed with all batch, and cut by features
  all_reduce over data, 96 B: its result is a sum over data, needed whole
  all_to_all over data: features → batch, 256 B: the operand's gradient is needed with all features, and cut by batch
)");
}
