#include <tutti/mesh/planner.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "../kernel/data.hpp"
#include "interpret.hpp"
#include "worlds.hpp"

using namespace tutti;

namespace {

constexpr window three{.size = 3, .pad_low = 1, .pad_high = 1}, two{.size = 2, .stride = 2};

constexpr operation_list small_network() {
  operation_list n = worlds::small_network();
  n.loss("loss");
  return n;
}
constexpr operation_list normalised_network() {
  operation_list n = worlds::normalised_network();
  n.loss("loss");
  return n;
}
constexpr operation_list deep_network() {
  operation_list n = worlds::deep_network();
  n.loss("loss");
  return n;
}

static_assert(plan_network(small_network(), "batch:data,conv*/filters:model", mesh{{"data", 2}, {"model", 2}}).operations.size() == 13);

/// A network with data and parameters, and what one rank makes of them.
struct example {
  operation_list net;
  interpret::values input;
  std::vector<std::vector<interpret::values>> parameters;
  interpret::trained reference;

  explicit example(const operation_list& n) : net(n), input(some<modular>(n.shape_of(0).elements(), 1)) {
    std::uint64_t purpose = 1;
    for (const tensor_operation& o : net.all()) {
      parameters.emplace_back();
      for (const shape& dims : o.parameters) parameters.back().push_back(some<modular>(dims.elements(), ++purpose));
    }
    reference = run(plan_network(net, "", mesh{}), mesh{});
  }

  interpret::trained run(const network_plan& plan, const mesh& on, const interpret::damage& broken = {}) const {
    return interpret::network(net, plan, on, broken).run(input, parameters);
  }

  /// The name of the first thing that is not as one rank has it; empty where all is.
  std::string difference(const interpret::trained& found, const mesh& on) const {
    auto same = [&](const world_tensor& there, const world_tensor& here) { return collect(there, on) == here.ranks[0]; };
    for (std::size_t t = 0; t < found.tensors.size(); ++t)
      if (!same(found.tensors[t], reference.tensors[t])) return format("tensor %zu", t);
    for (std::size_t t = 1; t + 1 < found.tensors.size(); ++t)
      if (!same(found.gradients[t], reference.gradients[t])) return format("gradient of tensor %zu", t);
    for (std::size_t i = 0; i < net.all().size(); ++i)
      for (std::size_t n = 0; n < found.parameter_gradients[i].size(); ++n)
        if (!same(found.parameter_gradients[i][n], reference.parameter_gradients[i][n]))
          return format("gradient of parameter %zu of %s", n, net.all()[i].label.text().c_str());
    return {};
  }
  std::string difference(const network_plan& plan, const mesh& on, const interpret::damage& broken = {}) const {
    return difference(run(plan, on, broken), on);
  }
};

std::string rules_of(const tensor_operation& o, const placement& cut, const mesh& on) {
  std::string text;
  const shape over = o.over();
  for (std::size_t d = 0; d < over.rank(); ++d) {
    text += (text.empty() ? "" : ",") + o.label.text() + "/" + over[d].what.text() + ":";
    bool first = true;
    for (int axis : cut.axes_of(d)) {
      text += (first ? "" : "+") + on[axis].what.text();
      first = false;
    }
  }
  return text;
}

/// Every way to cut an operation: each axis on one of its dimensions, or on none.
std::vector<placement> all_cuts(const tensor_operation& o, const mesh& on) {
  std::vector<placement> cuts;
  for (const placement& p : worlds::placements(o.over().rank(), on))
    if (!p.any_partial()) cuts.push_back(p);
  return cuts;
}

bool can_cut(const tensor_operation& o, const placement& cut, const mesh& on) {
  std::size_t parts = 1;
  for (int axis : cut.axes_of(1)) parts *= static_cast<std::size_t>(on[axis].size);
  if (o.what == operation_kind::flatten) return o.x[1].size % parts == 0;
  // As many filters as channels: both are cut at the same places, and where groups are of one each, at any.
  return o.groups == 1 || (o.groups == o.x[1].size && o.groups == o.y[1].size) || o.groups % parts == 0;
}

void check(const example& e, const std::string& rules, const mesh& on) {
  CAPTURE(rules);
  CAPTURE(on.text());
  CHECK(e.difference(plan_network(e.net, std::string_view(rules), on), on) == "");
}

}  // namespace

