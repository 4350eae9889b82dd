#pragma once
#include <cstddef>
#include <optional>
#include <type_traits>
#include <vector>

#include <tutti/mesh/halo_exchange.hpp>
#include <tutti/mesh/planner.hpp>
#include <tutti/mesh/resharding.hpp>
#include <tutti/mesh/step_exchanges.hpp>
#include <tutti/nn/workspace.hpp>

namespace tutti {

/// A tensor between operations, as this rank has it.
struct held_tensor {
  block held{};                ///< its part of the whole
  shape dims{};                ///< the sizes in memory: pictures, where a flatten has but renamed them
  workspace_place value = nowhere, gradient = nowhere;
  bool wanted = false;         ///< somebody needs its gradient
  bool spare = false;          ///< its memory is the only user's, who may overwrite it
};

/// Moves of a backend's tensors, and its halos: where these lie.
template <class Backend>
using resharding_of = std::conditional_t<on_host<typename Backend::space>, resharding<typename Backend::element>, device_resharding<Backend>>;
template <class Backend>
using halo_between = std::conditional_t<on_host<typename Backend::space>, halo_exchange<typename Backend::element>, device_halo<Backend>>;

template <class Backend>
resharding_of<Backend> moves_of([[maybe_unused]] workspace<Backend>& memory, process_mesh& on, const shape& whole, const placement& at, const std::vector<move>& moves) {
  if constexpr (on_host<typename Backend::space>) return {on, whole, at, moves};
  else return {memory.mover(), on, whole, at, moves};
}

/// From a tensor to an operation that uses it, and back: brings the operand to where
/// the operation needs it (resharding), with what its windows reach beyond this
/// rank's own places (halo), and takes the gradient the same way back, where it is
/// added to what other uses gave. Where nothing is moved, the operation reads the
/// tensor as it lies, and a tensor's only gradient is written where it is to lie.
/// What is moved is row-major. A halo is on its way between a start and its finish.
template <class Backend>
class edge {
  using element = typename Backend::element;
  using space = typename Backend::space;

 public:
  /// Operand k of operation i, in forward. `overlap`: see `model_options`.
  edge(workspace<Backend>& memory, process_mesh& on, const operation_list& net, const network_plan& plan, std::size_t i,
       std::size_t k, const held_tensor& from, std::optional<bool> overlap = {})
      : tensor_(net.all()[i].inputs[k]), from_(from.value), value_(from.value), dims_(from.dims) {
    const tensor_operation& o = net.all()[i];
    const operand_plan& x = plan.operations[i].operands[k];
    const tensor_plan& t = plan.tensors[tensor_];
    own_ = read_ = block_of(o.x, x.at, on.shape(), on.rank());
    if (slides(o.what)) make_halo(memory, on, o, plan.operations[i], overlap);
    if (!x.forward.empty()) there_.emplace(moves_of(memory, on, o.x, t.lies, x.forward));
    if (!x.backward.empty()) back_.emplace(moves_of(memory, on, o.x, x.gradient, x.backward));
    memory.use(from_);
    if (!there_ && !halo_) return;
    from_rows_ = memory.row_major(from_);
    if (there_ && halo_) arrived_ = memory.add(own_);
    value_ = memory.add(read_);
    dims_ = sizes_of(read_);
  }

  std::size_t tensor() const { return tensor_; }
  /// This rank's part of the whole tensor, and what the operation reads of it.
  const block& own() const { return own_; }
  const block& read() const { return read_; }
  /// What it reads besides comes while something can be computed.
  bool overlaps() const { return overlaps_; }
  /// Where it lies.
  workspace_place value() const { return value_; }
  const shape& dims() const { return dims_; }
  /// The operation has the operand in memory that nobody else uses.
  bool brings() const { return value_ != from_; }

