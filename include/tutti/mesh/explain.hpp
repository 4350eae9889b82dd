#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include <tutti/mesh/bill.hpp>
#include <tutti/mesh/explain_moves.hpp>

namespace tutti {

/// What is sent in an exchange, as in `1.5 KiB`, or `1.5 KiB by rank 1` where that is not the first.
inline std::string sent_text(const bill_item& item) {
  return bytes_text(item.sent.bytes) + (item.by.value > 0 ? format(" by rank %d", item.by.value) : "");
}

/// What is sent in all: of one rank's bill, or of all ranks what rank 0, the busiest and all together send.
inline std::string total_text(const step_bill& b) {
  auto text = [](const traffic& t) { return format("%s in %zu messages", bytes_text(t.bytes).c_str(), static_cast<std::size_t>(t.messages)); };
  if (b.by_rank.empty()) return text(b.sent());
  traffic all;
  for (const traffic& each : b.by_rank) all += each;
  const rank most = busiest(b);
  return format("rank 0 sends %s, rank %d most of all with %s, all ranks together %zu B", text(b.by_rank[0]).c_str(), most.value,
                text(b.by_rank[static_cast<std::size_t>(most.value)]).c_str(), static_cast<std::size_t>(all.bytes));
}

/// What is done: a move as in `all_gather over data: batch`, `halo along height over rows`, or an all-reduce.
inline std::string text_of(const step_exchange& e, const operation_list& net, const network_plan& plan, const mesh& on) {
  if (e.is_move()) return text_of(e.by, moved(e, net), on);
  const std::string axes = on.text_of(e.axes);
  if (e.why != cause::halo && e.why != cause::halo_gradient) return "all_reduce over " + axes;
  std::string along;
  for (std::size_t d = 2; d < net.all()[e.operation].x.rank(); ++d)
    if (!plan.operations[e.operation].operands[0].at.axes_of(d).empty())
      along += (along.empty() ? "" : " and ") + net.all()[e.operation].x[d].what.text();
  return "halo along " + along + " over " + axes;
}

/// Why it is done.
inline std::string reason_of(const bill_item& item, const operation_list& net, const mesh& on) {
  const step_exchange& e = item.what;
  const tensor_operation& o = net.all()[e.operation];
  const std::string axes = on.text_of(e.axes);
  std::string what;
  switch (e.why) {
    case cause::halo:
      for (const window& w : o.windows) what += (what.empty() ? "" : " by ") + std::to_string(w.reach());
      return "windows of " + what + " places read what others own";
    case cause::halo_gradient: return "gradients of what was read go back to who owns it";
    case cause::inner:
      if (o.what == operation_kind::batch_norm) return "mean and variance of a channel are over all its places";
      [[fallthrough]];
    case cause::loss: return e.which == 0 ? "the greatest logit of a sample, of all classes" : "the sum over all classes, and the label's logit";
    case cause::inner_gradient: return "two sums of a channel's gradients are over all its places";
    case cause::parameter_gradient: {
      const std::string first = o.label.text(), last = net.all()[item.gradients.last].label.text();
      return format("the gradients of %s%s are sums over %s", first.c_str(), first == last ? "" : (" to " + last).c_str(), axes.c_str());
    }
    case cause::operand: what = o.inputs.size() > 1 ? format("operand %zu", e.which + 1) : "its operand"; break;
    case cause::result: what = "its result"; break;
    case cause::result_gradient: what = "the result's gradient"; break;
    case cause::operand_gradient: what = o.inputs.size() > 1 ? format("operand %zu's gradient", e.which + 1) : "the operand's gradient"; break;
  }
  return reason_of(e.by, what, moved(e, net), on);
}

namespace detail {

struct paragraph {
  std::string label, text;
};

/// Paragraphs `from` to `to`; where some follow each other again with nothing but other
/// labels, once: of all that repeat first those that cover most.
inline std::string without_repeats(const std::vector<paragraph>& all, std::size_t from, std::size_t to) {
  std::size_t begin = from, period = 0, covered = 0;
  for (std::size_t p = 2; 2 * p <= to - from; ++p)
    for (std::size_t i = from, same = 0; i + p < to; i += same + 1) {
      for (same = 0; i + p + same < to && all[i + same].text == all[i + p + same].text;) ++same;
      if (same / p * p <= covered) continue;
      // What repeats ends where something else begins: what is left over stands in front.
      covered = same / p * p, begin = i + same % p, period = p;
    }
  std::string text;
  if (period == 0) {
    for (std::size_t i = from; i < to; ++i) text += all[i].label + ": " + all[i].text;
    return text;
  }
  const std::size_t first = begin + period, end = first + covered;
  for (std::size_t i = begin; i < first; ++i) text += all[i].label + ": " + all[i].text;
  text += all[first].label + " to " + all[end - 1].label + ": " + (covered > period ? format("%zu times ", covered / period) : "") + "as " +
          all[begin].label + " to " + all[first - 1].label + "\n";
  return without_repeats(all, from, begin) + text + without_repeats(all, end, to);
}

/// What is sent of what `counts(item)` says.
template <class Counts>
std::string sent_text(const step_bill& b, Counts counts) {
  const traffic sent = b.sent(counts);
  return format("%10zu B in %4zu", static_cast<std::size_t>(sent.bytes), static_cast<std::size_t>(sent.messages));
}

}  // namespace detail

/// In words, what a plan does in one step: how each operation is cut, every exchange
/// forward and backward with the bytes that the bill says of it and, of a bill of all
/// ranks, who sends them (`bill_of_busiest`), and why it is there; at the end all of them, and the memory. Layers that do the same as those
/// before them are named only.
inline std::string explain(const operation_list& net, const network_plan& plan, const mesh& on, const step_bill& b) {
  std::vector<detail::paragraph> paragraphs;
  for (std::size_t i = 0; i < net.all().size(); ++i) {
    const tensor_operation& o = net.all()[i];
    const std::string several = o.inputs.size() > 1 ? format("%zu of ", o.inputs.size()) : "";
    paragraphs.push_back({o.label.text(), several + text_of(o.x, plan.operations[i].operands[0].at, on) + " → " + text_of(o.y, plan.operations[i].made, on) + "\n"});
    for (const bill_item& item : b.items) {
      if (item.what.operation != i || item.what.why == cause::parameter_gradient || item.what.why == cause::loss) continue;
      paragraphs.back().text += format("  %s %s, %s: %s\n", is_backward(item.what.why) ? "backward" : "forward ",
                                       text_of(item.what, net, plan, on).c_str(), sent_text(item).c_str(),
                                       reason_of(item, net, on).c_str());
    }
  }
  std::string text = format("mesh %s%s\n", on.axes() > 0 ? on.text().c_str() : "of one rank",
                            b.by_rank.size() < 2 ? "" : "; bytes are what the rank sends that sends most in an exchange, rank 0 where none is named") + detail::without_repeats(paragraphs, 0, paragraphs.size());
  for (const bill_item& item : b.items)
    if (item.what.why == cause::parameter_gradient || item.what.why == cause::loss)
      text += format("%s: %s, %s: %s\n", item.what.why == cause::loss ? "loss" : "gradients", text_of(item.what, net, plan, on).c_str(),
                     sent_text(item).c_str(), reason_of(item, net, on).c_str());
  return text + format("in all: %s; %s of memory\n", total_text(b).c_str(), bytes_text(b.memory.total()).c_str());
}

/// The same of all ranks where they are on one host, for elements of so many bytes.
inline std::string explain(const operation_list& net, const network_plan& plan, const mesh& on, std::size_t element) {
  return explain(net, plan, on, bill_of_busiest(net, plan, on, element, chosen_by_model{on, {}}));
}

/// The bill as a table: what the rank sends for each layer forward and backward, bytes
/// and messages, and over which axes; then gradients, loss, all together, and memory.
inline std::string bill_table(const operation_list& net, const mesh& on, const step_bill& b) {
  std::string text = format("%-20s %20s %20s  %s\n", "layer", "forward", "backward", "over");
  auto row = [&](const std::string& label, unsigned axes, auto counts) {
    text += format("%-20s %s %s%s\n", label.c_str(),
                   detail::sent_text(b, [&](const bill_item& x) { return counts(x) && !is_backward(x.what.why); }).c_str(),
                   detail::sent_text(b, [&](const bill_item& x) { return counts(x) && is_backward(x.what.why); }).c_str(),
                   axes == 0 ? "" : ("  " + on.text_of(axes)).c_str());
  };
  auto part = [&](const std::string& label, auto counts) {
    for (unsigned axes = 1; axes < 1u << on.axes(); ++axes) {
      auto here = [&](const bill_item& x) { return counts(x) && x.what.axes == axes; };
      if (b.sent(here).messages > 0) row(label, axes, here);
    }
  };
  for (std::size_t i = 0; i < net.all().size(); ++i)
    part(net.all()[i].label.text(), [&](const bill_item& x) {
      return x.what.operation == i && x.what.why != cause::parameter_gradient && x.what.why != cause::loss;
    });
  part("loss", [](const bill_item& x) { return x.what.why == cause::loss; });
  part("gradients", [](const bill_item& x) { return x.what.why == cause::parameter_gradient; });
  row("all", 0, [](const bill_item&) { return true; });
  const memory_bill& m = b.memory;
  return text + format("memory: %zu B (tensors %zu at their peak, parameters and their gradients %zu, packed to travel %zu)\n", m.total(),
                       m.tensors, m.parameters, m.packed);
}

}  // namespace tutti
