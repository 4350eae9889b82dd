#pragma once
#include <cstddef>
#include <vector>

#include <tutti/mesh/fusion.hpp>
#include <tutti/mesh/lifetimes.hpp>
#include <tutti/mesh/step_exchanges.hpp>

namespace tutti {

/// The bytes of a rank's memory that a training step needs, where kernels keep tensors
/// row-major. What kernels pad, and scratch of their own, comes on top, and so does what
/// an optimiser remembers.
struct memory_bill {
  std::size_t tensors = 0;     ///< at the peak, values and gradients: what is needed at different times shares memory
  std::size_t parameters = 0;  ///< their values and their gradients
  std::size_t packed = 0;      ///< on the way between ranks

  constexpr std::size_t total() const { return tensors + parameters + packed; }
};

/// Elements in 64 bytes, at whose multiples parameters begin in their store, and tensors
/// in a pass's memory.
constexpr std::size_t parameter_alignment(std::size_t element) { return element < 64 ? 64 / element : 1; }

namespace detail {

/// From when until when a pass of training needs what: the places that `sharded_pass` asks
/// its workspace for, in the same order and at the same steps.
class pass_places {
 public:
  constexpr pass_places(const operation_list& net, const network_plan& plan, const mesh& on, rank me)
      : net_(net), plan_(plan), on_(on), me_(me), tensors_(plan.tensors.size()) {
    for (const tensor_operation& o : net.all())
      for (std::size_t input : o.inputs) ++tensors_[input].uses;
    const std::vector<char> wanted = wanted_gradients(net);
    for (std::size_t t = 0; t < tensors_.size(); ++t) tensors_[t].wanted = wanted[t] != 0;
    tensors_.front().value = add(held(net.shape_of(0), plan.tensors.front().lies));
    keep(tensors_.front().value);
    for (std::size_t i = 0; i < net.all().size(); i = stages_.back().last + 1) forward(i, fuses_relu(net, plan, i) ? i + 1 : i);
    tensor& output = tensors_.back();
    keep(output.value);
    step_ = net.all().size();
    output.gradient = add(size_of(output.value));
    keep(output.gradient);
    for (std::size_t s = stages_.size(); s-- > 0;) backward(s);
  }

  /// Of each place, in multiples of so many elements.
  constexpr std::vector<lifetime> lifetimes(std::size_t alignment) const {
    std::vector<lifetime> all = pieces_;
    for (lifetime& each : all) each.size = (each.size + alignment - 1) / alignment * alignment;
    return all;
  }

 private:
  using place = std::size_t;
  static constexpr place nowhere = static_cast<place>(-1);

  struct tensor {
    std::size_t uses = 0;
    place value = nowhere, gradient = nowhere;
    bool wanted = false, spare = false;
  };
  struct operand {
    std::size_t tensor = 0, own = 0;  // elements of this rank's part
    place value = nowhere;
    bool halo = false, brought = false;
  };
  struct stage {
    std::size_t first = 0, last = 0;
    std::vector<operand> x{};
    std::size_t made = 0;  // elements
    place y = nowhere;
    bool passes_gradient = false, reads_x = false, reads_y = false, changes_dy = false;
    constexpr bool only_reads_gradient() const { return !changes_dy && !passes_gradient; }
  };

  constexpr std::size_t held(const shape& whole, const placement& at) const { return block_of(whole, at, on_, me_).elements(); }
  constexpr place add(std::size_t size) {
    pieces_.push_back({.size = size, .from = step_, .to = step_});
    return pieces_.size() - 1;
  }
  constexpr void use(place p) {
    if (step_ < pieces_[p].from) pieces_[p].from = step_;
    if (step_ > pieces_[p].to) pieces_[p].to = step_;
  }
  constexpr void keep(place p) { pieces_[p].from = 0, pieces_[p].to = static_cast<std::size_t>(-1); }
  constexpr std::size_t size_of(place p) const { return pieces_[p].size; }

  constexpr operand bring(std::size_t i, std::size_t k) {
    const tensor_operation& o = net_.all()[i];
    const operand_plan& x = plan_.operations[i].operands[k];
    operand got{.tensor = o.inputs[k], .own = held(o.x, x.at), .value = tensors_[o.inputs[k]].value};
    std::size_t read = got.own;
    if (slides(o.what)) {
      const halo_parts parts = halo_of(o, plan_.operations[i], on_, me_);
      got.halo = parts.needed();
      if (got.halo) read = parts.read[parts.here].elements();
    }
    use(got.value);
    got.brought = got.halo || !x.forward.empty();
    if (!got.brought) return got;
    if (got.halo && !x.forward.empty()) add(got.own);
    got.value = add(read);
    return got;
  }

  constexpr void forward(std::size_t first, std::size_t last) {
    step_ = first;
    const tensor_operation& o = net_.all()[first];
    stage here{.first = first, .last = last, .made = held(o.y, plan_.operations[first].made)};
    for (std::size_t k = 0; k < o.inputs.size(); ++k) here.x.push_back(bring(first, k));
    const bool renames = o.what == operation_kind::flatten, norm = o.what == operation_kind::batch_norm;
    const bool in_place = o.what == operation_kind::pointwise || o.what == operation_kind::dropout || o.what == operation_kind::add;
    here.passes_gradient = renames || in_place;
    here.reads_x = contracts(o.what) || norm;
    here.reads_y = o.what == operation_kind::pointwise || (last > first && !norm);
    here.changes_dy = here.reads_y || o.what == operation_kind::dropout || (norm && !tensors_[o.inputs[0]].wanted);
    bool overwrites = true;
    for (const operand& x : here.x) {
      const bool free = x.brought || tensors_[x.tensor].spare;
      if (here.y != nowhere || !(renames || (in_place && free))) continue;
      here.y = x.value;
      use(here.y);
      overwrites = free;
    }
    if (here.y == nowhere) here.y = add(here.made);
    tensor& made = tensors_[last + 1];
    made.value = here.y;
    made.spare = !here.reads_y && overwrites;
    if (!plan_.operations[last].settle.empty()) {
      made.value = add(held(net_.shape_of(last + 1), plan_.tensors[last + 1].lies));
      made.spare = true;
    }
    made.spare = made.spare && made.uses == 1;
    stages_.push_back(here);
  }

