#pragma once
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>

#include <tutti/comm/communicator.hpp>
#include <tutti/mesh/explain.hpp>
#include <tutti/mesh/picture.hpp>
#include <tutti/mesh/cut_rules.hpp>
#include <tutti/mesh/step_cost.hpp>
#include <tutti/nn/parameter.hpp>
#include <tutti/train/check.hpp>
#include <tutti/train/model_bill.hpp>

namespace tutti {

/// What one wants to know of a network under a layout before it is trained.
struct examination {
  bool explain = false;      ///< what is moved, and why
  std::string picture = {};  ///< a file for a drawing, as SVG, of who holds what
  bool bill = false;         ///< what a step sends, beside what links count
  bool check = false;        ///< some steps beside one rank
  std::size_t batch = 64;
  std::uint64_t seed = 1;

  bool any() const { return explain || !picture.empty() || bill || check; }
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

/// What needs no ranks but this one. Throws `data` where the picture cannot be written.
inline std::string shown(const operation_list& net, const network_plan& plan, const layout& rules, const mesh& on, std::size_t parameters,
                         const examination& what) {
  if (!what.picture.empty())
    write_file(what.picture, picture(net, plan, on, bill(net, plan, on, {0}, sizeof(float), chosen_by_model{on, {}})));
  if (!what.explain) return {};
  return format("layout %s\n%zu parameters, %.3f s a step by the model\n", rules.text().c_str(), parameters, step_seconds(net.all(), plan, on)) + cuts_text(net, plan, on) +
         explain(net, plan, on, sizeof(float));
}

}  // namespace detail

/// Does what is asked. Collective. A mesh to explain or to draw may be of any size; a
/// bill and a check need its ranks. `data`: what a check trains on; random pictures where
/// there are none. Throws `invalid_argument` where the layout cannot be, and what
/// `process_mesh` throws.
template <class Backend>
examined examine(typename Backend::context& c, communicator& world, const mesh& shape, const network& net, const layout& rules, const dataset* data,
                 const examination& what) {
  const operation_list operations = operations_of(net, what.batch);
  const network_plan plan = plan_network(operations, rules, shape);
  examined found;
  if (world.rank() == 0) found.text = detail::shown(operations, plan, rules, shape, learned_numbers(net), what);
  if (!what.bill && !what.check) return found;
  process_mesh on(world, shape);
  if (what.bill) {
    sharded_model<Backend> model(c, on, net, rules, {.usual_batch = what.batch});
    const step_bill says = bill_of(model, what.batch);
    std::vector<std::size_t> sent{says.sent().bytes, count_step(model, what.batch)};
    all_reduce(world, sent, plus{});
    found.text += "rank 0 sends in a step\n" + bill_table(operations, shape, says) +
                  format("its pass holds %zu B\nall ranks: %zu B billed, %zu B counted on the links\n", model.pass_for(what.batch).bytes(), sent[0], sent[1]);
  }
  if (what.check) {
    const check_options how{.batch = what.batch, .seed = what.seed};
    const check_report report =
        data ? check_against_one_rank<Backend>(c, on, net, rules, *data, how) : check_against_one_rank<Backend>(c, on, net, rules, how);
    found.text += report.text();
    found.passed = report.passed();
  }
  if (world.rank() != 0) found.text.clear();
  return found;
}

}  // namespace tutti
