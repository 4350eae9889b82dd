#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include <tutti/mesh/cutting.hpp>
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

/// What the ranks along some axes add up while an operation is done: each of them
/// brings as many values, which all have the same number of bytes.
struct inner_reduction {
  unsigned axes = 0;  ///< of the mesh, a bit each
  std::size_t forward = 0, backward = 0, bytes_each = 0;
  friend constexpr bool operator==(const inner_reduction&, const inner_reduction&) = default;
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
  constexpr planning(const std::vector<tensor_operation>& net, const layout& rules, const mesh& on, const move_costs& costs,
                     const planning_rules& by = {})
      : net_(net), rules_(rules), on_(on), costs_(costs), by_(by) {
    check_rules();
    plan_.tensors.resize(net.size() + 1);
    for (std::size_t i = 0; i < net.size() && refused_.empty(); ++i) forward(i);
    for (std::size_t i = net.size(); i-- > 0 && refused_.empty();) backward(i);
  }

  constexpr network_plan result() const {
    need_accepted(refused_);
    return plan_;
  }
  constexpr const sentence& refused() const { return refused_; }

 private:
  constexpr void refuse(std::string_view pattern, std::initializer_list<sentence> words = {}) { tutti::refuse(refused_, pattern, words); }

  // The rule that holds for each dimension of each layer, and of what it makes, where there is one.
  template <class Visit>
  constexpr void for_each_rule(Visit visit) const {
    for (const tensor_operation& o : net_) {
      for (const dimension& d : o.over())
        if (const layout_rule* rule = rules_.rule_for(o.label.view(), d.what.view())) visit(o, *rule);
      for (const dimension& d : o.y)
        if (const layout_rule* rule = rules_.rule_for_output(o.label.view(), d.what.view())) visit(o, *rule);
    }
  }

  // A rule that says nothing is a mistake: one that names nothing.
  constexpr void check_rules() {
    for (const layout_rule& rule : rules_.rules()) {
      for (const name& axis : rule.along())
        if (on_.find(axis) < 0)
          refuse("the layout puts '{}' on the axis '{}', and the mesh has {}", {rule.dimension, axis, on_});
      bool layer = false, dimension = false;
      for (const tensor_operation& o : net_) {
        const bool of_it = matches(rule.layers(), o.label.view());
        layer |= of_it;
        dimension |= of_it && (rule.of_output() ? o.y : o.over()).has(rule.dimension);
        refuse_parameter(rule, o);
      }
      if (!layer)
        refuse("the layout's '{}' is the name of no layer; {}", {rule.pattern, nearest(rule.layers())});
      if (!dimension && rule.pattern == name("*"))
        refuse("no layer has a dimension '{}' that can be cut; there are {}", {rule.dimension, dimensions_of(rule)});
      else if (!dimension)
        refuse("no layer that '{}' names has a dimension '{}' that can be cut; there are {}", {rule.pattern, rule.dimension, dimensions_of(rule)});
    }
    check_replaced();
  }

  // So is one that later ones replace wherever it names something.
  constexpr void check_replaced() {
    const std::vector<layout_rule>& rules = rules_.rules();
    std::vector<unsigned char> holds(rules.size(), 0);
    for_each_rule([&](const tensor_operation&, const layout_rule& rule) { holds[static_cast<std::size_t>(&rule - rules.data())] = 1; });
    for (std::size_t i = 0; i < rules.size() && refused_.empty(); ++i)
      if (holds[i] == 0)
        for_each_rule([&](const tensor_operation& o, const layout_rule& other) {
          if (other.of_output() == rules[i].of_output() && other.dimension == rules[i].dimension && matches(rules[i].layers(), o.label.view()))
            refuse("the layout's '{}' holds for no layer, since rules behind it replace it: for '{}' it is '{}'; leave it out, or put it behind them",
                   {rules[i], o.label, other});
        });
  }

  // The layers whose names begin most as it does, or the first, in order.
  constexpr sentence nearest(std::string_view wanted) const {
    constexpr std::size_t listed = 6;
    auto common = [&](const name& label) {
      std::size_t n = 0;
      while (n < wanted.size() && n < label.view().size() && wanted[n] == label.view()[n]) ++n;
      return n;
    };
    std::size_t most = 0, among = 0;
    for (const tensor_operation& o : net_) most = std::max(most, common(o.label));
    sentence all(most > 0 ? "the nearest are " : "there are ");
    for (const tensor_operation& o : net_)
      if (common(o.label) == most && among++ < listed) all.put(sentence(among > 1 ? ", {}" : "{}", {o.label}));
    if (among > listed) all.put(sentence(" and {} more", {among - listed}));
    return all;
  }
  constexpr sentence dimensions_of(const layout_rule& rule) const {
    std::vector<name> known;
    sentence all;
    for (const tensor_operation& o : net_) {
      if (!matches(rule.layers(), o.label.view())) continue;
      for (const dimension& d : rule.of_output() ? o.y : o.over()) {
        if (std::find(known.begin(), known.end(), d.what) != known.end()) continue;
        all.put(sentence(known.empty() ? "{}" : ", {}", {d.what}));
        known.push_back(d.what);
      }
    }
    return all;
  }

