#pragma once
#include <cstddef>
#include <vector>

#include <tutti/mesh/step_exchanges.hpp>

namespace tutti {

/// What a step costs: moves, and multiplications.
struct step_costs {
  move_costs moves = {};
  double products_per_s = 10e9;  ///< multiplications and additions of one rank
};

namespace detail {

/// Seconds of what an operation does beside its moves: what the busiest rank multiplies
/// in forward and backward, halos, what it adds up inside of itself, and adding up its
/// parameters' gradients.
inline double operation_seconds(const tensor_operation& o, const operation_plan& p, const mesh& on, const step_costs& costs) {
  auto share_of_first = [&](const placement& at, const shape& whole, std::size_t d) {
    return static_cast<double>(local_share(at, on, {0}, d, whole[d].size).count);  // none has more
  };
  double products = contracts(o.what) ? 3 : 2;
  const shape over = o.over();
  for (std::size_t d = 0; d < over.rank(); ++d) products *= share_of_first(p.cut, over, d);
  for (const window& w : o.windows) products *= static_cast<double>(w.size);
  if (o.groups > 1) products *= static_cast<double>(o.x[1].size / o.groups);
  double all = products / costs.products_per_s;
  auto ranks_along = [&](unsigned axes) {
    double ranks = 1;
    for (int axis = 0; axis < on.axes(); ++axis)
      if ((axes >> axis & 1u) != 0) ranks *= on[axis].size;
    return ranks;
  };
  for (const parameter_plan& w : p.parameters)
    all += costs.moves.of_all_reduce(ranks_along(sums_of(w, on)),
                                     static_cast<double>(local_shape(w.dims, w.gradient, on, {0}).elements()) * costs.moves.element);
  for (const inner_reduction& r : inner_reductions(o, p, on, {0}, static_cast<std::size_t>(costs.moves.element)))
    for (std::size_t values : {r.forward, r.backward})
      if (values > 0) all += costs.moves.of_all_reduce(ranks_along(r.axes), static_cast<double>(values * r.bytes_each));
  for (std::size_t d = 2; d < 2 + o.windows.size(); ++d) {
    if (p.operands[0].at.axes_of(d).empty()) continue;
    const window& w = o.windows[d - 2];
    // There and back, from either side.
    const double places = static_cast<double>(w.reach() > w.stride ? w.reach() - w.stride : 0);
    double words = places;
    for (std::size_t k = 0; k < o.x.rank(); ++k)
      if (k != d) words *= share_of_first(p.operands[0].at, o.x, k);
    if (places > 0) all += costs.moves.seconds(4, 2 * words * costs.moves.element);
  }
  return all;
}

}  // namespace detail

/// Seconds that a training step takes by the model, nothing overlapping: every
/// operation's, and every move.
inline double step_seconds(const std::vector<tensor_operation>& net, const network_plan& plan, const mesh& on,
                           const step_costs& costs = {}) {
  double all = 0;
  for (std::size_t i = 0; i < net.size(); ++i) {
    const tensor_operation& o = net[i];
    const operation_plan& p = plan.operations[i];
    auto add = [&](const std::vector<move>& moves, const shape& whole, const placement& from) {
      all += detail::seconds_of(moves, whole, from, on, costs.moves);
    };
    for (std::size_t k = 0; k < o.inputs.size(); ++k) {
      add(p.operands[k].forward, o.x, plan.tensors[o.inputs[k]].lies);
      add(p.operands[k].backward, o.x, p.operands[k].gradient);
    }
    add(p.settle, o.y, p.made);
    add(p.unsettle, o.y, plan.tensors[i + 1].gradient);
    all += detail::operation_seconds(o, p, on, costs);
  }
  return all;
}

}  // namespace tutti
