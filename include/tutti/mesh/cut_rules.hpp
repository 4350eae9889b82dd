#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/mesh/planner.hpp>

namespace tutti {

/// What a layout says of one operation: how it is cut, and which of its dimensions
/// (a bit each) have rules, those that are not cut included.
struct ruled_cut {
  placement cut{};
  unsigned ruled = 0;
  friend constexpr bool operator==(const ruled_cut&, const ruled_cut&) = default;
};

namespace detail {

constexpr void add_rules(layout& rules, const name& pattern, const tensor_operation& o, const ruled_cut& here, const mesh& on) {
  const shape over = o.over();
  for (std::size_t d = 0; d < over.rank(); ++d) {
    if ((here.ruled >> d & 1u) == 0) continue;
    layout_rule rule{.pattern = pattern, .dimension = over[d].what};
    for (int axis : here.cut.axes_of(d)) rule.axes[rule.cuts++] = on[axis].what;
    rules.add(rule);
  }
}

/// As in `conv` of `conv3_2a`.
constexpr std::string_view word_of(const tensor_operation& o) {
  std::size_t n = 0;
  while (n < o.label.view().size() && (o.label.view()[n] < '0' || o.label.view()[n] > '9')) ++n;
  return o.label.view().substr(0, n);
}

}  // namespace detail

/// The layout that cuts a network's operations so, one of these each. What most
/// convolutions, or dense layers, have in common is said once, as in
/// `conv*/batch:data`, if their names begin alike and no others' do.
constexpr layout layout_of(const std::vector<tensor_operation>& net, const std::vector<ruled_cut>& cuts, const mesh& on) {
  layout rules;
  std::vector<unsigned> said(net.size(), 0);  // dimensions that the common rules name
  std::vector<ruled_cut> common(net.size());
  for (std::size_t i = 0; i < net.size(); ++i) {
    const std::string_view word = detail::word_of(net[i]);
    bool first = contracts(net[i].what) && !word.empty();
    for (std::size_t k = 0; k < net.size(); ++k) {
      const bool alike = net[k].label.view().substr(0, word.size()) == word;
      first &= !alike || (net[k].what == net[i].what && (k >= i || detail::word_of(net[k]) != word));
    }
    if (!first) continue;
    std::size_t most = 1, best = net.size();
    for (std::size_t k = i; k < net.size(); ++k) {
      std::size_t same = 0;
      for (std::size_t l = i; l < net.size(); ++l) same += contracts(net[l].what) && detail::word_of(net[l]) == word && cuts[l] == cuts[k];
      if (contracts(net[k].what) && detail::word_of(net[k]) == word && same > most) most = same, best = k;
    }
    if (best == net.size()) continue;
    detail::add_rules(rules, name(word) + "*", net[best], cuts[best], on);
    for (std::size_t k = i; k < net.size(); ++k)
      if (net[k].what == net[i].what && net[k].label.view().substr(0, word.size()) == word) common[k] = cuts[best], said[k] = cuts[best].ruled;
  }
  for (std::size_t i = 0; i < net.size(); ++i) {
    ruled_cut rest = cuts[i];
    rest.ruled |= said[i];
    for (std::size_t d = 0; d < net[i].over().rank(); ++d)
      if ((said[i] >> d & 1u) != 0 && common[i].cut.axes_of(d) == cuts[i].cut.axes_of(d)) rest.ruled &= ~(1u << d);
    detail::add_rules(rules, net[i].label, net[i], rest, on);
  }
  return rules;
}

/// A cut as rules would say it: `batch:data+model`, or `whole`.
inline std::string cut_text(const tensor_operation& o, const placement& at, const mesh& on) {
  ruled_cut cut{.cut = at};
  for (std::size_t d = 0; d < o.over().rank(); ++d)
    if (!at.axes_of(d).empty()) cut.ruled |= 1u << d;
  layout rules;
  detail::add_rules(rules, "*", o, cut, on);
  return rules.rules().empty() ? "whole" : rules.text();
}

/// How convolutions and dense layers are cut, one line for neighbours that are cut alike:
/// `conv1 to conv5_2b (20): batch:data+model`.
inline std::string cuts_text(const operation_list& net, const network_plan& plan, const mesh& on) {
  std::string text, last;
  std::size_t first = 0, before = 0, layers = 0;
  auto close = [&] {
    if (layers == 0) return;
    text += net.all()[first].label.text();
    if (layers > 1) text += format(" to %s (%zu)", net.all()[before].label.text().c_str(), layers);
    text += ": " + last + "\n";
  };
  for (std::size_t i = 0; i < net.all().size(); ++i) {
    const tensor_operation& o = net.all()[i];
    if (!contracts(o.what)) continue;
    const std::string here = cut_text(o, plan.operations[i].cut, on);
    if (layers > 0 && here != last) close(), layers = 0;
    if (layers == 0) first = i;
    last = here;
    before = i;
    ++layers;
  }
  close();
  return text;
}

}  // namespace tutti