TEST_CASE("each operation in every layout, on meshes of 1 to 6 ranks: results and gradients equal one rank's") {
  std::vector<example> all;
  const shape pictures{{"batch", 2}, {"channels", 3}, {"height", 5}, {"width", 4}};
  const shape volumes{{"batch", 2}, {"channels", 3}, {"depth", 4}, {"height", 3}, {"width", 5}};
  // What stands on the input makes no gradient of it: something is before each.
  auto add = [&](auto build, const shape* of = nullptr) {
    operation_list n(of ? *of : pictures);
    build(n);
    if (n.all().back().what != operation_kind::loss) {  // which gives gradients to all before it
      if (n.shape_of(n.all().size()).rank() >= 4) n.flatten("last");
      n.dense("classes", 3);
      n.loss("loss");
    }
    all.emplace_back(n);
  };
  add([](operation_list& n) { n.pointwise("before"), n.convolution("it", 3, three, {.size = 3, .stride = 2, .pad_low = 1, .pad_high = 0}), n.pointwise("after"); });
  add([](operation_list& n) { n.pointwise("before"), n.pool("it", {.size = 3, .stride = 2, .pad_low = 1, .pad_high = 1}, two), n.pointwise("after"); });
  add([](operation_list& n) { n.pointwise("before"), n.average_pool("it", {.size = 3, .stride = 2, .pad_low = 1, .pad_high = 1}, {.size = 4}), n.pointwise("after"); });
  add([](operation_list& n) { n.pointwise("before"), n.batch_norm("it"), n.pointwise("after"); });
  add([](operation_list& n) { n.flatten("before"), n.dense("dense", 3), n.batch_norm("it"), n.pointwise("after"); });
  add([](operation_list& n) { n.pointwise("before"), n.dropout("it", 0.5), n.pointwise("after"); });
  const filter_options depth_wise{.groups = 3}, no_bias{.bias = false}, two_groups{.groups = 2, .bias = false};
  const window even{.size = 2, .stride = 2, .pad_high = 1};
  add([&](operation_list& n) { n.pointwise("before"), n.convolution("it", 3, three, even, n.last, depth_wise), n.pointwise("after"); });
  add([&](operation_list& n) { n.convolution("before", 4, {}, {}, n.last, no_bias), n.convolution("it", 6, three, even, n.last, two_groups), n.pointwise("after"); });
  add([&](operation_list& n) { n.pointwise("before"), n.convolution("it", 3, even, three, n.last, no_bias), n.pointwise("after"); });
  add([](operation_list& n) { n.pointwise("before"), n.pointwise("it"), n.pointwise("after"); });
  add([](operation_list& n) { n.pointwise("before"), n.sum("it", 0, 1), n.pointwise("after"); });
  add([](operation_list& n) { n.pointwise("before"), n.flatten("it"), n.dense("after", 2); });
  add([](operation_list& n) { n.flatten("before"), n.dense("it", 5), n.pointwise("after"); });
  add([](operation_list& n) { n.flatten("before"), n.loss("it"); });
  using windows = std::vector<window>;
  const window dilated{.size = 2, .pad_low = 1, .dilation = 2};
  add([&](operation_list& n) { n.pointwise("before"), n.convolution("it", 3, windows{even, three, dilated}), n.pointwise("after"); }, &volumes);
  add([&](operation_list& n) { n.pointwise("before"), n.convolution("it", 3, windows{dilated, even, three}, n.last, depth_wise), n.pointwise("after"); }, &volumes);
  add([&](operation_list& n) { n.pointwise("before"), n.pool("it", windows{three, dilated, even}), n.pointwise("after"); }, &volumes);
  add([&](operation_list& n) { n.pointwise("before"), n.average_pool("it", windows{even, three, dilated}), n.pointwise("after"); }, &volumes);
  add([](operation_list& n) { n.pointwise("before"), n.batch_norm("it"), n.pointwise("after"); }, &volumes);
  add([](operation_list& n) { n.pointwise("before"), n.flatten("it"), n.dense("after", 2); }, &volumes);
  std::size_t cases = 0;
  for (const example& e : all) {
    std::size_t which = 0;
    while (!(e.net.all()[which].label == name("it"))) ++which;
    const tensor_operation& o = e.net.all()[which];
    for (const mesh& on : worlds::meshes())
      for (const placement& cut : all_cuts(o, on)) {
        if (!can_cut(o, cut, on)) continue;
        check(e, rules_of(o, cut, on), on);
        ++cases;
      }
  }
  MESSAGE("layouts of operations: " << cases);
}

