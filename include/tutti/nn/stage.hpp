#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <tutti/mesh/interior.hpp>
#include <tutti/nn/edge.hpp>
#include <tutti/nn/local_operations.hpp>

namespace tutti {

/// A resharding of a tensor between two places, each in its format.
template <class Backend>
class reshard_between {
 public:
  reshard_between(workspace<Backend>& memory, process_mesh& on, const shape& whole, const placement& at, const std::vector<move>& moves,
                  workspace_place from, workspace_place into)
      : from_(from), into_(into), from_rows_(memory.row_major(from)), into_rows_(memory.row_major(into)),
        moves_(moves_of<Backend>(memory, on, whole, at, moves)) {}

  /// Collective.
  void operator()(workspace<Backend>& memory) {
    memory.copy(from_, from_rows_);
    moves_(memory.seen(from_rows_), memory.awaited(into_rows_));
    memory.arrived(into_rows_);
    memory.copy(into_rows_, into_);
  }

 private:
  workspace_place from_, into_, from_rows_, into_rows_;
  resharding_of<Backend> moves_;
};

/// One operation of a pass on this rank, with a ReLU behind it where that is part of
/// the same kernel: its operands are brought, its part of the result is computed, and
/// moved to where the tensor lies; and all of it backward.
template <class Backend>
class stage {
 public:
  using tensor = typename Backend::tensor;
  using parameter = typename Backend::parameter;
  using format = typename Backend::format;
  using formats = std::vector<std::optional<format>>;

  /// Operation `first` of the network, and those up to `last` that are fused into it.
  /// `overlap`: see `model_options`.
  stage(typename Backend::context& c, workspace<Backend>& memory, process_mesh& on, const operation_list& net, const network_plan& plan,
        std::size_t first, std::size_t last, purpose why, const formats& stored, pass_state<Backend>& state,
        std::vector<held_tensor>& tensors, std::optional<bool> overlap = {})
      : operation_(first), makes_(last + 1) {
    memory.at(first);
    const tensor_operation& o = net.all()[first];
    const operation_plan& mine = plan.operations[first];
    local_request<Backend> request{.context = c, .on = on, .what = o, .plan = mine, .number = first, .state = &state, .stored = stored, .relu = last > first, .why = why};
    request.made = block_of(o.y, mine.made, on.shape(), on.rank());
    held_tensor& made = tensors[makes_];
    for (std::size_t k = 0; k < o.inputs.size(); ++k) {
      const held_tensor& x = tensors[o.inputs[k]];
      const edge<Backend>& e = operands_.emplace_back(memory, on, net, plan, first, k, x, overlap);
      if (e.overlaps()) request.parts = interior_and_rims(o, e.own(), request.made);
      request.read.push_back(e.read());
      request.dims.push_back(e.dims());
      request.x.push_back(memory.format_of(e.value()));
    }
    request.input_gradient = tensors[o.inputs[0]].wanted;
    local_ = make_local(request);
    const bool overwrites = place_result(memory, tensors);

    const placement& lies = plan.tensors[makes_].lies;
    made.held = block_of(net.shape_of(makes_), lies, on.shape(), on.rank());
    made.value = y_;
    made.dims = local_->dims();
    made.spare = !local_->reads_y() && overwrites;
    const operation_plan& ending = plan.operations[last];
    if (!ending.settle.empty()) {
      made.value = memory.add(made.held);
      made.dims = sizes_of(made.held);
      made.spare = true;
      settle_.emplace(memory, on, o.y, ending.made, ending.settle, y_, made.value);
    }
  }

  std::size_t operation() const { return operation_; }
  const local_operation<Backend>& local() const { return *local_; }

