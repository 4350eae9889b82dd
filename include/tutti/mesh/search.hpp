#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include <tutti/mesh/halo.hpp>
#include <tutti/mesh/planner.hpp>

namespace tutti {

/// What a step costs: moves, and multiplications.
struct search_costs {
  move_costs moves = {};
  double products_per_s = 10e9;  ///< multiplications and additions of one rank
};

/// Seconds that a training step takes by the model, nothing overlapping: what the
/// busiest rank multiplies in forward and backward, every move, every halo, and
/// adding up the parameters' gradients.
inline double step_seconds(const std::vector<tensor_operation>& net, const network_plan& plan, const mesh& on,
                           const search_costs& costs = {}) {
  double all = 0;
  for (std::size_t i = 0; i < net.size(); ++i) {
    const tensor_operation& o = net[i];
    const operation_plan& p = plan.operations[i];
    // Rank 0 has the longest of all uneven shares.
    double products = contracts(o.what) ? 3 : 2;
    const shape over = o.over();
    for (std::size_t d = 0; d < over.rank(); ++d) products *= static_cast<double>(local_share(p.cut, on, {0}, d, over[d].size).count);
    if (slides(o.what)) products *= static_cast<double>(o.down.size * o.across.size);
    all += products / costs.products_per_s;
    auto add = [&](const std::vector<move>& moves, const shape& whole, const placement& from) {
      all += detail::seconds_of(moves, whole, from, on, costs.moves);
    };
    for (std::size_t k = 0; k < o.inputs.size(); ++k) {
      add(p.operands[k].forward, o.x, plan.tensors[o.inputs[k]].lies);
      add(p.operands[k].backward, o.x, p.operands[k].gradient);
    }
    add(p.settle, o.y, p.made);
    add(p.unsettle, o.y, plan.tensors[i + 1].gradient);
    for (const parameter_plan& w : p.parameters)
      for (int axis = 0; axis < on.axes(); ++axis)
        if (w.gradient.partial_on(axis)) add({{.what = move_kind::all_reduce, .axis = axis}}, w.dims, w.gradient);
    for (std::size_t d : {2u, 3u}) {
      if (!slides(o.what) || p.operands[0].at.axes_of(d).empty()) continue;
      const window& w = d == 2 ? o.down : o.across;
      // There and back, from either side.
      const double places = static_cast<double>(w.reach() > w.stride ? w.reach() - w.stride : 0);
      double words = places;
      for (std::size_t k = 0; k < o.x.rank(); ++k)
        if (k != d) words *= static_cast<double>(local_share(p.operands[0].at, on, {0}, k, o.x[k].size).count);
      const link_model& link = costs.moves.link;
      if (places > 0) all += 4 * (link.latency_s + link.step_s) + 2 * words * costs.moves.element / link.far_bytes_per_s;
    }
  }
  return all;
}

namespace detail {

inline std::string rules_of(const tensor_operation& o, const placement& cut, const mesh& on) {
  std::string text;
  const shape over = o.over();
  for (std::size_t d = 0; d < over.rank(); ++d) {
    bool first = true;
    for (int axis : cut.axes_of(d)) {
      text += first ? (text.empty() ? "" : ",") + o.label.text() + "/" + over[d].what.text() + ":" : "+";
      text += on[axis].what.text();
      first = false;
    }
  }
  return text;
}

/// Every way to cut an operation in which no axis is idle.
inline std::vector<placement> busy_cuts(const tensor_operation& o, const mesh& on) {
  std::vector<placement> all{{}};
  for (int axis = 0; axis < on.axes(); ++axis) {
    std::vector<placement> next;
    for (const placement& p : all)
      for (std::size_t d = 0; d < o.over().rank(); ++d) next.push_back(p.sharded(d, axis));
    all = next;
  }
  return all;
}

inline std::string joined(const std::string& a, const std::string& b) { return a + (a.empty() || b.empty() ? "" : ",") + b; }

}  // namespace detail

/// A layout, and what its step costs by the model.
struct found_layout {
  std::string rules = {};
  double seconds = 0;
};

/// The layout of least cost of a network whose operations follow each other, among
/// all that cut each operation with parameters along every axis and leave the
/// others where their operand lies: dynamic programming from one such operation to
/// the next, since what is moved between two depends on their cuts alone. Throws
/// `not_supported` where a tensor is used twice or not by the next operation. Cost:
/// for n cuts of an operation, n² plans of a few operations each.
inline found_layout search_layout(const std::vector<tensor_operation>& net, const mesh& on, const search_costs& costs = {}) {
  std::vector<std::size_t> layers;
  for (std::size_t i = 0; i < net.size(); ++i) {
    if (net[i].inputs.size() != 1 || net[i].inputs[0] != i)
      throw error(errc::not_supported, format("layer '%s' takes other than what the layer before makes: layouts are searched in chains",
                                              net[i].label.text().c_str()));
    if (contracts(net[i].what)) layers.push_back(i);
  }
  // Seconds of operations first … last, cut as `rules` say.
  auto seconds_of_part = [&](std::size_t first, std::size_t last, const std::string& rules) {
    std::vector<tensor_operation> part(net.begin() + static_cast<std::ptrdiff_t>(first), net.begin() + static_cast<std::ptrdiff_t>(last) + 1);
    for (std::size_t i = 0; i < part.size(); ++i) part[i].inputs = {i};
    const layout cut{std::string_view(rules)};
    return step_seconds(part, detail::planning(part, cut, on, costs.moves).result(), on, costs);
  };
  if (layers.empty()) return {.seconds = net.empty() ? 0 : seconds_of_part(0, net.size() - 1, "")};

  std::vector<found_layout> best;  // for each cut of the layer at hand: the cheapest way there, that layer included
  std::vector<placement> cuts;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const std::size_t here = layers[l];
    std::vector<found_layout> next;
    const std::vector<placement> next_cuts = detail::busy_cuts(net[here], on);
    for (const placement& cut : next_cuts) {
      const std::string rules = detail::rules_of(net[here], cut, on);
      found_layout cheapest{.rules = rules, .seconds = l == 0 ? seconds_of_part(0, here, rules) : -1};
      for (std::size_t b = 0; l > 0 && b < best.size(); ++b) {
        const std::string before = detail::rules_of(net[layers[l - 1]], cuts[b], on);
        // The part begins with the layer before, which `best` has counted.
        const double seconds = best[b].seconds + seconds_of_part(layers[l - 1], here, detail::joined(before, rules)) -
                               seconds_of_part(layers[l - 1], layers[l - 1], before);
        if (cheapest.seconds >= 0 && seconds >= cheapest.seconds) continue;
        cheapest = {.rules = detail::joined(best[b].rules, rules), .seconds = seconds};
      }
      next.push_back(cheapest);
    }
    best = next;
    cuts = next_cuts;
  }
  found_layout found{.seconds = -1};
  for (std::size_t b = 0; b < best.size(); ++b) {
    const std::size_t last = layers.back();
    const std::string rules = detail::rules_of(net[last], cuts[b], on);
    const double seconds = best[b].seconds + seconds_of_part(last, net.size() - 1, rules) - seconds_of_part(last, last, rules);
    if (found.seconds < 0 || seconds < found.seconds) found = {.rules = best[b].rules, .seconds = seconds};
  }
  return found;
}

}  // namespace tutti
