#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include <tutti/comm/collectives.hpp>
#include <tutti/nn/initial.hpp>
#include <tutti/nn/model.hpp>
#include <tutti/nn/operations.hpp>
#include <tutti/nn/sharded_pass.hpp>

namespace tutti {

/// A network with parameters, cut over a mesh by a layout, on one backend: of
/// each parameter this rank holds the block that its part of the operation uses.
template <class Backend>
class sharded_model {
 public:
  using element = typename Backend::element;
  using context = typename Backend::context;

  /// Collective. Throws `invalid_argument`, in a sentence, where the layout cannot
  /// be. Both `c` and `on` must outlive the model. Initial parameters depend on the
  /// seed alone, not on mesh or layout.
  sharded_model(context& c, process_mesh& on, const network& net, const layout& rules, const model_options& o = {})
      : context_(&c), on_(&on), network_(net), layout_(rules), whole_(parameters_of(net)) {
    sharded_pass<Backend>& usual = pass_for(o.usual_batch > 0 ? o.usual_batch : 1);
    const network_plan& plan = passes_.front()->plan;
    std::vector<parameter> mine = whole_;
    for (std::size_t i = 0, index = 0; i < plan.operations.size(); ++i)
      for (const parameter_plan& w : plan.operations[i].parameters) {
        parameter& p = mine[index++];
        p.dims = local_shape(w.dims, w.at, on.shape(), on.rank());
        p.stored = p.dims.elements();
        placed_.push_back(w);
      }
    for (const parameter_plan& w : placed_) {
      sums_.push_back(0);
      for (int axis = 0; axis < on.shape().axes(); ++axis)
        if (w.gradient.partial_on(axis)) sums_.back() |= 1u << axis;
    }
    store_ = parameter_store<element>(std::move(mine), sums_);
    values_.resize(plan.operations.size()), gradients_.resize(plan.operations.size());
    for (std::size_t i = 0, index = 0; i < plan.operations.size(); ++i)
      for (std::size_t n = 0; n < plan.operations[i].parameters.size(); ++n, ++index) {
        const parameter& p = store_.parameters()[index];
        values_[i].emplace_back(c, usual.stored(i, n), store_.value(p).data());
        gradients_[i].emplace_back(c, usual.stored(i, n), store_.gradient(p).data());
        const std::vector<element> all = initial_values<element>(whole_[index], o.seed);
        const block held = held_of(index);
        copy_block(held, block(whole_[index].dims), all.data(), held, store_.value(p).data());
      }
  }

  const network& net() const { return network_; }
  process_mesh& on() { return *on_; }
  /// This rank's parts of the parameters.
  parameter_store<element>& parameters() { return store_; }
  /// The parameters as one rank would have them.
  const std::vector<parameter>& whole() const { return whole_; }
  /// What this rank holds of a parameter.
  block held_of(std::size_t index) const { return block_of(whole_[index].dims, placed_[index].at, on_->shape(), on_->rank()); }

  const network_plan& plan_for(std::size_t batch) { return made_for(batch).plan; }
  /// What runs a batch of this size, of all ranks together; made at the first
  /// call, which is collective, and kept from then on.
  sharded_pass<Backend>& pass_for(std::size_t batch) { return *made_for(batch).pass; }

  /// For each parameter the axes, bit a for axis a, over which its gradient is a
  /// sum of what `backward` leaves on their ranks.
  const std::vector<unsigned>& sums() const { return sums_; }

  /// Collective. `use(parameter)` is called before a parameter's first use.
  template <class Use>
  void forward(sharded_pass<Backend>& p, Use use) {
    for (const parameter& w : store_.parameters()) use(w);
    p.forward(values_);
  }
  void forward(sharded_pass<Backend>& p) {
    forward(p, [](const parameter&) {});
  }
  /// Collective: all gradients, this rank's summands where they are sums.
  /// `ready(parameter, gradient)` is called as soon as one is there, from the last
  /// parameter to the first.
  template <class Ready>
  void backward(sharded_pass<Backend>& p, Ready ready) {
    std::size_t next = placed_.size();
    p.backward(values_, gradients_, [&](std::size_t operation) {
      for (std::size_t n = gradients_[operation].size(); n-- > 0;) {
        const parameter& w = store_.parameters()[--next];
        ready(w, store_.gradient(w));
      }
    });
  }

  /// A whole parameter, on every rank. Collective.
  std::vector<element> read(std::size_t index) {
    const shape& whole = whole_[index].dims;
    const block held = held_of(index);
    std::vector<element> all(whole.elements());
    resharding<element> together(*on_, whole, placed_[index].at, placement{});
    const parameter& mine = store_.parameters()[index];
    together(span<const element>(store_.value(mine).data(), held.elements()), all);
    return all;
  }

 private:
  struct planned {
    std::size_t batch;
    network_plan plan;
    std::unique_ptr<sharded_pass<Backend>> pass;
  };

  planned& made_for(std::size_t batch) {
    for (auto& each : passes_)
      if (each->batch == batch) return *each;
    const operation_list operations = operations_of(network_, batch);
    auto made = std::make_unique<planned>(planned{batch, plan_network(operations, layout_, on_->shape(), {.element = sizeof(element)}), nullptr});
    made->pass = std::make_unique<sharded_pass<Backend>>(*context_, *on_, operations, made->plan);
    passes_.push_back(std::move(made));
    return *passes_.back();
  }

  context* context_;
  process_mesh* on_;
  network network_;
  layout layout_;
  std::vector<parameter> whole_;
  std::vector<parameter_plan> placed_;
  std::vector<unsigned> sums_;
  parameter_store<element> store_;
  std::vector<std::vector<typename Backend::tensor>> values_, gradients_;
  std::vector<std::unique_ptr<planned>> passes_;
};

}  // namespace tutti
