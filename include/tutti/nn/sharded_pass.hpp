#pragma once
#include <cstddef>
#include <optional>
#include <vector>

#include <tutti/mesh/fusion.hpp>
#include <tutti/nn/stage.hpp>

namespace tutti {

/// A network on a mesh, by a plan: this rank's part of every operation, on one
/// backend, and the moves in between; made once for one batch size, used from step to
/// step. What is not moved stays in the format that its kernel chose. A ReLU is part
/// of the convolution, dense layer, batch norm or sum before it where nothing stands between
/// them, and in place elsewhere.
template <class Backend>
class sharded_pass {
 public:
  using element = typename Backend::element;
  using context = typename Backend::context;
  using format = typename Backend::format;
  using tensor = typename Backend::tensor;
  using parameter = typename Backend::parameter;
  using space = typename Backend::space;
  /// The formats of each operation's parameters, where they are settled.
  using formats = std::vector<std::vector<std::optional<format>>>;

  /// Collective. Settles the formats that are still open. `c`, `on` and `state` must outlive
  /// it. `overlap`: see `model_options`.
  sharded_pass(context& c, process_mesh& on, const operation_list& net, const network_plan& plan, purpose why, formats& settled,
               pass_state<Backend>& state, std::optional<bool> overlap = {})
      : context_(&c), memory_(c, on, &state.groups), why_(why), state_(&state), tensors_(plan.tensors.size()) {
    uses_.resize(tensors_.size());
    const std::vector<char> wanted = wanted_gradients(net);
    for (std::size_t t = 0; t < tensors_.size(); ++t) tensors_[t].wanted = wanted[t] != 0;
    for (const tensor_operation& o : net.all())
      for (std::size_t input : o.inputs) ++uses_[input];

    held_tensor& input = tensors_.front();
    input.held = block_of(net.shape_of(0), plan.tensors.front().lies, on.shape(), on.rank());
    input.dims = sizes_of(input.held);
    input.value = memory_.add(input.held);
    memory_.keep(input.value);
    settled.resize(net.all().size());
    for (std::size_t i = 0, last; i < net.all().size(); i = last + 1) {
      last = fuses_relu(net, plan, i) ? i + 1 : i;
      stages_.emplace_back(c, memory_, on, net, plan, i, last, why, settled[i], state, tensors_, overlap);
      tensors_[last + 1].spare &= uses_[last + 1] == 1;
      const auto& stored = stages_.back().local().stored();
      settled[i].assign(stored.begin(), stored.end());
    }
    held_tensor& output = tensors_.back();
    output_ = memory_.row_major(output.value);
    memory_.keep(output_);
    if (why == purpose::training) {
      memory_.at(net.all().size());
      output.gradient = memory_.add(memory_.format_of(output.value));
      output_gradient_ = memory_.row_major(output.gradient);
      memory_.keep(output_gradient_);
      for (std::size_t s = stages_.size(); s-- > 0;)
        stages_[s].make_way_back(memory_, on, net, plan, s > 0 ? &stages_[s - 1] : nullptr, tensors_);
    }
    memory_.make();
  }

  /// What this rank holds of the input, to be filled before forward, and of the
  /// output: blocks of the whole tensors, row-major.
  const block& input_block() const { return tensors_.front().held; }
  span<element, space> input() { return memory_.elements(tensors_.front().value); }
  const block& output_block() const { return tensors_.back().held; }
  span<element, space> output() { return memory_.elements(output_); }
  /// The gradient of the output, to be filled before backward as it is planned to lie.
  span<element, space> output_gradient() { return memory_.elements(output_gradient_); }
  /// The same as tensors: on devices the input has its channels last.
  tensor& input_tensor() { return memory_[tensors_.front().value]; }
  tensor& output_tensor() { return memory_[output_]; }
  tensor& output_gradient_tensor() { return memory_[output_gradient_]; }
  /// In which format the output is, and its gradient.
  const format& output_format() const { return memory_.format_of(output_); }

  /// Collective. `values` holds this rank's part of every parameter, by operation and
  /// parameter, in the settled formats. Calls `use(operation)` before those of an
  /// operation are read.
  template <class Use>
  void forward(std::vector<std::vector<parameter>>& values, Use use) {
    if (why_ == purpose::training) count_step();
    for (stage<Backend>& s : stages_) {
      if (!values[s.operation()].empty()) use(s.operation());
      s.forward(memory_, values[s.operation()]);
    }
    memory_.copy(tensors_.back().value, output_);
  }

  void forward(std::vector<std::vector<parameter>>& values) {
    forward(values, [](std::size_t) {});
  }

  /// Collective, after a forward pass of the same data. Overwrites `gradients`
  /// with this rank's gradients, summands where the plan says so, and calls
  /// `ready(operation)` as soon as those of an operation are there, the last first.
  template <class Ready>
  void backward(std::vector<std::vector<parameter>>& values, std::vector<std::vector<parameter>>& gradients, Ready ready) {
    memory_.copy(output_gradient_, tensors_.back().gradient);
    for (std::size_t s = stages_.size(); s-- > 0;) {
      const std::size_t i = stages_[s].operation();
      stages_[s].backward(memory_, values[i], gradients[i]);
      if (!gradients[i].empty()) ready(i);
    }
  }

  /// The memory of all tensors, in bytes.
  std::size_t bytes() const { return memory_.bytes(); }

 private:
  void count_step() {
    ++state_->step;
    if constexpr (!on_host<space>) Backend::increase(*context_, span<std::uint32_t, space>(state_->step_there));
  }

  context* context_;
  workspace<Backend> memory_;
  purpose why_;
  pass_state<Backend>* state_;
  std::vector<std::size_t> uses_{};
  std::vector<held_tensor> tensors_;
  std::vector<stage<Backend>> stages_{};
  workspace_place output_ = nowhere, output_gradient_ = nowhere;
};

}  // namespace tutti