TEST_CASE("pictures cut along depth, height and width at once have halos at faces, edges and corners") {
  const example e(deep_network());
  const mesh cube{{"a", 2}, {"b", 2}, {"c", 2}};
  for (const char* rules : {"depth:a,height:b,width:c", "conv*/depth:a+b,conv*/width:c", "batch:c,depth:b,height:a"}) check(e, rules, cube);
}

TEST_CASE("networks whose layers are cut at random equal one rank's") {
  const random_stream random{.seed = 41};
  std::uint64_t next = 0;
  std::size_t cases = 0;
  for (const example& e : {example(small_network()), example(normalised_network()), example(deep_network())})
    for (int round = 0; round < 12; ++round)
      for (const mesh& on : worlds::meshes()) {
        std::string rules;
        for (const tensor_operation& o : e.net.all()) {
          if (!contracts(o.what) && random.below(next++, 3) != 0) continue;  // stays where its operand is
          const std::vector<placement> cuts = all_cuts(o, on);
          const placement cut = cuts[random.below(next++, cuts.size())];
          if (!can_cut(o, cut, on)) continue;
          rules += (rules.empty() ? "" : ",") + rules_of(o, cut, on);
        }
        check(e, rules, on);
        ++cases;
      }
  MESSAGE("layouts of networks, seed 41: " << cases);
}

