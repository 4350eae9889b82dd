#pragma once
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <optional>
#include <string>

#include <tutti/comm/communicator.hpp>
#include <tutti/mesh/explain.hpp>
#include <tutti/mesh/named_layout.hpp>
#include <tutti/mesh/picture.hpp>
#include <tutti/mesh/cut_rules.hpp>
#include <tutti/mesh/step_cost.hpp>
#include <tutti/nn/parameter.hpp>
#include <tutti/train/check.hpp>
#include <tutti/train/model_bill.hpp>
#include <tutti/train/training_checks.hpp>

namespace tutti {

/// What one wants to know of a network under a layout before it is trained.
struct examination {
  bool explain = false;      ///< what is moved, and why
  std::string picture = {};  ///< a file for a drawing, as SVG, of who holds what
  bool bill = false;         ///< what a step sends, beside what links count
  bool check = false;        ///< some steps beside one rank
  std::size_t batch = 64;
  std::uint64_t seed = 1;
  std::optional<found_layout> searched = {};  ///< what `auto` found, where the layout is that: why is explained as well
  std::function<void(const std::string&)> progress = {};  ///< is told on rank 0 how far a check is

  bool any() const { return explain || !picture.empty() || bill || check; }
  bool needs_ranks() const { return bill || check; }  ///< those of the mesh; otherwise it may be of any size
};

struct examined {
  std::string text = {};  ///< on rank 0
  bool passed = true;     ///< the check, where there was one
};

namespace detail {

inline void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text << std::flush;
  if (!file) throw error(errc::data, path + ": cannot be written: " + std::strerror(errno));
}

/// Lines of at most so many characters, where commas let them end; the following ones are indented.
inline std::string broken_at_commas(const std::string& text, std::size_t most) {
  std::string lines;
  std::size_t in_line = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size() - 1) + 1;
    if (in_line > 0 && in_line + (end - at) > most) lines += "\n  ", in_line = 2;
    lines += text.substr(at, end - at);
    in_line += end - at;
    at = end;
  }
  return lines;
}

/// This layout beside those that have a name and can be: seconds of a step by the model,
/// and what is sent.
inline std::string beside_named_layouts(const operation_list& net, const network_plan& plan, const mesh& on) {
  const double here = step_seconds(net.all(), plan, on);
  std::string text = format("%-12s %12s %8s %22s %20s\n", "layout", "by the model", "of this", "busiest rank sends", "all ranks send");
  auto row = [&](const char* label, const network_plan& p) {
    const step_bill b = bill_of_busiest(net, p, on, sizeof(float), chosen_by_model{on, {}});
    const double seconds = step_seconds(net.all(), p, on);
    traffic all;
    for (const traffic& each : b.by_rank) all += each;
    text += format("%-12s %10.6f s %8.3f %20zu B %18zu B\n", label, seconds, seconds / here,
                   static_cast<std::size_t>(b.by_rank[static_cast<std::size_t>(busiest(b).value)].bytes), static_cast<std::size_t>(all.bytes));
  };
  row("this", plan);
  for (const char* named : {"data", "tensor", "spatial", "hybrid"}) {
    network_plan other;
    try {
      other = plan_network(net, layout_called(named, net, on), on);
    } catch (const error& why) {
      text += format("%-12s cannot be: %s\n", named, why.what());
      continue;
    }
    row(named, other);
  }
  return text;
}

/// Of what a search found: for each convolution and dense layer the next best cut, and how
/// much longer a step would take with it.
inline std::string runners_up_text(const operation_list& net, const found_layout& found, const mesh& on) {
  std::string text;
  for (std::size_t i = 0; i < found.runners_up.size(); ++i) {
    const tensor_operation& o = net.all()[i];
    const runner_up& r = found.runners_up[i];
    if (contracts(o.what) && r.any)
      text += format("%s: %s; next best %s, %.6f s a step more\n", o.label.text().c_str(), cut_text(o, r.cut, on).c_str(),
                     cut_text(o, r.next, on).c_str(), r.more_seconds);
  }
  return text.empty() ? "the next best cut of each layer is not known: there are too many ways\n" : text;
}

/// What needs no ranks but this one. Throws `data` where the picture cannot be written.
inline std::string shown(const operation_list& net, const network_plan& plan, const layout& rules, const mesh& on, std::size_t parameters,
                         const examination& what) {
  if (!what.picture.empty())
    write_file(what.picture, picture(net, plan, on, bill_of_busiest(net, plan, on, sizeof(float), chosen_by_model{on, {}})));
  if (!what.explain) return {};
  return format("layout %s\n%zu parameters, %.3f s a step by the model\n", broken_at_commas(rules.text(), 100).c_str(), parameters,
                step_seconds(net.all(), plan, on)) +
         cuts_text(net, plan, on) + beside_named_layouts(net, plan, on) +
         (what.searched ? runners_up_text(net, *what.searched, on) : "") +
         explain(net, plan, on, sizeof(float));
}

}  // namespace detail

/// Throws `invalid_argument` where a network cannot be trained or examined so, in the words
/// of `trainer` and `examine`, but needs no ranks: where the layout cannot be, a batch is
/// smaller than what cuts it, or, for a check, the data are no whole batch.
inline void need_possible(const network& net, const layout& rules, const mesh& on, const dataset* data, const examination& what) {
  detail::need_batches(net, plan_network(operations_of(net, what.batch), rules, on), on, what.batch);
  if (what.check && data) detail::need_whole_batch(*data, what.batch);
}

/// Does what is asked. Collective. A mesh to explain or to draw may be of any size; a
/// bill and a check need its ranks. `data`: what a check trains on; random pictures where
/// there are none. Throws `invalid_argument` where the layout cannot be, and what
/// `process_mesh` throws.
template <class Backend>
examined examine(typename Backend::context& c, communicator& world, const mesh& shape, const network& net, const layout& rules, const dataset* data,
                 const examination& what) {
  const operation_list operations = operations_of(net, what.batch);
  const network_plan plan = plan_network(operations, rules, shape);
  detail::need_batches(net, plan, shape, what.batch);
  examined found;
  if (world.rank() == 0) found.text = detail::shown(operations, plan, rules, shape, learned_numbers(net), what);
  if (!what.bill && !what.check) return found;
  process_mesh on(world, shape);
  if (what.bill) {
    sharded_model<Backend> model(c, on, net, rules, {.usual_batch = what.batch});
    const step_bill says = bill_of(model, what.batch);
    std::vector<std::size_t> sent{says.sent().bytes, count_step(model, what.batch)};
    all_reduce(world, sent, plus{});
    found.text += "rank 0 sends in a step, gradients in the buckets of training\n" + bill_table(operations, shape, says) +
                  format("memory is billed of row-major numbers: %zu B of tensors; the pass holds %zu B, more where the backend's formats fill up blocks of channels\n"
                         "all ranks: %zu B billed, %zu B counted on the links\n",
                         says.memory.tensors, model.pass_for(what.batch).bytes(), sent[0], sent[1]);
  }
  if (what.check) {
    const check_options how{.batch = what.batch, .seed = what.seed, .progress = what.progress};
    const check_report report =
        data ? check_against_one_rank<Backend>(c, on, net, rules, *data, how) : check_against_one_rank<Backend>(c, on, net, rules, how);
    found.text += report.text();
    found.passed = report.passed();
  }
  if (world.rank() != 0) found.text.clear();
  return found;
}

}  // namespace tutti
