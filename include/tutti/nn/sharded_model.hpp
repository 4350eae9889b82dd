#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <tutti/base/operations.hpp>
#include <tutti/comm/collectives.hpp>
#include <tutti/nn/initial.hpp>
#include <tutti/nn/operations.hpp>
#include <tutti/nn/parameter.hpp>
#include <tutti/nn/rows.hpp>
#include <tutti/nn/sharded_pass.hpp>

namespace tutti {

struct model_options {
  std::uint64_t seed = 1;  ///< of the initial parameters
  /// The batch, of all ranks together, for which parameters get their format. Every
  /// rank must name the same. Other batches work; they may have to reorder.
  std::size_t usual_batch = 32;
  /// Whether convolutions compute what needs no halo while halos are on their way, and
  /// weights' gradients while those of halos are. Every rank must say the same, or all
  /// get `mismatch`. Where nothing is said, they do where the mesh has several hosts: on
  /// one, where ranks share the cores, rims computed by themselves cost more than is hidden.
  std::optional<bool> overlap_halo = {};
};

/// A network with parameters, cut over a mesh by a layout, on one backend: of
/// each parameter this rank holds the block that its part of the operation uses.
template <class Backend>
class sharded_model {
  static_assert(on_host<typename Backend::space> || requires { sizeof(device_mover<Backend>); },
                "tutti::sharded_model: this backend's tensors are on devices: include <tutti/nn/device_moves.hpp>");

 public:
  using element = typename Backend::element;
  using context = typename Backend::context;
  using number = typename Backend::number;  ///< of parameters and their gradients
  using space = typename Backend::space;

  /// Collective. Throws `invalid_argument`, in a sentence, where the layout cannot
  /// be. Both `c` and `on` must outlive the model. Initial parameters depend on the
  /// seed alone, not on mesh or layout.
  sharded_model(context& c, process_mesh& on, const network& net, const layout& rules, const model_options& o = {})
      : context_(&c), on_(&on), network_(net), layout_(rules), overlap_halo_(o.overlap_halo), whole_(parameters_of(net)), state_{.seed = o.seed} {
    agree_on_overlap();
    if constexpr (!on_host<space>) {
      state_.step_there = buffer<std::uint32_t, space>(1);
      Backend::fill(c, span<std::uint32_t, space>(state_.step_there), 0u);
    }
    const std::size_t usual = o.usual_batch > 0 ? o.usual_batch : 1;
    const network_plan plan = made_for(usual, purpose::training).plan;
    std::vector<parameter> mine = whole_;
    for (std::size_t i = 0; i < plan.operations.size(); ++i)
      for (std::size_t n = 0; n < plan.operations[i].parameters.size(); ++n) {
        const parameter_plan& w = plan.operations[i].parameters[n];
        parameter& p = mine[placed_.size()];
        p.dims = local_shape(w.dims, w.at, on.shape(), on.rank());
        placed_.push_back({.operation = i, .number = n, .plan = w});
      }
    for (const placed& each : placed_) sums_.push_back(sums_of(each.plan, on.shape()));
    if (agree_on_formats()) {
      passes_.clear();
      made_for(usual, purpose::training);
    }
    for (parameter& p : mine) p.stored = formats_[placed_[p.index].operation][placed_[p.index].number]->stored();
    store_ = parameter_store<number, space>(std::move(mine), sums_);
    if constexpr (!on_host<space>) {
      Backend::fill(c, store_.values(), number{});
      Backend::fill(c, store_.gradients(), number{});
    }
    values_.resize(plan.operations.size()), gradients_.resize(plan.operations.size());
    for (const parameter& p : store_.parameters()) {
      const placed& at = placed_[p.index];
      const format& f = *formats_[at.operation][at.number];
      values_[at.operation].emplace_back(c, f, store_.value(p).data());
      gradients_[at.operation].emplace_back(c, f, store_.gradient(p).data());
      write(p.index, initial_values<number>(whole_[p.index], o.seed));
    }
  }

  const network& net() const { return network_; }
  process_mesh& on() { return *on_; }
  /// This rank's parts of the parameters.
  parameter_store<number, space>& parameters() { return store_; }
  context& on_backend() { return *context_; }
  /// The parameters as one rank would have them.
  const std::vector<parameter>& whole() const { return whole_; }
  /// What this rank holds of a parameter.
  block held_of(std::size_t index) const { return block_of(whole_[index].dims, placed_[index].plan.at, on_->shape(), on_->rank()); }
  /// For each parameter the axes, bit a for axis a, over which this rank's gradient is
  /// a summand; the store is grouped by them.
  const std::vector<unsigned>& sums() const { return sums_; }

  const network_plan& plan_for(std::size_t batch, purpose why = purpose::training) { return made_for(batch, why).plan; }
  /// What runs a batch of this size, of all ranks together; made at the first
  /// call, which is collective, and kept from then on.
  sharded_pass<Backend>& pass_for(std::size_t batch, purpose why = purpose::training) { return *made_for(batch, why).pass; }

  /// Collective. `use(parameter)` is called before a parameter's first use.
  template <class Use>
  void forward(sharded_pass<Backend>& p, Use use) {
    std::size_t next = 0;
    p.forward(values_, [&](std::size_t operation) {
      while (next < placed_.size() && placed_[next].operation == operation) use(store_.parameters()[next++]);
    });
  }
  void forward(sharded_pass<Backend>& p) {
    forward(p, [](const parameter&) {});
  }

