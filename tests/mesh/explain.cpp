#include <tutti/mesh/explain.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace tutti;

namespace {

std::string explained(const operation_list& net, const char* rules, const mesh& on) {
  const network_plan plan = plan_network(net, rules, on);
  return explain(net, plan, on, bill(net, plan, on, {0}, 4, least_bytes{on}));
}

}  // namespace

TEST_CASE("a plan is explained: what is cut, each exchange, its bytes, and why") {
  operation_list net({{"batch", 4}, {"channels", 2}, {"height", 4}, {"width", 4}});
  net.convolution("conv1", 4, {.size = 3, .pad_low = 1, .pad_high = 1}, {.size = 1});
  net.batch_norm("norm1");
  net.pointwise("relu1");
  net.flatten("flatten");
  net.dense("dense1", 6);
  CHECK(explained(net, "conv1/height:data,relu1/batch:data,dense1/features:data", mesh{{"data", 2}}) ==
        R"(mesh data=2
conv1: (batch 4, channels 2, height:data 4, width 4) → (batch 4, filters 4, height:data 4, width 4)
  forward  halo along height over data, 128 B: windows of 3 by 1 places read what others own
norm1: (batch 4, channels 4, height:data 4, width 4) → (batch 4, channels 4, height:data 4, width 4)
  forward  all_reduce over data, 72 B: mean and variance of a channel are over all its places
  backward all_reduce over data, 64 B: two sums of a channel's gradients are over all its places
relu1: (batch:data 4, channels 4, height 4, width 4) → (batch:data 4, channels 4, height 4, width 4)
  forward  all_to_all over data: height → batch, 256 B: its operand is needed with all height, and cut by batch
  backward all_to_all over data: batch → height, 256 B: the operand's gradient is needed with all batch, and cut by height
flatten: (batch:data 4, channels 4, height 4, width 4) → (batch:data 4, features 64)
dense1: (batch 4, features:data 64) → (batch 4, units 6), a sum over data
  forward  all_to_all over data: batch → features, 256 B: its operand is needed with all batch, and cut by features
  forward  all_reduce over data, 96 B: its result is a sum over data, needed whole
  backward all_to_all over data: features → batch, 256 B: the operand's gradient is needed with all features, and cut by batch
gradients: all_reduce over data, 144 B: the gradients of conv1 are sums over data
in all: 1.5 KiB in 13 messages; 7.9 KiB of memory
)");
}

TEST_CASE("blocks that do the same are named, not repeated") {
  operation_list net({{"batch", 4}, {"channels", 2}, {"height", 4}, {"width", 4}});
  for (const char* label : {"a", "b", "c", "d"}) {
    net.convolution(name(std::string_view(std::string(label) + ".conv")), 2, {.size = 3, .pad_low = 1, .pad_high = 1}, {.size = 1});
    net.pointwise(name(std::string_view(std::string(label) + ".relu")));
  }
  CHECK(explained(net, "*.conv/height:rows", mesh{{"rows", 2}}) ==
        R"(mesh rows=2
a.conv: (batch 4, channels 2, height:rows 4, width 4) → (batch 4, filters 2, height:rows 4, width 4)
  forward  halo along height over rows, 128 B: windows of 3 by 1 places read what others own
a.relu: (batch 4, channels 2, height:rows 4, width 4) → (batch 4, channels 2, height:rows 4, width 4)
b.conv: (batch 4, channels 2, height:rows 4, width 4) → (batch 4, filters 2, height:rows 4, width 4)
  forward  halo along height over rows, 128 B: windows of 3 by 1 places read what others own
  backward halo along height over rows, 128 B: gradients of what was read go back to who owns it
b.relu: (batch 4, channels 2, height:rows 4, width 4) → (batch 4, channels 2, height:rows 4, width 4)
c.conv to d.relu: 2 times as b.conv to b.relu
gradients: all_reduce over rows, 456 B: the gradients of a.conv to d.conv are sums over rows
in all: 1.3 KiB in 9 messages; 5.6 KiB of memory
)");
}

TEST_CASE("a bill is a table") {
  operation_list net({{"batch", 4}, {"features", 8}});
  net.dense("dense1", 8);
  net.pointwise("relu1");
  net.dense("dense2", 6);
  const mesh on{{"data", 2}, {"model", 2}};
  const network_plan plan = plan_network(net, "batch:data,dense*/units:model", on);
  CHECK(bill_table(net, on, bill(net, plan, on, {0}, 4, least_bytes{on})) ==
        R"(layer                             forward             backward  over
dense2                       32 B in    1         32 B in    1  model
loss                         48 B in    4          0 B in    0  model
gradients                     0 B in    0        332 B in    2  data
all                          80 B in    5        364 B in    3
memory: 1344 B (tensors 448 at their peak, parameters and their gradients 768, packed to travel 128)
)");
}