  constexpr void backward(std::size_t s) {
    const stage& here = stages_[s];
    tensor& made = tensors_[here.last + 1];
    if (!made.wanted) return;
    step_ = 2 * net_.all().size() - 1 - here.first;
    if (here.reads_y) use(here.y);
    for (const operand& x : here.x)
      if (here.reads_x) use(x.value);
    if (made.gradient == nowhere) made.gradient = add(size_of(made.value));
    place dy = made.gradient;
    use(dy);
    if (!plan_.operations[here.last].unsettle.empty()) dy = add(here.made);
    std::size_t holders = 0;
    for (std::size_t k = 0; k < here.x.size(); ++k) {
      tensor& x = tensors_[here.x[k].tensor];
      if (!x.wanted) continue;
      bool shared = holders == 1 && s > 0 && stages_[s - 1].only_reads_gradient(), read = false;
      for (const operand& other : here.x) read |= s > 0 && other.tensor == stages_[s - 1].last + 1;
      shared = shared && read;
      const place written = here.passes_gradient ? dy : add(size_of(here.x[k].value));
      give_back(here, k, written, here.passes_gradient && holders > 0 && !shared);
      holders += x.gradient == dy;
    }
  }

  constexpr void give_back(const stage& here, std::size_t k, place written, bool taken) {
    tensor& into = tensors_[here.x[k].tensor];
    const bool back = !plan_.operations[here.first].operands[k].backward.empty(), halo = here.x[k].halo;
    place landed = written;
    if (halo || back) {
      if (halo && back) add(here.x[k].own);
      landed = add(size_of(into.value));
      taken = false;
    }
    if (into.gradient == nowhere) into.gradient = !taken && size_of(landed) == size_of(into.value) ? landed : add(size_of(into.value));
    use(landed);
    use(into.gradient);
  }

  const operation_list& net_;
  const network_plan& plan_;
  const mesh& on_;
  rank me_;
  std::size_t step_ = 0;
  std::vector<tensor> tensors_;
  std::vector<stage> stages_{};
  std::vector<lifetime> pieces_{};
};

/// Elements that moves one after the other pack, unpack, and have between them.
constexpr std::size_t packed_by(const std::vector<move>& moves, const shape& whole, placement at, const mesh& on, rank me) {
  std::size_t elements = 0;
  for (std::size_t i = 0; i < moves.size(); ++i) {
    const move_parts parts = parts_of(moves[i], whole, at, on, me);
    for (const block& b : parts.sent) elements += parts.packs ? b.elements() : 0;
    for (const block& b : parts.got) elements += parts.unpacks ? b.elements() : 0;
    if (i + 1 < moves.size()) elements += parts.after.elements();
    at = after(at, moves[i]);
  }
  return elements;
}

constexpr std::size_t packed_by(const halo_parts& parts) {
  std::size_t elements = 0;
  for (std::size_t n : elements_of(parts.given())) elements += n;
  for (std::size_t n : elements_of(parts.taken())) elements += n;
  return elements;
}

}  // namespace detail

/// What rank `me` of the mesh holds in a step of training: the peak of its tensors is what
/// a pass allocates whose kernels keep them row-major.
constexpr memory_bill memory_of(const operation_list& net, const network_plan& plan, const mesh& on, rank me, std::size_t element) {
  const std::size_t alignment = parameter_alignment(element);
  const std::vector<char> wanted = wanted_gradients(net);
  memory_bill m{.tensors = lay_out(detail::pass_places(net, plan, on, me).lifetimes(alignment)).size};
  for (std::size_t i = 0; i < net.all().size(); ++i) {
    const tensor_operation& o = net.all()[i];
    const operation_plan& p = plan.operations[i];
    for (std::size_t k = 0; k < o.inputs.size(); ++k) {
      const tensor_plan& from = plan.tensors[o.inputs[k]];
      const operand_plan& x = p.operands[k];
      m.packed += detail::packed_by(x.forward, o.x, from.lies, on, me) + detail::packed_by(x.backward, o.x, x.gradient, on, me);
    }
    if (slides(o.what))
      if (const halo_parts parts = halo_of(o, p, on, me); parts.needed()) m.packed += detail::packed_by(parts);
    m.packed += detail::packed_by(p.settle, o.y, p.made, on, me);
    if (wanted[i + 1]) m.packed += detail::packed_by(p.unsettle, o.y, plan.tensors[i + 1].gradient, on, me);
    for (const parameter_plan& w : p.parameters)
      m.parameters += 2 * ((local_shape(w.dims, w.at, on, me).elements() + alignment - 1) / alignment * alignment);
  }
  for (std::size_t* part : {&m.tensors, &m.parameters, &m.packed}) *part *= element;
  return m;
}

}  // namespace tutti