namespace {

void drop(std::vector<move>& moves, move_kind what) { std::erase_if(moves, [&](const move& m) { return m.what == what; }); }
void replace(std::vector<move>& moves, move_kind what, move_kind by) {
  for (move& m : moves)
    if (m.what == what) m.what = by;
}

template <class Change>
void for_each_operand(network_plan& p, Change change) {
  for (operation_plan& o : p.operations)
    for (operand_plan& x : o.operands) change(x);
}
template <class Change>
void for_each_parameter(network_plan& p, Change change) {
  for (operation_plan& o : p.operations)
    for (parameter_plan& w : o.parameters) change(w);
}

placement other_order(const placement& p) {
  placement q;
  for (std::size_t d = 0; d < shape::capacity; ++d)
    for (int i = p.axes_of(d).size(); i-- > 0;) q = q.sharded(d, p.axes_of(d).begin()[i]);
  for (int axis = 0; axis < 2; ++axis) q = q.with_partial(axis, p.partial_on(axis));
  return q;
}
/// Its sums over axes that cut dimensions from `first` to before `end` of an operation are none.
placement unsummed(placement p, const placement& cut, int first, int end) {
  for (int axis = 0; axis < 2; ++axis)
    if (const int d = cut.dimension_on(axis); d >= first && d < end) p = p.with_partial(axis, false);
  return p;
}
/// A sum over one of two axes is one over the other, if that cuts nothing.
placement summed_over_the_other(const placement& p) {
  placement q = p;
  for (int axis = 0; axis < 2; ++axis)
    if (p.partial_on(axis) && p.replicated_on(1 - axis)) q = q.with_partial(axis, false).with_partial(1 - axis);
  return q;
}
/// Whether an axis cuts what an operation adds up.
bool sums_cut(const placement& cut, const placement& made, int axis) { return cut.dimension_on(axis) >= 0 && made.dimension_on(axis) < 0; }

/// A rule of the planner that does not hold: the planner plans by a wrong one, ...
struct wrong_rule {
  const char* what;
  void (*in)(detail::planning_rules&);
};
/// ... or its plan is altered, or whoever does what it says does not.
struct broken_rule {
  const char* what;
  void (*planned)(network_plan&);
  interpret::damage done{};
};

using operation = const tensor_operation&;
using cut_as = const placement&;

const wrong_rule wrong_rules[] = {
    {"a sum is taken by what is not linear",
     [](detail::planning_rules& by) {
       by.sums_taken = [](operation o, cut_as cut, const mesh& on) {
         unsigned axes = 0;
         for (int axis = 0; axis < on.axes(); ++axis)
           if (!contracts(o.what) && detail::operand_of(o, cut).replicated_on(axis)) axes |= 1u << axis;
         return axes;
       };
     }},
    {"what an axis cuts that is summed leaves no sum",
     [](detail::planning_rules& by) {
       by.result_of = [](operation o, cut_as cut, cut_as at, const mesh& on) {
         placement made = detail::result_of(o, cut, at, on);
         for (int axis = 0; axis < on.axes(); ++axis)
           if (sums_cut(cut, made, axis)) made = made.with_partial(axis, false);
         return made;
       };
     }},
    {"what is made of a sum is none",
     [](detail::planning_rules& by) {
       by.result_of = [](operation o, cut_as cut, cut_as at, const mesh& on) {
         placement made = detail::result_of(o, cut, at, on);
         for (int axis = 0; axis < on.axes(); ++axis)
           if (at.partial_on(axis)) made = made.with_partial(axis, false);
         return made;
       };
     }},
    {"a result is a sum over another axis",
     [](detail::planning_rules& by) {
       by.result_of = [](operation o, cut_as cut, cut_as at, const mesh& on) { return summed_over_the_other(detail::result_of(o, cut, at, on)); };
     }},
    {"filters and units lie along another axis than they are made",
     [](detail::planning_rules& by) {
       by.result_of = [](operation o, cut_as cut, cut_as at, const mesh& on) {
         const placement made = detail::result_of(o, cut, at, on);
         // Pieces of equal size: kernels are given as much as they expect.
         if (!contracts(o.what) || made.axes_of(1).size() != 1 || o.y[1].size % 2 != 0 || !made.replicated_on(1 - made.axes_of(1).back())) return made;
         return made.gathered(1).sharded(1, 1 - made.axes_of(1).back());
       };
     }},
    {"of two axes that cut a parameter the first is the innermost",
     [](detail::planning_rules& by) {
       by.parameter_of = [](cut_as cut, const shape& over, const shape& dims) { return other_order(detail::project(cut, over, dims)); };
     }},
    {"a sum's gradient is a sum",
     [](detail::planning_rules& by) {
       by.gradient_needed = [](cut_as made, cut_as given, const mesh& on) {
         placement dy = detail::gradient_needed(made, given, on);
         for (int axis = 0; axis < on.axes(); ++axis)
           if (made.partial_on(axis)) dy = dy.with_partial(axis);
         return dy;
       };
     }},
    {"where the result is a sum, its gradient may be one, too",
     [](detail::planning_rules& by) {
       by.gradient_needed = [](cut_as made, cut_as given, const mesh& on) {
         placement dy = detail::gradient_needed(made, given, on);
         for (int axis = 0; axis < on.axes(); ++axis)
           if (made.partial_on(axis) && given.partial_on(axis)) dy = dy.with_partial(axis);
         return dy;
       };
     }},
    {"an operand's gradient is no sum where an axis cuts what is made of it",
     [](detail::planning_rules& by) {
       by.gradient_of = [](cut_as at, cut_as cut, cut_as made, cut_as dy, const mesh& on) {
         return unsummed(detail::gradient_of(at, cut, made, dy, on), cut, 0, static_cast<int>(shape::capacity));
       };
     }},
    {"an operand's gradient is a sum over another axis",
     [](detail::planning_rules& by) {
       by.gradient_of = [](cut_as at, cut_as cut, cut_as made, cut_as dy, const mesh& on) {
         return summed_over_the_other(detail::gradient_of(at, cut, made, dy, on));
       };
     }},
    {"what is made of a gradient that is a sum is none",
     [](detail::planning_rules& by) {
       by.gradient_of = [](cut_as at, cut_as cut, cut_as made, cut_as dy, const mesh& on) {
         placement g = detail::gradient_of(at, cut, made, dy, on);
         for (int axis = 0; axis < on.axes(); ++axis)
           if (cut.dimension_on(axis) < 0 && dy.partial_on(axis)) g = g.with_partial(axis, false);
         return g;
       };
     }},
    {"a parameter's gradient is not added up over the batch",
     [](detail::planning_rules& by) {
       by.parameter_gradient_of = [](operation o, cut_as at, cut_as cut, cut_as made, cut_as dy, const mesh& on) {
         return unsummed(detail::parameter_gradient_of(o, at, cut, made, dy, on), cut, 0, 1);
       };
     }},
    {"a parameter's gradient is not added up over the picture",
     [](detail::planning_rules& by) {
       by.parameter_gradient_of = [](operation o, cut_as at, cut_as cut, cut_as made, cut_as dy, const mesh& on) {
         return unsummed(detail::parameter_gradient_of(o, at, cut, made, dy, on), cut, 2, static_cast<int>(shape::capacity));
       };
     }},
    {"a parameter's gradient is added up over another axis",
     [](detail::planning_rules& by) {
       by.parameter_gradient_of = [](operation o, cut_as at, cut_as cut, cut_as made, cut_as dy, const mesh& on) {
         return summed_over_the_other(detail::parameter_gradient_of(o, at, cut, made, dy, on));
       };
     }},
    {"a parameter's gradient is no sum where the result's is one",
     [](detail::planning_rules& by) {
       by.parameter_gradient_of = [](operation o, cut_as at, cut_as cut, cut_as made, cut_as dy, const mesh& on) {
         placement g = detail::parameter_gradient_of(o, at, cut, made, dy, on);
         for (int axis = 0; axis < on.axes(); ++axis)
           if (cut.dimension_on(axis) < 0 && dy.partial_on(axis)) g = g.with_partial(axis, false);
         return g;
       };
     }},
    {"a bias' gradient is added up over what its weights are summed over",
     [](detail::planning_rules& by) {
       by.parameter_gradient_of = [](operation o, cut_as at, cut_as cut, cut_as made, cut_as dy, const mesh& on) {
         placement g = detail::parameter_gradient_of(o, at, cut, made, dy, on);
         for (int axis = 0; axis < on.axes(); ++axis)
           if (sums_cut(cut, made, axis) && at.replicated_on(axis)) g = g.with_partial(axis);
         return g;
       };
     }},
    {"a batch norm's gradients are added up once more",
     [](detail::planning_rules& by) {
       by.parameter_gradient_of = [](operation, cut_as at, cut_as cut, cut_as made, cut_as dy, const mesh& on) {
         return detail::gradient_of(at, cut, made, dy, on);
       };
     }},
    {"of a sum a rank keeps its part of its own summand",
     [](detail::planning_rules& by) {
       by.moves = [](const shape& whole, cut_as from, cut_as to, const mesh& on, const move_costs& costs) {
         std::vector<move> moves = plan_moves(whole, from, to, on, costs);
         replace(moves, move_kind::reduce_scatter, move_kind::slice);
         return moves;
       };
     }},
    {"a sum is not added up",
     [](detail::planning_rules& by) {
       by.moves = [](const shape& whole, cut_as from, cut_as to, const mesh& on, const move_costs& costs) {
         std::vector<move> moves = plan_moves(whole, from, to, on, costs);
         drop(moves, move_kind::all_reduce);
         return moves;
       };
     }},
    {"what every rank has is everybody's summand",
     [](detail::planning_rules& by) {
       by.moves = [](const shape& whole, cut_as from, cut_as to, const mesh& on, const move_costs& costs) {
         std::vector<move> moves = plan_moves(whole, from, to, on, costs);
         drop(moves, move_kind::keep_on_first);
         return moves;
       };
     }},
};

const broken_rule broken_rules[] = {
    {"a sum is used before it is added up",
     [](network_plan& p) {
       for_each_operand(p, [](operand_plan& x) { drop(x.forward, move_kind::all_reduce); });
       for (operation_plan& o : p.operations) drop(o.settle, move_kind::all_reduce);
     }},
    {"a gradient is used before it is added up",
     [](network_plan& p) {
       for_each_operand(p, [](operand_plan& x) { drop(x.backward, move_kind::all_reduce); });
       for (operation_plan& o : p.operations) drop(o.unsettle, move_kind::all_reduce);
     }},
    {"of a gradient a rank keeps its part of its own summand",
     [](network_plan& p) { for_each_operand(p, [](operand_plan& x) { replace(x.backward, move_kind::reduce_scatter, move_kind::slice); }); }},
    {"a gradient that every rank has is added up",
     [](network_plan& p) {
       for_each_parameter(p, [](parameter_plan& w) {
         for (int axis = 0; axis < 2; ++axis)
           if (w.at.dimension_on(axis) < 0) w.gradient = w.gradient.with_partial(axis);
       });
     }},
    {"a parameter's gradient is not added up",
     [](network_plan& p) {
       for_each_parameter(p, [](parameter_plan& w) {
         for (int axis = 0; axis < 2; ++axis) w.gradient = w.gradient.with_partial(axis, false);
       });
     }},
    {"the first of two axes that cut a gradient is taken for the innermost",
     [](network_plan& p) { for_each_parameter(p, [](parameter_plan& w) { w.gradient = other_order(w.gradient); }); }},
    {"a batch norm adds up its statistics over the batch only",
     [](network_plan& p) {
       for (operation_plan& o : p.operations)
         for (std::size_t d = 2; d < shape::capacity; ++d)
           while (!o.cut.axes_of(d).empty()) o.cut = o.cut.gathered(d);
     }},
    {"every summand has the bias", nullptr, {.bias_everywhere = true}},
    {"what lies beyond a rank's own places is not read", nullptr, {.halo_not_read = true}},
    {"what was read from others gets no gradient", nullptr, {.halo_not_returned = true}},
    {"a loss knows a rank's own classes only", nullptr, {.classes_not_summed = true}},
    {"of two operands one gets a gradient", nullptr, {.second_operand_forgotten = true}},
    {"a batch norm knows a rank's own mean only", nullptr, {.statistics_not_summed = true}},
    {"a batch norm knows a rank's own gradients only", nullptr, {.gradient_statistics_not_summed = true}},
    {"what is dropped goes by a rank's own numbers", nullptr, {.dropped_by_own_number = true}},
};

/// Networks and layouts of them that have a use for every rule.
struct laid_out {
  example net;
  std::vector<const char*> layouts;
};
const mesh four{{"a", 2}, {"b", 2}};
std::vector<laid_out> examples_of_rules() {
  return {
      {example(small_network()),
       {"batch:a", "conv*/channels:a,relu1/height:a", "conv1/filters:a+b,dense*/units:b",
        "conv2/channels:a,conv3/height:a,conv3/width:b", "batch:a,conv*/filters:b,dense1/features:b,loss/classes:b"}},
      {example(normalised_network()), {"batch:a", "batch:a,height:b", "conv1/channels:a,side/channels:b", "conv*/filters:a,dense*/units:b"}},
  };
}

/// That not all is as on one rank by the plans that `planned(network, rules)` gives; prints
/// what is not, and in how many layouts.
template <class Planned>
void need_caught(const char* what, const std::vector<laid_out>& all, Planned planned, const interpret::damage& done = {}) {
  std::string first;
  std::size_t caught = 0;
  for (const auto& [net, layouts] : all)
    for (const char* rules : layouts) {
      const std::string difference = net.difference(planned(net.net, rules), four, done);
      if (!difference.empty() && caught++ == 0) first = format("%s by %s", difference.c_str(), rules);
    }
  CHECK_MESSAGE(caught > 0, std::string(what));
  MESSAGE(std::string(what) << ": caught in " << caught << " layouts, first " << first);
}

}  // namespace

