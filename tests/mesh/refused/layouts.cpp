// refused, each with -DCASE=n:
// 1: layer `conv1`: the axis `data` cannot cut both `batch` and `filters`
// 2: `features` has 8 places in one operand and 9 in the other
// 3: (batch 4, units 6) is a sum over `model`: what is not linear needs it added up first
// 4: the layout puts `batch` on the axis `dat`, and the mesh has data=2
// 5: no layer that `conv*` names has a dimension `units` that can be cut
// 6: the layout`s `convolution*` is the name of no layer
// 7: the layout `batch:data+data` names an axis twice
// 8: the mesh `data=2,model=2` has 4 ranks, and there are 3
// 9: layer `flatten` can cut 3 channels only into pieces of equal size
// 10: layer `dense1` needs (batch, features) and gets (batch 8, filters 3, height 8, width 8); flatten first
// 11: layer `sum` adds (batch 8, channels 3, height 8, width 8) and (batch 8, channels 4, height 8, width 8)
// 12: layer `conv1` reads 11 places along a height of 8 with padding
// 13: a mesh has two axes `data`
// 14: the mesh `data` does not say how many ranks the axis has, as in `data=2`
// 15: the layout `batch` is no rule such as `batch:data` or `conv*/filters:model`
// 16: layer `conv1` has 2 groups, which must divide its 2 channels and its 3 filters
// 17: the result has a dimension `classes`, and neither operand has: (batch 4, features 8) and (units 6, features 8)
// 18: `height` of (batch 4, height 8) is neither in the other operand nor in the result: sum it first
// 19: the layout`s `batch:data` holds for no layer, since rules behind it replace it
#include <tutti/mesh/einsum.hpp>
#include <tutti/mesh/legal.hpp>

using namespace tutti;

constexpr window three{.size = 3, .pad_low = 1, .pad_high = 1};

constexpr operation_list pictures(const window& down, std::size_t groups = 1) {
  operation_list net({{"batch", 8}, {"channels", 2}, {"height", 8}, {"width", 8}});
  net.convolution("conv1", 3, down, three, operation_list::last, {.groups = groups});
  return net;
}
constexpr operation_list good() {
  operation_list net = pictures(three);
  net.flatten("flatten");
  net.dense("dense1", 6);
  return net;
}
constexpr operation_list unflattened() {
  operation_list net = pictures(three);
  net.dense("dense1", 6);
  return net;
}
constexpr operation_list unlike() {
  operation_list net = pictures(three);
  const std::size_t more = net.convolution("conv2", 4, three, three, 0);
  net.sum("sum", 1, more);
  return net;
}
constexpr shape x{{"batch", 4}, {"features", 8}}, w{{"units", 6}, {"features", 8}};

#if CASE == 0
static_assert(legal_program<good, "batch:data,conv*/filters:model,dense*/units:model", "data=2,model=2", 4>);
static_assert(legal(good(), "batch:data", mesh{{"data", 2}}) && !legal(good(), "batch:model", mesh{{"data", 2}}));
static_assert(possible<[] { return einsum(x, w, {"batch", "units"}).refused(); }>);
#elif CASE == 1
static_assert(legal_program<good, "batch:data,conv*/filters:data", "data=2">);
#elif CASE == 2
static_assert(possible<[] { return einsum(x, {{"units", 6}, {"features", 9}}, {"batch", "units"}).refused(); }>);
#elif CASE == 3
static_assert(possible<[] {
  const mesh on{{"model", 2}};
  return why_not_whole({{"batch", 4}, {"units", 6}}, placement{}.with_partial(0), on);
}>);
#elif CASE == 4
static_assert(legal_program<good, "batch:dat", "data=2">);
#elif CASE == 5
static_assert(legal_program<good, "conv*/units:data", "data=2">);
#elif CASE == 6
static_assert(legal_program<good, "convolution*/filters:data", "data=2">);
#elif CASE == 7
static_assert(legal_program<good, "batch:data+data", "data=2">);
#elif CASE == 8
static_assert(legal_program<good, "batch:data", "data=2,model=2", 3>);
#elif CASE == 9
static_assert(legal_program<good, "flatten/channels:model", "model=2">);
#elif CASE == 10
static_assert(legal_program<unflattened, "batch:data", "data=2">);
#elif CASE == 11
static_assert(legal_program<unlike, "batch:data", "data=2">);
#elif CASE == 12
static_assert(legal_program<[] { return pictures({.size = 11}); }, "batch:data", "data=2">);
#elif CASE == 13
static_assert(legal_program<good, "batch:data", "data=2,data=2">);
#elif CASE == 14
static_assert(legal_program<good, "batch:data", "data">);
#elif CASE == 15
static_assert(legal_program<good, "batch", "data=2">);
#elif CASE == 16
static_assert(legal_program<[] { return pictures(three, 2); }, "batch:data", "data=2">);
#elif CASE == 17
static_assert(possible<[] { return einsum(x, w, {"batch", "classes"}).refused(); }>);
#elif CASE == 18
static_assert(possible<[] { return einsum({{"batch", 4}, {"height", 8}}, {{"units", 6}}, {"batch", "units"}).refused(); }>);
#elif CASE == 19
static_assert(legal_program<good, "batch:data,batch:", "data=2">);
#endif
