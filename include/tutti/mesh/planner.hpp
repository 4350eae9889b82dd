#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include <tutti/mesh/einsum.hpp>
#include <tutti/mesh/layout.hpp>
#include <tutti/mesh/tensor_operation.hpp>

namespace tutti {

/// An operand of an operation: where it is needed and where its gradient comes
/// to lie, and the moves from where the tensor lies and back to there.
struct operand_plan {
  placement at{}, gradient{};
  std::vector<move> forward{}, backward{};
};

/// A parameter stays where it is used. Its gradient is a sum over the axes on
/// which it is partial.
struct parameter_plan {
  shape dims{};
  placement at{}, gradient{};
};

/// How one operation is done on a mesh.
struct operation_plan {
  placement cut{};   ///< of `operation::over()`
  placement made{};  ///< where the result comes to lie
  std::vector<move> settle{};    ///< from there to where the tensor lies
  std::vector<move> unsettle{};  ///< of the gradient, from where the tensor's lies to where the operation needs it
  placement dy{};                ///< there
  std::vector<operand_plan> operands{};
  std::vector<parameter_plan> parameters{};
};

/// A tensor of the network, in the dimensions of the operation that makes it.
struct tensor_plan {
  placement lies{}, gradient{};
};

struct network_plan {
  std::vector<tensor_plan> tensors{};       ///< the network's input, then what each operation makes
  std::vector<operation_plan> operations{};
};

namespace detail {

class planning {
 public:
  constexpr planning(const std::vector<tensor_operation>& net, const layout& rules, const mesh& on, const move_costs& costs)
      : net_(net), rules_(rules), on_(on), costs_(costs) {
    check_rules();
    plan_.tensors.resize(net.size() + 1);
    for (std::size_t i = 0; i < net.size(); ++i) forward(i);
    for (std::size_t i = net.size(); i-- > 0;) backward(i);
  }

  constexpr network_plan result() const { return plan_; }

 private:
  // A rule that says nothing is a mistake.
  constexpr void check_rules() const {
    for (const layout_rule& rule : rules_.rules()) {
      for (const name& axis : rule.along())
        if (on_.find(axis) < 0)
          throw error(errc::invalid_argument, format("the layout puts '%s' on the axis '%s', and the mesh has %s",
                                                     rule.dimension.text().c_str(), axis.text().c_str(), on_.text().c_str()));
      bool layer = false, dimension = false;
      for (const tensor_operation& o : net_) {
        const bool of_it = matches(rule.pattern.view(), o.label.view());
        layer |= of_it;
        dimension |= of_it && o.over().has(rule.dimension);
      }
      if (!layer)
        throw error(errc::invalid_argument, format("the layout's '%s' is the name of no layer", rule.pattern.text().c_str()));
      if (!dimension)
        throw error(errc::invalid_argument, format("no layer that '%s' names has a dimension '%s' that can be cut",
                                                   rule.pattern.text().c_str(), rule.dimension.text().c_str()));
    }
  }

  constexpr placement cut_of(const tensor_operation& o) const {
    const shape over = o.over();
    placement cut;
    for (std::size_t d = 0; d < over.rank(); ++d) {
      const layout_rule* rule = rules_.rule_for(o.label.view(), over[d].what.view());
      if (!rule) continue;
      for (const name& what : rule->along()) {
        const int axis = on_.find(what);
        if (const int other = cut.dimension_on(axis); other >= 0)
          throw error(errc::invalid_argument,
                      format("layer '%s': the axis '%s' cannot cut both '%s' and '%s'", o.label.text().c_str(),
                             what.text().c_str(), over[static_cast<std::size_t>(other)].what.text().c_str(),
                             over[d].what.text().c_str()));
        cut = cut.sharded(d, axis);
      }
      if (o.what == operation_kind::flatten && d == 1) need_even(o, cut);
    }
    if (has_parameters(o.what)) return cut;
    // What no rule names stays as it lies.
    const placement& lies = plan_.tensors[o.inputs[0]].lies;
    for (std::size_t d = 0; d < over.rank(); ++d) {
      if (rules_.rule_for(o.label.view(), over[d].what.view())) continue;
      placement next = cut;
      for (int axis : lies.axes_of(d)) {
        if (next.dimension_on(axis) >= 0) break;
        next = next.sharded(d, axis);
      }
      if (o.what != operation_kind::flatten || d != 1 || even(o, next)) cut = next;
    }
    return cut;
  }

  // Pieces of channels are pieces of features only where they are all as long.
  constexpr bool even(const tensor_operation& o, const placement& cut) const {
    std::size_t parts = 1;
    for (int axis : cut.axes_of(1)) parts *= static_cast<std::size_t>(on_[axis].size);
    return o.x[1].size % parts == 0;
  }
  constexpr void need_even(const tensor_operation& o, const placement& cut) const {
    if (!even(o, cut))
      throw error(errc::invalid_argument, format("layer '%s' can cut %zu channels only into pieces of equal size",
                                                 o.label.text().c_str(), o.x[1].size));
  }

