#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include <tutti/device/buffer.hpp>
#include <tutti/mesh/block.hpp>
#include <tutti/mesh/planner.hpp>
#include <tutti/mesh/process_mesh.hpp>

namespace tutti {

enum class purpose : std::uint8_t { training, evaluation };

/// Means and variances of a batch norm's channels that this rank has, as training goes on.
template <class Backend>
struct running_statistics {
  buffer<typename Backend::number, typename Backend::space> mean{}, variance{};
};

/// What all passes of a model have in common and no optimiser changes: what a
/// checkpoint holds beside the parameters.
template <class Backend>
struct pass_state {
  std::uint64_t seed = 0;   ///< of what is dropped
  std::uint32_t step = 0;   ///< forward passes of training so far, but those that a graph replays
  std::map<std::size_t, running_statistics<Backend>> norms{};  ///< by operation
  /// Of a device that drops elements, the step (1), which its own work counts.
  buffer<std::uint32_t, typename Backend::space> step_there{};
  typename Backend::groups groups{};
};

/// What one rank is to compute of an operation, as the plan says.
template <class Backend>
struct local_request {
  using format = typename Backend::format;

  typename Backend::context& context;
  process_mesh& on;                 ///< for what an operation adds up between ranks inside of itself
  const tensor_operation& what;
  const operation_plan& plan;
  std::size_t number = 0;           ///< of the operation in its network
  pass_state<Backend>* state = nullptr;  ///< of batch norm and dropout, which need it
  std::vector<block> read{};        ///< of each operand, halo included, in the numbers of the whole tensor
  block made{};                     ///< of the result
  std::vector<block> parts{};       ///< of that, where the halo comes meanwhile: what needs none, then the rest
  std::vector<shape> dims{};        ///< each operand's sizes as they lie: pictures, where a flatten has but renamed them
  std::vector<format> x{};          ///< in which formats
  std::vector<std::optional<format>> stored{};  ///< the parameters' formats, where they are settled
  bool relu = false;                ///< what it makes is max(·, 0) of the operation's result
  purpose why = purpose::training;
  bool input_gradient = true;       ///< the operand's gradient is wanted

  bool train() const { return why == purpose::training; }
  /// Whether there is nothing that a kernel could do: no result, or windows that see padding only.
  bool idle() const { return made.elements() == 0 || read[0].elements() == 0; }
  shape local(std::size_t parameter) const {
    const parameter_plan& w = plan.parameters[parameter];
    return local_shape(w.dims, w.at, on.shape(), on.rank());
  }
};

/// What one rank computes of one kind of operation: its part of the result from
/// what it reads of the operands, and their gradients back. One derived class a kind
/// (or a family), and one line in `make_local`.
template <class Backend>
class local_operation {
 public:
  using element = typename Backend::element;
  using format = typename Backend::format;
  using tensor = typename Backend::tensor;
  using parameter = typename Backend::parameter;
  using parameters = std::vector<parameter>;
  using operands = std::vector<tensor*>;

  virtual ~local_operation() = default;

  /// What can be made while halos are on their way, and then the rest, or all of it.
  virtual void start_forward(const operands&, parameters&, tensor&) {}
  virtual void forward(const operands& x, parameters& w, tensor& y) = 0;

  /// After forward: what dx points to, nulls left out, and the gradients of the
  /// parameters, all overwritten; these perhaps by `finish_backward` only, while parts of dx
  /// are on their way. Where the operation passes its gradient on, dx is dy.
  virtual void backward(const operands& x, parameters& w, tensor& y, tensor& dy, const operands& dx, parameters& dw) = 0;
  virtual void finish_backward(const operands&, tensor&, parameters&) {}

  /// The format and sizes of the result and of its gradient, and of each parameter.
  const format& y() const { return y_; }
  const shape& dims() const { return dims_; }
  const std::vector<format>& stored() const { return stored_; }

  /// The result may be made where an operand lies, which is lost.
  bool in_place() const { return in_place_; }
  /// The result is the operand, under another name.
  bool renames() const { return renames_; }
  /// The operands' gradients are the result's, changed in its memory if at all.
  bool passes_gradient() const { return in_place_ || renames_; }
  /// Backward needs the operands, and the result, as forward had them.
  bool reads_x() const { return reads_x_; }
  bool reads_y() const { return reads_y_; }
  /// Backward changes the gradient of the result.
  bool changes_dy() const { return changes_dy_; }

 protected:
  explicit local_operation(const local_request<Backend>& r) : dims_(sizes_of(r.made)) {
    y_ = format::native(dims_);
    for (std::size_t n = 0; n < r.plan.parameters.size(); ++n)
      stored_.push_back(n < r.stored.size() && r.stored[n] ? *r.stored[n] : format::native(r.local(n)));
  }

  format y_{};
  shape dims_{};
  std::vector<format> stored_{};
  bool in_place_ = false, renames_ = false, reads_x_ = false, reads_y_ = false, changes_dy_ = false;
};

}  // namespace tutti