TEST_CASE("each of twenty planners that have one wrong rule is caught") {
  static_assert(std::size(wrong_rules) == 20);
  const std::vector<laid_out> all = examples_of_rules();
  for (const auto& [net, layouts] : all)
    for (const char* rules : layouts) CHECK(net.difference(plan_network(net.net, rules, four), four) == "");
  for (const wrong_rule& rule : wrong_rules)
    need_caught(rule.what, all, [&](const operation_list& net, const char* rules) {
      detail::planning_rules by;
      rule.in(by);
      return detail::planning(net.all(), layout(rules), four, {}, by).result();
    });
}

TEST_CASE("each of fifteen ways to alter a plan, or to do other than it says, is caught") {
  static_assert(std::size(broken_rules) == 15);
  const std::vector<laid_out> all = examples_of_rules();
  for (const broken_rule& rule : broken_rules)
    need_caught(rule.what, all, [&](const operation_list& net, const char* rules) {
      network_plan plan = plan_network(net, rules, four);
      if (rule.planned) rule.planned(plan);
      return plan;
    }, rule.done);
}

TEST_CASE("a rule for one tensor: what a layer makes lies where it says, whatever cuts the layers, and all is as on one rank") {
  const example small(small_network()), normalised(normalised_network());
  const mesh on{{"a", 2}, {"b", 3}};
  for (const char* rules : {"batch:a,conv1.output/height:b", "conv*/filters:a,conv*.output/filters:,conv2.output/width:b+a",
                            "conv2/channels:a,conv2.output/batch:a", "dense1/features:a+b,dense1.output/units:b+a", "*.output/batch:a,flatten.output/features:b",
                            "batch:b,add.output/channels:a,pool1.output/height:b"})
    check(small, rules, on);
  for (const char* rules : {"batch:a,norm1.output/height:b", "conv2.output/filters:b,join.output/width:a", "drop1.output/channels:a,norm3.output/batch:b+a"})
    check(normalised, rules, on);
  const network_plan plan = plan_network(small.net, "conv2/channels:a,conv2.output/width:a,batch:b", on);
  CHECK(plan.operations[3].made.partial_on(0));
  CHECK(plan.operations[3].settle == std::vector<move>{{.what = move_kind::reduce_scatter, .axis = 0, .to = 3}});
  CHECK(plan.tensors[4].lies == placement{}.sharded(0, 1).sharded(3, 0));
}