  constexpr placement of_result(const tensor_operation& o, const placement& cut) const {
    placement made;
    if (o.what == operation_kind::flatten) {
      for (std::size_t d = 0; d < 2; ++d)
        for (int axis : cut.axes_of(d)) made = made.sharded(d, axis);
      return made;
    }
    made = project(cut, o.over(), o.y);
    for (int axis = 0; axis < on_.axes(); ++axis)
      if (cut.dimension_on(axis) >= 0 && made.dimension_on(axis) < 0) made = made.with_partial(axis);
    return made;
  }
  constexpr std::size_t uses(std::size_t tensor) const {
    std::size_t n = 0;
    for (const tensor_operation& o : net_)
      for (std::size_t input : o.inputs) n += input == tensor;
    return n;
  }

  constexpr void forward(std::size_t i) {
    const tensor_operation& o = net_[i];
    operation_plan p{.cut = cut_of(o)};
    const placement at = project(p.cut, o.over(), o.x);
    // The network's input is brought to where it is first needed.
    if (i == 0) plan_.tensors[0].lies = at;
    for (std::size_t input : o.inputs)
      p.operands.push_back({.at = at, .forward = plan_moves(o.x, plan_.tensors[input].lies, at, on_, costs_)});
    for (const shape& dims : o.parameters) p.parameters.push_back({.dims = dims, .at = project(p.cut, o.over(), dims)});
    p.made = of_result(o, p.cut);
    placement lies = p.made;
    // A sum that several use, or nobody, is added up here.
    if (uses(i + 1) != 1)
      for (int axis = 0; axis < on_.axes(); ++axis) lies = lies.with_partial(axis, false);
    p.settle = plan_moves(o.y, p.made, lies, on_, costs_);
    plan_.tensors[i + 1].lies = lies;
    plan_.operations.push_back(p);
  }

  // Comes after all operations that use what this one makes.
  constexpr void backward(std::size_t i) {
    const tensor_operation& o = net_[i];
    operation_plan& p = plan_.operations[i];
    const placement given = collect_gradient(i + 1);
    // A sum's gradient is the same for every summand.
    p.dy = p.made;
    for (int axis = 0; axis < on_.axes(); ++axis)
      p.dy = p.dy.with_partial(axis, p.made.replicated_on(axis) && given.partial_on(axis));
    p.unsettle = plan_moves(o.y, given, p.dy, on_, costs_);
    for (parameter_plan& w : p.parameters) w.gradient = gradient_of(w.at, p);
    for (operand_plan& x : p.operands) x.gradient = gradient_of(x.at, p);
  }

  // Where an axis cuts an operation but not this operand, every rank has a
  // summand of its gradient; where it cuts what the operation sums, and not the
  // operand either, all have the whole.
  constexpr placement gradient_of(const placement& at, const operation_plan& p) const {
    placement g = at;
    for (int axis = 0; axis < on_.axes(); ++axis) {
      if (at.dimension_on(axis) >= 0) continue;
      const bool cuts = p.cut.dimension_on(axis) >= 0;
      g = g.with_partial(axis, cuts ? !p.made.partial_on(axis) : p.dy.partial_on(axis));
    }
    return g;
  }

  template <class Use>
  constexpr void for_each_use(std::size_t tensor, Use use) {
    for (std::size_t i = 0; i < net_.size(); ++i)
      for (std::size_t k = 0; k < net_[i].inputs.size(); ++k)
        if (net_[i].inputs[k] == tensor) use(net_[i], plan_.operations[i].operands[k]);
  }

  // Where a tensor's gradient is collected: as the tensor lies, but where that is
  // replicated the gradient may be a sum or be there on every rank, whichever
  // costs less. Nobody's gradient is given as the tensor lies.
  constexpr placement collect_gradient(std::size_t tensor) {
    tensor_plan& t = plan_.tensors[tensor];
    double least = -1;
    placement best = t.lies;
    for (unsigned sums = 0; uses(tensor) > 0 && sums < 1u << on_.axes(); ++sums) {
      placement to = t.lies;
      bool possible = true;
      for (int axis = 0; axis < on_.axes(); ++axis) {
        if ((sums >> axis & 1u) == 0) to = to.with_partial(axis, false);
        else if (t.lies.replicated_on(axis)) to = to.with_partial(axis);
        else possible = false;
      }
      if (!possible) continue;
      double cost = 0;
      for_each_use(tensor, [&](const tensor_operation& o, operand_plan& x) {
        cost += seconds_of(plan_moves(o.x, x.gradient, to, on_, costs_), o.x, x.gradient, on_, costs_);
      });
      if (least >= 0 && cost >= least) continue;
      least = cost;
      best = to;
    }
    for_each_use(tensor, [&](const tensor_operation& o, operand_plan& x) { x.backward = plan_moves(o.x, x.gradient, best, on_, costs_); });
    return t.gradient = best;
  }

  const std::vector<tensor_operation>& net_;
  const layout& rules_;
  const mesh& on_;
  move_costs costs_;
  network_plan plan_{};
};

}  // namespace detail

/// How a network is trained on a mesh by a layout: where every tensor, every
/// parameter and every gradient lies, and what is moved in between. The same for
/// compile time and run time. Throws `invalid_argument` with a sentence that names
/// layer, dimension and axis where the layout cannot be.
///
/// The layout cuts the loops of each operation; an operation without parameters
/// stays where its operand lies, in as far as no rule names it. What an axis cuts
/// that is summed leaves a sum over that axis, which the next operation's needs
/// add up, scattered where that will do.
constexpr network_plan plan_network(const operation_list& net, const layout& rules, const mesh& on,
                                    const move_costs& costs = {}) {
  return detail::planning(net.all(), rules, on, costs).result();
}

}  // namespace tutti
