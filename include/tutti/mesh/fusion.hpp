#pragma once
#include <cstddef>

#include <tutti/mesh/planner.hpp>

namespace tutti {

/// Whether operation i + 1 is a ReLU that the kernel of operation i does besides: on what
/// i makes, which nobody else uses, with no move between the two.
constexpr bool fuses_relu(const operation_list& net, const network_plan& plan, std::size_t i) {
  const operation_kind what = net.all()[i].what;
  if (i + 1 >= net.all().size() || !(contracts(what) || what == operation_kind::batch_norm || what == operation_kind::add)) return false;
  const tensor_operation& next = net.all()[i + 1];
  if (next.what != operation_kind::pointwise || next.inputs[0] != i + 1) return false;
  std::size_t uses = 0;
  for (const tensor_operation& o : net.all())
    for (std::size_t input : o.inputs) uses += input == i + 1;
  const operation_plan &here = plan.operations[i], &there = plan.operations[i + 1];
  return uses == 1 && here.settle.empty() && here.unsettle.empty() && there.operands[0].forward.empty() && there.operands[0].backward.empty();
}

}  // namespace tutti