TEST_CASE("what is added up inside of operations is said: channels and counts of a batch norm, samples of a loss") {
  const operation_list n = normalised_network();
  const mesh on{{"a", 2}, {"b", 3}};
  auto inside = [&](const char* rules, std::size_t operation, int r) {
    const network_plan p = plan_network(n, rules, on);
    return inner_reductions(n.all()[operation], p.operations[operation], on, {r}, 4);
  };
  using all = std::vector<inner_reduction>;
  CHECK(inside("batch:a", 0, 0) == all{});
  CHECK(inside("batch:a", 1, 0) == all{{.axes = 1, .forward = 9, .backward = 8, .bytes_each = 8}});
  CHECK(inside("conv*/filters:a", 1, 0) == all{});  // whole channels, of whole batches
  CHECK(inside("batch:a,height:b", 1, 0) == all{{.axes = 3, .forward = 9, .backward = 8, .bytes_each = 8}});
  CHECK(inside("conv1/height:a,norm1/channels:b,norm1/height:a", 1, 0) == all{{.axes = 1, .forward = 5, .backward = 4, .bytes_each = 8}});
  CHECK(inside("conv1/height:a,norm1/channels:b,norm1/height:a", 1, 5) == all{{.axes = 1, .forward = 3, .backward = 2, .bytes_each = 8}});
  CHECK(inside("loss/batch:a,loss/classes:b", n.all().size() - 1, 5) ==
        all{{.axes = 2, .forward = 2, .backward = 0, .bytes_each = 16}, {.axes = 2, .forward = 4, .backward = 0, .bytes_each = 4}});
}