  // Parameters lie as the loops that use them are cut, so that nothing is brought before a step.
  constexpr void refuse_parameter(const layout_rule& rule, const tensor_operation& o) {
    for (std::string_view suffix : {".weights", ".bias", ".scale", ".shift"})
      if (rule.pattern.view().ends_with(suffix) && matches(rule.pattern.view().substr(0, rule.pattern.view().size() - suffix.size()), o.label.view()))
        refuse("the layout's '{}' is a parameter, which lies as its layer is cut: a rule for '{}' cuts both", {rule.pattern, o.label});
  }

  constexpr sentence one_each() const { return {"leave one out, or give it another axis, and the mesh has {}", {on_}}; }

  constexpr placement cut_of(const tensor_operation& o) {
    const shape over = o.over();
    placement cut;
    for (std::size_t d = 0; d < over.rank(); ++d) {
      const layout_rule* rule = rules_.rule_for(o.label.view(), over[d].what.view());
      if (!rule) continue;
      for (const name& what : rule->along()) {
        const int axis = on_.find(what);
        if (const int other = cut.dimension_on(axis); other >= 0)
          refuse("layer '{}': the axis '{}' cannot cut both '{}' and '{}'; {}", {o.label, what, over[static_cast<std::size_t>(other)].what, over[d].what, one_each()});
        else cut = cut.sharded(d, axis);
      }
    }
    need_whole_pieces(o, cut);
    if (contracts(o.what)) return cut;
    unsigned ruled = 0;
    for (std::size_t d = 0; d < over.rank(); ++d)
      if (rules_.rule_for(o.label.view(), over[d].what.view())) ruled |= 1u << d;
    return staying(o, cut, plan_.tensors[o.inputs[0]].lies, ruled, on_);
  }

  constexpr void need_whole_pieces(const tensor_operation& o, const placement& cut) {
    if (whole_pieces(o, cut, on_)) return;
    if (o.what == operation_kind::flatten)
      return refuse("layer '{}' can cut {} channels only into pieces of equal size: the ranks that cut them must divide {}", {o.label, o.x[1].size, o.x[1].size});
    refuse("layer '{}' can cut {} filters only into pieces of whole groups, of which it has {}: the ranks that cut them must divide {}", {o.label, o.y[1].size, o.groups, o.groups});
  }

  // A sum stays one in what is linear.
  constexpr placement of_operand(const tensor_operation& o, const placement& cut) const {
    placement at = by_.operand_of(o, cut);
    for (std::size_t input : o.inputs) at = with_sums(at, sums_of(plan_.tensors[input].lies, by_.sums_taken(o, cut, on_)));
    return at;
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
    const placement at = of_operand(o, p.cut);
    // The network's input is brought to where it is first needed.
    if (i == 0) plan_.tensors[0].lies = at;
    for (std::size_t input : o.inputs)
      p.operands.push_back({.at = at, .forward = by_.moves(o.x, plan_.tensors[input].lies, at, on_, costs_)});
    for (const shape& dims : o.parameters) p.parameters.push_back({.dims = dims, .at = by_.parameter_of(p.cut, o.over(), dims)});
    p.made = by_.result_of(o, p.cut, at, on_);
    placement lies = as_told(o, p.made);
    // A sum that several use, or nobody, is added up here.
    if (uses(i + 1) != 1) lies = without_sums(lies, on_);
    p.settle = by_.moves(o.y, p.made, lies, on_, costs_);
    plan_.tensors[i + 1].lies = lies;
    plan_.operations.push_back(p);
  }

  // Where a layout wants what an operation makes: dimensions that no rule names stay as
  // they are made, but for the axes that others now have.
  constexpr placement as_told(const tensor_operation& o, const placement& made) {
    placement told, lies;
    unsigned ruled = 0;
    for (std::size_t d = 0; d < o.y.rank(); ++d) {
      const layout_rule* rule = rules_.rule_for_output(o.label.view(), o.y[d].what.view());
      if (!rule) continue;
      ruled |= 1u << d;
      for (const name& what : rule->along()) {
        const int axis = on_.find(what);
        if (const int other = told.dimension_on(axis); other >= 0)
          refuse("what layer '{}' makes: the axis '{}' cannot cut both '{}' and '{}'; {}", {o.label, what, o.y[static_cast<std::size_t>(other)].what, o.y[d].what, one_each()});
        else told = told.sharded(d, axis);
      }
    }
    for (std::size_t d = 0; d < o.y.rank(); ++d)
      for (int axis : ((ruled >> d & 1u) != 0 ? told : made).axes_of(d))
        if ((ruled >> d & 1u) != 0 || told.dimension_on(axis) < 0) lies = lies.sharded(d, axis);
    for (int axis = 0; axis < on_.axes(); ++axis) lies = lies.with_partial(axis, made.partial_on(axis) && told.dimension_on(axis) < 0);
    return lies;
  }

