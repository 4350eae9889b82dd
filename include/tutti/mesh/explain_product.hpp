#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include <tutti/mesh/explain.hpp>
#include <tutti/mesh/panels.hpp>

namespace tutti {

/// In words, how a product is done: how its loops are cut, every move with the bytes that
/// rank 0 sends in it where all ranks are on one host, and why it is there; then the ways
/// that were dearer, the cheapest of them first, at most `others`.
inline std::string explain(const einsum& e, const einsum_plan& plan, const mesh& on, std::size_t width, std::size_t element, std::size_t others = 3) {
  const product_panels p = panels_of(e, plan, on, {0}, width);
  const product_bill sent = bill(e, plan, on, {0}, width, element, chosen_by_model{on, {}});
  std::string text = e.a().text() + " × " + e.b().text() + " → " + e.result().text() + format(" on %s\n", on.axes() > 0 ? on.text().c_str() : "one rank");
  text += "loops " + text_of(e.over(), plan.cut, on) + format(": %.3g s by the model\n", plan.seconds);
  auto add = [&](const char* what, const panelled_tensor& t, const shape& tensor, const std::vector<move>& moves, const std::vector<traffic>& bytes,
                 const move* in_panels) {
    for (std::size_t i = 0; i < moves.size(); ++i) {
      auto dimension = [&](int d) { return tensor[static_cast<std::size_t>(d)].what.text(); };
      const move& m = moves[i];
      std::string why;
      switch (m.what) {
        case move_kind::all_gather: why = "the loops need all " + dimension(m.from); break;
        case move_kind::all_to_all: why = "it is to be cut by " + dimension(m.to) + " and not by " + dimension(m.from); break;
        case move_kind::all_reduce:
        case move_kind::reduce_scatter: why = "it is a sum over " + on[m.axis].what.text(); break;
        case move_kind::slice: why = "the loops take part of " + dimension(m.to); break;
        case move_kind::keep_on_first:
        case move_kind::pad: why = "it is to be a sum over " + on[m.axis].what.text(); break;
      }
      text += format("  %s %s%s, %s: %s\n", what, text_of(m, tensor, on).c_str(),
                     t.moved && &m == in_panels && p.panels.size() > 1 ? format(" in %zu panels", p.panels.size()).c_str() : "",
                     bytes_text(bytes[i].bytes).c_str(), why.c_str());
    }
  };
  add("left  ", p.a, e.a(), plan.move_a, sent.a, plan.move_a.empty() ? nullptr : &plan.move_a.back());
  add("right ", p.b, e.b(), plan.move_b, sent.b, plan.move_b.empty() ? nullptr : &plan.move_b.back());
  add("result", p.result, e.result(), plan.move_result, sent.result, plan.move_result.empty() ? nullptr : &plan.move_result.front());
  text += format("in all: %s in %zu messages\n", bytes_text(sent.sent().bytes).c_str(), static_cast<std::size_t>(sent.sent().messages));

  const placement to = after(plan.result, plan.move_result);
  std::vector<einsum_plan> ways;
  for (const placement& cut : cuts_of(e, plan.given_a, plan.given_b, on))
    if (!(cut == plan.cut)) ways.push_back(plan_einsum(e, cut, plan.given_a, plan.given_b, to, on, {.element = static_cast<double>(element)}));
  std::stable_sort(ways.begin(), ways.end(), [](const einsum_plan& x, const einsum_plan& y) { return x.seconds < y.seconds; });
  for (std::size_t i = 0; i < ways.size() && i < others; ++i)
    text += "instead " + text_of(e.over(), ways[i].cut, on) + format(": %.3g s\n", ways[i].seconds);
  return text;
}

}  // namespace tutti