  /// Where gradients lie; after all stages behind it. `before` is the stage before it, or null.
  void make_way_back(workspace<Backend>& memory, process_mesh& on, const operation_list& net, const network_plan& plan, const stage* before,
                     std::vector<held_tensor>& tensors) {
    held_tensor& made = tensors[makes_];
    backward_ = made.wanted;
    if (!backward_) return;
    memory.at(2 * net.all().size() - 1 - operation_);
    if (local_->reads_y()) memory.use(y_);
    for (const edge<Backend>& e : operands_)
      if (local_->reads_x()) memory.use(e.value());
    if (made.gradient == nowhere) {  // nobody uses it
      made.gradient = memory.add(memory.format_of(made.value));
      unused_ = made.gradient;
    }
    dy_ = made.gradient;
    memory.use(dy_);
    const operation_plan& ending = plan.operations[makes_ - 1];
    if (!ending.unsettle.empty()) {
      dy_ = memory.add(local_->y());
      unsettle_.emplace(memory, on, net.all()[operation_].y, plan.tensors[makes_].gradient, ending.unsettle, made.gradient, dy_);
    }
    std::size_t holders = 0;
    for (edge<Backend>& e : operands_) {
      held_tensor& x = tensors[e.tensor()];
      if (!x.wanted) continue;
      const bool passes = local_->passes_gradient();
      // Two operands of a sum may have one gradient in one place, where the first
      // thing that happens to it is that one of them reads it for the last time.
      const bool shared = holders == 1 && before && before->only_reads_gradient() && reads(before->makes_);
      const workspace_place written = passes ? dy_ : memory.add(memory.format_of(e.value()));
      e.make_way_back(memory, written, passes && holders > 0 && !shared, x);
      holders += x.gradient == dy_;
    }
  }

  /// Collective.
  void forward(workspace<Backend>& memory, std::vector<parameter>& parameters) {
    std::vector<tensor*> x;
    for (edge<Backend>& e : operands_) {
      e.start(memory);
      x.push_back(&memory[e.value()]);
    }
    local_->start_forward(x, parameters, memory[y_]);
    for (edge<Backend>& e : operands_) e.finish(memory);
    local_->forward(x, parameters, memory[y_]);
    if (settle_) (*settle_)(memory);
  }

  /// Collective.
  void backward(workspace<Backend>& memory, std::vector<parameter>& parameters, std::vector<parameter>& gradients) {
    if (!backward_) return;
    if (unused_ != nowhere) memory.clear(unused_);
    if (unsettle_) (*unsettle_)(memory);
    std::vector<tensor*> x, dx;
    for (edge<Backend>& e : operands_) {
      x.push_back(&memory[e.value()]);
      dx.push_back(e.gradient() == nowhere ? nullptr : &memory[e.gradient()]);
    }
    local_->backward(x, parameters, memory[y_], memory[dy_], dx, gradients);
    for (edge<Backend>& e : operands_) e.start_back(memory);
    local_->finish_backward(x, memory[dy_], gradients);
    for (edge<Backend>& e : operands_) e.finish_back(memory);
  }

 private:
  // The result lies where an operand does if that is all the operation needs; returns
  // whether nobody else needs that memory.
  bool place_result(workspace<Backend>& memory, const std::vector<held_tensor>& tensors) {
    for (const edge<Backend>& e : operands_) {
      const bool free = e.brings() || tensors[e.tensor()].spare;
      if (!local_->renames() && !(local_->in_place() && free && memory.format_of(e.value()) == local_->y())) continue;
      y_ = e.value();
      memory.use(y_);
      return free;
    }
    y_ = memory.add(local_->y());
    return true;
  }
  bool only_reads_gradient() const { return !local_->changes_dy() && !local_->passes_gradient(); }
  bool reads(std::size_t made) const {
    for (const edge<Backend>& e : operands_)
      if (e.tensor() == made) return true;
    return false;
  }

  std::size_t operation_, makes_;
  std::vector<edge<Backend>> operands_{};
  std::unique_ptr<local_operation<Backend>> local_{};
  std::optional<reshard_between<Backend>> settle_{}, unsettle_{};
  bool backward_ = false;
  workspace_place y_ = nowhere, dy_ = nowhere, unused_ = nowhere;
};

}  // namespace tutti