TEST_CASE("a layout that cannot be is refused in a sentence that says why") {
  const operation_list n = small_network();
  const mesh on{{"data", 2}, {"model", 2}};
  auto plan = [&](const char* rules) { return plan_network(n, rules, on); };
  CHECK_THROWS_WITH_AS(plan("batch:date"), "the layout puts 'batch' on the axis 'date', and the mesh has data=2,model=2", error);
  CHECK_THROWS_WITH_AS(plan("convolution*/batch:data"), "the layout's 'convolution*' is the name of no layer; the nearest are conv1, conv2, conv3", error);
  CHECK_THROWS_WITH_AS(plan("foo:model"), "no layer has a dimension 'foo' that can be cut; there are batch, filters, height, width, channels, units, features, classes", error);
  CHECK_THROWS_WITH_AS(plan("dense*/filters:model"), "no layer that 'dense*' names has a dimension 'filters' that can be cut; there are batch, units, features", error);
  CHECK_THROWS_WITH_AS(plan("batch:data,filters:data"), "layer 'conv1': the axis 'data' cannot cut both 'batch' and 'filters'; leave one out, or give it another axis, and the mesh has data=2,model=2", error);
  CHECK_THROWS_WITH_AS(plan("flatten/channels:data"), "layer 'flatten' can cut 3 channels only into pieces of equal size: the ranks that cut them must divide 3", error);
  CHECK_THROWS_WITH_AS(plan("conv1.weights/filters:model"),
                       "the layout's 'conv1.weights' is a parameter, which lies as its layer is cut: a rule for 'conv1' cuts both", error);
  CHECK_THROWS_WITH_AS(plan("conv1.output/height:model,conv1.output/width:model"),
                       "what layer 'conv1' makes: the axis 'model' cannot cut both 'height' and 'width'; leave one out, or give it another axis, and the mesh has data=2,model=2", error);
  CHECK_THROWS_WITH_AS(plan("conv1.output/channels:model"), "no layer that 'conv1.output' names has a dimension 'channels' that can be cut; there are batch, filters, height, width", error);
  CHECK_THROWS_WITH_AS(plan("conv9.output/filters:model"), "the layout's 'conv9.output' is the name of no layer; the nearest are conv1, conv2, conv3", error);
  CHECK_THROWS_WITH_AS(plan("batch:data,*/batch:data"), "the layout's 'batch:data' holds for no layer, since rules behind it replace it: for 'conv1' it is 'batch:data'; leave it out, or put it behind them", error);
  CHECK_THROWS_WITH_AS(plan("batch:data,conv2/filters:model,conv*/filters:"), "the layout's 'conv2/filters:model' holds for no layer, since rules behind it replace it: for 'conv2' it is 'conv*/filters:'; leave it out, or put it behind them", error);
  CHECK_THROWS_WITH_AS(plan("conv1.output/filters:model,conv*.output/filters:"), "the layout's 'conv1.output/filters:model' holds for no layer, since rules behind it replace it: for 'conv1' it is 'conv*.output/filters:'; leave it out, or put it behind them", error);
  CHECK_NOTHROW(plan("conv*/filters:,conv2/filters:model,conv2.output/filters:,batch:data"));  // each holds somewhere
  const mesh three_ranks{{"model", 3}};
  CHECK_THROWS_WITH_AS(plan_network(normalised_network(), "conv2/filters:model", three_ranks),
                       "layer 'conv2' can cut 4 filters only into pieces of whole groups, of which it has 2: the ranks that cut them must divide 2", error);
  CHECK_THROWS_WITH_AS(plan_network(normalised_network(), "conv2/channels:model", three_ranks),
                       "no layer that 'conv2' names has a dimension 'channels' that can be cut; there are batch, filters, height, width", error);
  operation_list wrong({{"batch", 2}, {"channels", 1}, {"height", 4}, {"width", 4}});
  CHECK_THROWS_WITH_AS(wrong.dense("dense1", 3), "layer 'dense1' needs (batch, features) and gets (batch 2, channels 1, height 4, width 4); flatten first", error);
  CHECK_THROWS_WITH_AS(wrong.convolution("conv1", 1, {.size = 7}, {}), "layer 'conv1' reads 7 places along a height of 4 with padding; up to here pictures need a height of 7 or more", error);
}
