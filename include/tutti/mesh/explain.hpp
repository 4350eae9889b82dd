#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include <tutti/mesh/halo.hpp>
#include <tutti/mesh/planner.hpp>

namespace tutti {

namespace detail {

inline std::string bytes_text(double bytes) {
  if (bytes < 1024) return format("%.0f B", bytes);
  if (bytes < 1024.0 * 1024) return format("%.1f KiB", bytes / 1024);
  return format("%.1f MiB", bytes / (1024.0 * 1024));
}

inline std::string reason_of(const move& m, const shape& whole, const mesh& on, const char* what) {
  auto dimension = [&](int d) { return whole[static_cast<std::size_t>(d)].what.text(); };
  const std::string axis = on[m.axis].what.text();
  switch (m.what) {
    case move_kind::all_gather: return format("%s is needed with all %s", what, dimension(m.from).c_str());
    case move_kind::all_to_all:
      return format("%s is needed with all %s, and cut by %s", what, dimension(m.from).c_str(), dimension(m.to).c_str());
    case move_kind::all_reduce: return format("%s is a sum over %s, needed whole", what, axis.c_str());
    case move_kind::reduce_scatter:
      return format("%s is a sum over %s, needed cut by %s", what, axis.c_str(), dimension(m.to).c_str());
    case move_kind::slice: return format("of %s a part of %s is needed", what, dimension(m.to).c_str());
    case move_kind::keep_on_first: return format("%s is to be a sum over %s", what, axis.c_str());
    case move_kind::pad: return format("%s is to be a sum over %s", what, axis.c_str());
  }
  return {};
}

}  // namespace detail

/// In words, what a plan does in one step: how each operation is cut, every move
/// with the bytes that a rank sends in it, by bandwidth-optimal algorithms and for
/// sizes that divide, and why it is there. One line each. `element` is in bytes.
inline std::string explain(const operation_list& net, const network_plan& plan, const mesh& on, std::size_t element) {
  std::string text = format("mesh %s\n", on.axes() > 0 ? on.text().c_str() : "of one rank");
  for (std::size_t i = 0; i < plan.operations.size(); ++i) {
    const tensor_operation& o = net.all()[i];
    const operation_plan& p = plan.operations[i];
    const std::string label = o.label.text();
    text += format("%s: %s → %s\n", label.c_str(), text_of(o.x, p.operands[0].at, on).c_str(), text_of(o.y, p.made, on).c_str());
    auto say = [&](const std::vector<move>& moves, const shape& whole, placement at, const std::string& what) {
      for (const move& m : moves) {
        const double bytes = words_of(m, whole, at, on) * static_cast<double>(element);
        text += format("  %s, %s: %s\n", text_of(m, whole, on).c_str(), detail::bytes_text(bytes).c_str(),
                       detail::reason_of(m, whole, on, what.c_str()).c_str());
        at = after(at, m);
      }
    };
    for (std::size_t k = 0; k < o.inputs.size(); ++k)
      say(p.operands[k].forward, o.x, plan.tensors[o.inputs[k]].lies, "its operand");
    for (std::size_t d : {2u, 3u}) {
      const window& w = d == 2 ? o.down : o.across;
      if (slides(o.what) && !p.operands[0].at.axes_of(d).empty() && (w.reach() > 1 || w.stride > 1))
        text += format("  halo along %s: a window reads %zu places\n", o.x[d].what.text().c_str(), w.reach());
    }
    say(p.settle, o.y, p.made, "its result");
    say(p.unsettle, o.y, plan.tensors[i + 1].gradient, "the result's gradient");
    for (std::size_t k = 0; k < o.inputs.size(); ++k)
      say(p.operands[k].backward, o.x, p.operands[k].gradient, "the operand's gradient");
    for (const parameter_plan& w : p.parameters)
      for (int axis = 0; axis < on.axes(); ++axis)
        if (w.gradient.partial_on(axis))
          say({{.what = move_kind::all_reduce, .axis = axis}}, w.dims, w.gradient, "the gradient of " + w.dims.text());
  }
  return text;
}

}  // namespace tutti
