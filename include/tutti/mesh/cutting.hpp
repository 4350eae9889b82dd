#pragma once
#include <cstddef>
#include <vector>

#include <tutti/mesh/einsum.hpp>
#include <tutti/mesh/move.hpp>
#include <tutti/mesh/tensor_operation.hpp>

// What a cut of one operation means, whatever the others do.

namespace tutti::detail {

/// Whether the cut leaves whole pieces: pieces of channels are pieces of features only
/// where they are all as long, and pieces of filters read pieces of channels only where
/// they are whole groups.
constexpr bool whole_pieces(const tensor_operation& o, const placement& cut, const mesh& on) {
  if (o.what == operation_kind::flatten) {
    std::size_t parts = 1;
    for (int axis : cut.axes_of(1)) parts *= static_cast<std::size_t>(on[axis].size);
    return o.x[1].size % parts == 0;
  }
  if (o.groups == 1) return true;
  const std::size_t filters = o.y[1].size / o.groups, channels = o.x[1].size / o.groups;
  for (int r = 0; r < on.size(); ++r) {
    const share made = local_share(cut, on, {r}, 1, o.y[1].size), read = local_share(cut, on, {r}, 1, o.x[1].size);
    if (made.first % filters != 0 || made.count % filters != 0 || made.first / filters * channels != read.first ||
        made.count / filters * channels != read.count)
      return false;
  }
  return true;
}

/// The cut of an operation whose operand lies so: what no rule names (a bit for each
/// dimension that one does) stays as it lies.
constexpr placement staying(const tensor_operation& o, placement cut, const placement& lies, unsigned ruled, const mesh& on) {
  for (std::size_t d = 0; d < o.over().rank(); ++d) {
    if ((ruled >> d & 1u) != 0) continue;
    placement next = cut;
    for (int axis : lies.axes_of(d)) {
      if (next.dimension_on(axis) >= 0) break;
      next = next.sharded(d, axis);
    }
    if (whole_pieces(o, next, on)) cut = next;
  }
  return cut;
}

/// Where an operand is needed, if it is no sum.
constexpr placement operand_of(const tensor_operation& o, const placement& cut) {
  placement at = project(cut, o.over(), o.x);
  if (o.groups > 1)
    for (int axis : cut.axes_of(1)) at = at.sharded(1, axis);
  return at;
}

/// The axes over which an operation takes a tensor as a sum, where it is one: a bit each.
constexpr unsigned sums_taken(const tensor_operation& o, const placement& cut, const mesh& on) {
  unsigned axes = 0;
  for (int axis = 0; is_linear(o.what) && axis < on.axes(); ++axis)
    if (operand_of(o, cut).replicated_on(axis)) axes |= 1u << axis;
  return axes;
}

/// The axes over which a tensor is a sum, of these.
constexpr unsigned sums_of(const placement& p, unsigned axes) {
  unsigned sums = 0;
  for (int axis = 0; axes >> axis != 0; ++axis)
    if ((axes >> axis & 1u) != 0 && p.partial_on(axis)) sums |= 1u << axis;
  return sums;
}
constexpr placement with_sums(placement p, unsigned axes) {
  for (int axis = 0; axes >> axis != 0; ++axis)
    if ((axes >> axis & 1u) != 0) p = p.with_partial(axis);
  return p;
}
constexpr placement without_sums(placement p, const mesh& on) {
  for (int axis = 0; axis < on.axes(); ++axis) p = p.with_partial(axis, false);
  return p;
}

/// Where the result comes to lie.
constexpr placement result_of(const tensor_operation& o, const placement& cut, const placement& at, const mesh& on) {
  placement made;
  if (o.what == operation_kind::flatten) {
    for (std::size_t d = 0; d < 2; ++d)
      for (int axis : cut.axes_of(d)) made = made.sharded(d, axis);
  } else {
    made = project(cut, o.over(), o.y);
  }
  for (int axis = 0; axis < on.axes(); ++axis)
    if (at.partial_on(axis) || (cut.dimension_on(axis) >= 0 && made.dimension_on(axis) < 0)) made = made.with_partial(axis);
  return made;
}

/// Where the result's gradient is needed, given as it is: a sum's is the same for every
/// summand.
constexpr placement gradient_needed(const placement& made, const placement& given, const mesh& on) {
  placement dy = made;
  for (int axis = 0; axis < on.axes(); ++axis) dy = dy.with_partial(axis, made.replicated_on(axis) && given.partial_on(axis));
  return dy;
}

/// Where the gradient of what is used at `at` comes to lie. Where an axis cuts an
/// operation but not this operand, every rank has a summand of its gradient; where it
/// cuts what the operation sums, and not the operand either, all have the whole.
constexpr placement gradient_of(const placement& at, const placement& cut, const placement& made, const placement& dy, const mesh& on) {
  placement g = at;
  for (int axis = 0; axis < on.axes(); ++axis) {
    if (at.dimension_on(axis) >= 0) continue;
    const bool cuts = cut.dimension_on(axis) >= 0;
    g = g.with_partial(axis, cuts ? !made.partial_on(axis) : dy.partial_on(axis));
  }
  return g;
}

/// The same of a parameter. A batch norm has added up the gradients of scale and shift
/// before its operand's could be.
constexpr placement parameter_gradient_of(const tensor_operation& o, const placement& at, const placement& cut, const placement& made,
                                          const placement& dy, const mesh& on) {
  placement g = gradient_of(at, cut, made, dy, on);
  for (int axis = 0; axis < on.axes(); ++axis)
    if (o.what == operation_kind::batch_norm && cut.dimension_on(axis) >= 0) g = g.with_partial(axis, false);
  return g;
}

/// By what rules the planner says where things lie, once it is known how an operation is
/// cut, and how they are moved: parameters, so that a plan by a wrong one can be shown to be wrong.
struct planning_rules {
  placement (*operand_of)(const tensor_operation& o, const placement& cut) = detail::operand_of;
  unsigned (*sums_taken)(const tensor_operation& o, const placement& cut, const mesh& on) = detail::sums_taken;
  placement (*parameter_of)(const placement& cut, const shape& over, const shape& parameter) = project;
  placement (*result_of)(const tensor_operation& o, const placement& cut, const placement& at, const mesh& on) = detail::result_of;
  placement (*gradient_needed)(const placement& made, const placement& given, const mesh& on) = detail::gradient_needed;
  placement (*gradient_of)(const placement& at, const placement& cut, const placement& made, const placement& dy, const mesh& on) = detail::gradient_of;
  placement (*parameter_gradient_of)(const tensor_operation& o, const placement& at, const placement& cut, const placement& made,
                                     const placement& dy, const mesh& on) = detail::parameter_gradient_of;
  std::vector<move> (*moves)(const shape& whole, const placement& from, const placement& to, const mesh& on, const move_costs& costs) = plan_moves;
};

/// Of all ways to lie as the tensor does, but a sum where that is replicated, the one
/// for which `cost` is least: of as good ones the first.
template <class Cost>
constexpr placement cheapest_gradient(const placement& lies, const mesh& on, Cost cost) {
  double least = -1;
  placement best = lies;
  for (unsigned sums = 0; sums < 1u << on.axes(); ++sums) {
    placement to = lies;
    bool possible = true;
    for (int axis = 0; axis < on.axes(); ++axis) {
      const bool sum = (sums >> axis & 1u) != 0;
      possible &= !sum || lies.replicated_on(axis);
      to = to.with_partial(axis, sum);
    }
    if (!possible) continue;
    const double seconds = cost(to);
    if (least >= 0 && seconds >= least) continue;
    least = seconds;
    best = to;
  }
  return best;
}

}  // namespace tutti::detail