  /// Where the operation writes the operand's gradient, and where to take it from
  /// there. `taken`: somebody else holds that place, it is not to become the tensor's.
  void make_way_back(workspace<Backend>& memory, workspace_place written, bool taken, held_tensor& into) {
    written_ = landed_ = written;
    if (halo_ || back_) {
      written_rows_ = memory.row_major(written);
      if (halo_ && back_) given_back_ = memory.add(own_);
      landed_ = memory.add(memory.sent(memory.format_of(into.value)));
      taken = false;
    }
    first_ = into.gradient == nowhere;
    if (first_) {
      const bool fits = memory.format_of(landed_) == memory.format_of(into.value);
      into.gradient = fits && !taken ? landed_ : memory.add(memory.format_of(into.value));
    }
    into_ = into.gradient;
    memory.use(landed_);
    memory.use(into_);
  }
  workspace_place gradient() const { return written_; }

  /// Collective: forward, before the operation reads this rank's part.
  void start(workspace<Backend>& memory) {
    if (!brings()) return;
    memory.copy(from_, from_rows_);
    span<const element, space> x = memory.seen(from_rows_);
    if (there_) {
      const span<element, space> at = memory.awaited(halo_ ? arrived_ : value_);
      (*there_)(x, at);
      x = at;
    }
    if (halo_) halo_->start(x, memory.awaited(value_));
  }
  /// Before it reads more.
  void finish(workspace<Backend>& memory) {
    if (!brings()) return;
    if (halo_) halo_->finish(memory.awaited(value_));
    memory.arrived(value_);
  }

  /// Collective: backward, once the operation has written the operand's gradient.
  void start_back(workspace<Backend>& memory) {
    if (written_ == nowhere || !(halo_ || back_)) return;
    memory.copy(written_, written_rows_);
    if (halo_) halo_->start_back(memory.seen(written_rows_), memory.awaited(back_ ? given_back_ : landed_));
  }
  /// Collective: after it.
  void finish_back(workspace<Backend>& memory) {
    if (written_ == nowhere) return;
    if (halo_) halo_->finish_back(memory.awaited(back_ ? given_back_ : landed_));
    if (back_) (*back_)(halo_ ? span<const element, space>(memory.awaited(given_back_)) : memory.seen(written_rows_), memory.awaited(landed_));
    if (halo_ || back_) memory.arrived(landed_);
    if (first_) memory.copy(landed_, into_);
    else memory.add(landed_, into_);
  }

 private:
  // What windows reach beyond this rank's own places comes from the ranks along the
  // axes that cut depth, height and width. All of the mesh overlaps or none of it, though
  // some groups of it be on one host.
  void make_halo([[maybe_unused]] workspace<Backend>& memory, process_mesh& on, const tensor_operation& o, const operation_plan& plan, std::optional<bool> overlap) {
    const halo_parts parts = halo_of(o, plan, on.shape(), on.rank());
    if (!parts.needed()) return;
    // A device does what it is given in order: nothing goes on beside a halo's way there.
    overlaps_ = on_host<space> && contracts(o.what) && overlap.value_or(on.all().all().hosts() > 1);
    communicator& group = overlaps_ ? on.behind(parts.axes) : on.over(parts.axes);
    if constexpr (on_host<space>) halo_.emplace(group, parts);
    else halo_.emplace(memory.mover(), group, parts);
    read_ = halo_->read();
  }

  std::size_t tensor_;
  block own_{}, read_{};  // where the operand is needed, and with its halo
  std::optional<resharding_of<Backend>> there_{}, back_{};
  std::optional<halo_between<Backend>> halo_{};
  bool overlaps_ = false;
  bool first_ = true;  // of the uses that give a gradient
  workspace_place from_, value_;
  workspace_place from_rows_ = nowhere, arrived_ = nowhere;                        // between them
  workspace_place written_ = nowhere, written_rows_ = nowhere, given_back_ = nowhere, landed_ = nowhere, into_ = nowhere;  // on the way back
  shape dims_;
};

}  // namespace tutti