  // Comes after all operations that use what this one makes.
  constexpr void backward(std::size_t i) {
    const tensor_operation& o = net_[i];
    operation_plan& p = plan_.operations[i];
    const placement given = collect_gradient(i + 1);
    p.dy = by_.gradient_needed(p.made, given, on_);
    p.unsettle = by_.moves(o.y, given, p.dy, on_, costs_);
    for (parameter_plan& w : p.parameters) w.gradient = by_.parameter_gradient_of(o, w.at, p.cut, p.made, p.dy, on_);
    for (operand_plan& x : p.operands) x.gradient = by_.gradient_of(x.at, p.cut, p.made, p.dy, on_);
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
    const placement best = uses(tensor) == 0 ? t.lies : cheapest_gradient(t.lies, on_, [&](const placement& to) {
      double cost = 0;
      for_each_use(tensor, [&](const tensor_operation& o, operand_plan& x) {
        cost += seconds_of(plan_moves(o.x, x.gradient, to, on_, costs_), o.x, x.gradient, on_, costs_);
      });
      return cost;
    });
    for_each_use(tensor, [&](const tensor_operation& o, operand_plan& x) { x.backward = by_.moves(o.x, x.gradient, best, on_, costs_); });
    return t.gradient = best;
  }

  const std::vector<tensor_operation>& net_;
  const layout& rules_;
  const mesh& on_;
  move_costs costs_;
  planning_rules by_;
  network_plan plan_{};
  sentence refused_{};
};

}  // namespace detail

/// The axes along which a batch norm adds up its statistics, or a loss its samples': a bit each.
constexpr unsigned inner_axes(const tensor_operation& o, const operation_plan& p) {
  const bool normalises = o.what == operation_kind::batch_norm;
  unsigned axes = 0;
  for (std::size_t d = 0; d < o.x.rank() && (normalises || o.what == operation_kind::loss); ++d)
    if (normalises != (d == 1))
      for (int axis : p.cut.axes_of(d)) axes |= 1u << axis;
  return axes;
}

/// What an operation adds up between ranks inside of itself, as rank r sees it, for
/// elements of so many bytes: of a batch norm sum and sum of squares of each of its
/// channels and their count, backward two sums of each (in double, or in the element
/// where that is as wide); of a loss whose classes are cut, for each of its samples the
/// greatest logit with its class, and two sums.
constexpr std::vector<inner_reduction> inner_reductions(const tensor_operation& o, const operation_plan& p, const mesh& on, rank r,
                                                        std::size_t element) {
  const unsigned axes = inner_axes(o, p);
  if (axes == 0) return {};
  const std::size_t wide = element > 8 ? element : 8;
  if (o.what == operation_kind::batch_norm) {
    const std::size_t channels = local_share(p.cut, on, r, 1, o.x[1].size).count;
    return {{.axes = axes, .forward = 2 * channels + 1, .backward = 2 * channels, .bytes_each = wide}};
  }
  const std::size_t samples = local_share(p.cut, on, r, 0, o.x[0].size).count;
  return {{.axes = axes, .forward = samples, .backward = 0, .bytes_each = 2 * wide},
          {.axes = axes, .forward = 2 * samples, .backward = 0, .bytes_each = element}};
}

/// How a network is trained on a mesh by a layout: where every tensor, every
/// parameter and every gradient lies, and what is moved in between. The same for
/// compile time and run time. Throws `invalid_argument` with a sentence that names
/// layer, dimension and axis where the layout cannot be.
///
/// The layout cuts the loops of each operation; what is neither convolution nor dense
/// stays where its operand lies, in as far as no rule names it. What an axis cuts
/// that is summed leaves a sum over that axis, which linear operations pass on and
/// the next other one's needs add up, scattered where that will do. A rule for what an
/// operation makes says where that lies in between.
constexpr network_plan plan_network(const operation_list& net, const layout& rules, const mesh& on,
                                    const move_costs& costs = {}) {
  for (const sentence* refused : {&net.refused(), &rules.refused(), &on.refused()}) need_accepted(*refused);
  return detail::planning(net.all(), rules, on, costs).result();
}

}  // namespace tutti
