// refused, each with -DCASE=n:
// 1: the layout`s `conv1.weights` is a parameter, which lies as its layer is cut: a rule for `conv1` cuts both
// 2: what layer `conv1` makes: the axis `model` cannot cut both `height` and `width`
// 3: a tensor has two dimensions `batch`
// 4: no layer that `conv1.output` names has a dimension `units` that can be cut
#include <tutti/mesh/einsum.hpp>
#include <tutti/mesh/legal.hpp>

using namespace tutti;

constexpr operation_list net() {
  constexpr window three{.size = 3, .pad_low = 1, .pad_high = 1};
  operation_list n({{"batch", 8}, {"channels", 2}, {"height", 8}, {"width", 8}});
  n.convolution("conv1", 3, three, three);
  return n;
}

#if CASE == 0
static_assert(legal_program<net, "batch:data,conv1.output/height:model", "data=2,model=2">);
#elif CASE == 1
static_assert(legal_program<net, "conv1.weights/filters:model", "data=2,model=2">);
#elif CASE == 2
static_assert(legal_program<net, "conv1.output/height:model,conv1.output/width:model", "data=2,model=2">);
#elif CASE == 3
static_assert(possible<[] { return einsum({{"batch", 4}, {"in", 8}}, {{"in", 8}}, {"batch", "batch"}).refused(); }>);
#elif CASE == 4
static_assert(legal_program<net, "conv1.output/units:model", "data=2,model=2">);
#endif