  /// Collective: this rank's gradients, summands where `sums` says so.
  /// `ready(parameter, gradient)` is called as soon as one is there, from the last
  /// parameter to the first.
  template <class Ready>
  void backward(sharded_pass<Backend>& p, Ready ready) {
    std::size_t next = store_.parameters().size();
    p.backward(values_, gradients_, [&](std::size_t operation) {
      while (next > 0 && placed_[next - 1].operation == operation) {
        const parameter& done = store_.parameters()[--next];
        ready(done, store_.gradient(done));
      }
    });
  }

  /// A whole parameter, on every rank, row-major. Collective.
  std::vector<number> read(std::size_t index) {
    const std::vector<number> mine = part_of(index, values_);
    const shape& whole = whole_[index].dims;
    std::vector<number> all(whole.elements());
    resharding<number> together(*on_, whole, placed_[index].plan.at, placement{});
    together(span<const number>(mine), all);
    return all;
  }
  /// This rank's block of a parameter, row-major.
  std::vector<number> read_part(std::size_t index) { return part_of(index, values_); }
  /// This rank's block of a parameter's gradient, row-major.
  std::vector<number> read_gradient(std::size_t index) { return part_of(index, gradients_); }

  /// Sets a parameter, of which every rank has the whole, row-major.
  void write(std::size_t index, const std::vector<number>& whole) {
    if (whole.size() != whole_[index].dims.elements())
      throw error(errc::invalid_argument, tutti::format("parameter '%s' has %zu elements, not %zu", whole_[index].label.text().c_str(),
                                                 whole_[index].dims.elements(), whole.size()));
    const block held = held_of(index);
    std::vector<number> mine(held.elements());
    copy_block(held, block(whole_[index].dims), whole.data(), held, mine.data());
    const placed& at = placed_[index];
    put_rows<Backend>(*context_, *formats_[at.operation][at.number], span<number>(mine), values_[at.operation][at.number]);
  }

 private:
  using format = typename Backend::format;
  using stored_parameter = typename Backend::parameter;

  // Which parameter of which operation, and where it lies.
  struct placed {
    std::size_t operation, number;
    parameter_plan plan;
  };
  struct planned {
    std::size_t batch;
    purpose why;
    network_plan plan;
    std::unique_ptr<sharded_pass<Backend>> pass;
  };

  planned& made_for(std::size_t batch, purpose why) {
    for (auto& each : passes_)
      if (each->batch == batch && each->why == why) return *each;
    const operation_list operations = operations_of(network_, batch);
    auto made = std::make_unique<planned>(
        planned{batch, why, plan_network(operations, layout_, on_->shape(), {.element = sizeof(element)}), nullptr});
    made->pass = std::make_unique<sharded_pass<Backend>>(*context_, *on_, operations, made->plan, why, formats_, state_, overlap_halo_);
    passes_.push_back(std::move(made));
    return *passes_.back();
  }

  // Halos would be asked for on one communicator here and on another there. Collective.
  void agree_on_overlap() {
    const std::int32_t mine = overlap_halo_ ? *overlap_halo_ : 2;
    std::vector<std::int32_t> all(static_cast<std::size_t>(on_->all().size()));
    all_gather(on_->all(), span<const std::int32_t>(&mine, 1), all);
    constexpr const char* said[] = {"false", "true", "nothing"};
    for (std::size_t r = 1; r < all.size(); ++r)
      if (all[r] != all[0])
        throw error(errc::mismatch, tutti::format("the ranks disagree on overlap_halo: rank 0 says %s, rank %zu says %s", said[all[0]], r, said[all[r]]));
  }

  // Ranks that hold the same part of a parameter must store it alike, or could neither
  // add up its gradient nor compare it. Where kernels chose otherwise (of uneven parts, on
  // unlike processors) it is row-major. Collective; returns whether anything changed on
  // any rank.
  bool agree_on_formats() {
    std::vector<std::uint64_t> differs(placed_.size() + 1);
    for (std::size_t index = 0; index < placed_.size(); ++index) {
      unsigned replicas = 0;
      for (int axis = 0; axis < on_->shape().axes(); ++axis)
        if (placed_[index].plan.at.replicated_on(axis)) replicas |= 1u << axis;
      if (replicas == 0) continue;
      const std::uint64_t mine = formats_[placed_[index].operation][placed_[index].number]->fingerprint();
      std::uint64_t bounds[] = {mine, ~mine};
      all_reduce(on_->over(replicas), span<std::uint64_t>(bounds, 2), maximum{});
      differs[index] = bounds[0] != ~bounds[1];
      differs.back() |= differs[index];
    }
    all_reduce(on_->all(), differs, maximum{});
    for (std::size_t index = 0; index < placed_.size(); ++index) {
      auto& f = formats_[placed_[index].operation][placed_[index].number];
      if (differs[index] != 0) f = f->row_major();
    }
    return differs.back() != 0;
  }

  std::vector<number> part_of(std::size_t index, const std::vector<std::vector<stored_parameter>>& from) {
    const placed& at = placed_[index];
    std::vector<number> mine(held_of(index).elements());
    fetch_rows<Backend>(*context_, *formats_[at.operation][at.number], from[at.operation][at.number], span<number>(mine));
    return mine;
  }

  context* context_;
  process_mesh* on_;
  network network_;
  layout layout_;
  std::optional<bool> overlap_halo_;
  std::vector<parameter> whole_;
  std::vector<placed> placed_{};
  std::vector<unsigned> sums_{};
  typename sharded_pass<Backend>::formats formats_{};
  pass_state<Backend> state_;
  parameter_store<number, space> store_;
  std::vector<std::vector<stored_parameter>> values_, gradients_;
  std::vector<std::unique_ptr<planned>> passes_;
};

}  // namespace tutti
