#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <tutti/mesh/block.hpp>
#include <tutti/mesh/halo.hpp>
#include <tutti/mesh/planner.hpp>

// All that ranks of a mesh exchange in one training step, as a list that is read in
// several ways: billed, explained and drawn.

namespace tutti {

/// What a rank has before and after a move, and which of its parts go to and come
/// from each rank along the axis; none where the move is an all-reduce or local.
struct move_parts {
  block before{}, after{};
  std::vector<block> sent{}, got{};
  bool packs = false, unpacks = false;  ///< whether what travels is packed before, and unpacked after
};

constexpr move_parts parts_of(const move& m, const shape& whole, const placement& at, const mesh& on, rank me) {
  const placement then = after(at, m);
  move_parts parts{.before = block_of(whole, at, on, me), .after = block_of(whole, then, on, me)};
  if (is_local(m.what) || m.what == move_kind::all_reduce) return parts;
  for (int k = 0; k < on[m.axis].size; ++k) {
    const rank other = on.beside(me, m.axis, k);
    parts.sent.push_back(common(parts.before, block_of(whole, then, on, other)));
    parts.got.push_back(common(parts.after, block_of(whole, at, on, other)));
  }
  parts.packs = m.what != move_kind::all_gather && !lie_in_order(parts.sent, parts.before);
  parts.unpacks = m.what != move_kind::reduce_scatter && !lie_in_order(parts.got, parts.after);
  return parts;
}

/// What is read of an operand, of which a rank owns so much, to make a part of the
/// result: along what windows slide over, what they reach.
constexpr block read_of(const tensor_operation& o, block owned, const block& made) {
  for (std::size_t k = 0; k < o.windows.size(); ++k) owned[2 + k] = read_by(o.windows[k], made[2 + k], o.x[2 + k].size);
  return owned;
}

/// What the ranks along the axes that cut a picture own of an operand, and what
/// their windows read of it.
struct halo_parts {
  unsigned axes = 0;
  std::vector<block> owned{}, read{};  ///< by rank along these axes; owned blocks do not overlap, and cover what is read
  std::size_t here = 0;                ///< this rank among them

  /// Where no axis cuts the picture, windows may leave rows out, and nothing is fetched.
  constexpr bool needed() const { return axes != 0 && owned != read; }

  /// What this rank gives to each of them, and takes from each: nothing of its own.
  constexpr std::vector<block> given() const { return in_common(owned[here], read); }
  constexpr std::vector<block> taken() const { return in_common(read[here], owned); }

 private:
  constexpr std::vector<block> in_common(const block& mine, const std::vector<block>& theirs) const {
    std::vector<block> all;
    all.reserve(theirs.size());
    for (const block& each : theirs) all.push_back(common(mine, each));
    all[here][0].count = 0;
    return all;
  }
};

/// Elements of each block.
constexpr std::vector<std::size_t> elements_of(const std::vector<block>& parts) {
  std::vector<std::size_t> counts;
  counts.reserve(parts.size());
  for (const block& part : parts) counts.push_back(part.elements());
  return counts;
}

/// Of a group whose ranks own such blocks of an operand and make such blocks of the result:
/// they may be cut anywhere. Preconditions: the operation slides windows; owned blocks do
/// not overlap, and cover what is read.
constexpr halo_parts halo_of(const tensor_operation& o, std::vector<block> owned, const std::vector<block>& made, std::size_t here) {
  halo_parts parts{.here = here};
  for (std::size_t r = 0; r < made.size(); ++r) parts.read.push_back(read_of(o, owned[r], made[r]));
  parts.owned = std::move(owned);
  return parts;
}

/// Precondition: the operation slides windows.
constexpr halo_parts halo_of(const tensor_operation& o, const operation_plan& p, const mesh& on, rank me) {
  unsigned axes = 0;
  for (std::size_t d = 2; d < o.x.rank(); ++d)
    for (int axis : p.operands[0].at.axes_of(d)) axes |= 1u << axis;
  std::vector<block> owned, made;
  std::size_t here = 0;
  for (rank r : on.beside(me, axes)) {
    if (r == me) here = owned.size();
    owned.push_back(block_of(o.x, p.operands[0].at, on, r));
    made.push_back(block_of(o.y, p.made, on, r));
  }
  halo_parts parts = halo_of(o, std::move(owned), made, here);
  parts.axes = axes;
  return parts;
}

/// Why ranks exchange something.
enum class cause : std::uint8_t {
  operand,             ///< an operand is needed elsewhere than it lies
  halo,                ///< windows read what others own
  inner,               ///< the operation itself adds up something, forward
  result,              ///< what was made is to lie elsewhere
  loss,                ///< a loss adds up over classes that are cut, as `sharded_cross_entropy` does
  result_gradient,     ///< the result's gradient is needed elsewhere than it lies
  inner_gradient,      ///< the operation itself adds up something, backward
  halo_gradient,       ///< gradients of what windows have read go back to who owns it
  operand_gradient,    ///< an operand's gradient is to lie elsewhere
  parameter_gradient,  ///< gradients of parameters are sums over axes; see `gradient_sums`
};

constexpr bool is_backward(cause why) { return why > cause::loss; }

/// One collective of a training step, or a local move.
struct step_exchange {
  cause why = cause::operand;
  std::size_t operation = 0;
  std::size_t which = 0;  ///< of several operands, or inner reductions
  unsigned axes = 0;      ///< bit a for axis a
  move by{};              ///< of what is moved
  placement before{};     ///< where it lies before

  constexpr bool is_move() const {
    return why == cause::operand || why == cause::result || why == cause::result_gradient || why == cause::operand_gradient;
  }
};

/// What is moved: an operand in its operation's words, or the result.
constexpr const shape& moved(const step_exchange& e, const operation_list& net) {
  const tensor_operation& o = net.all()[e.operation];
  return e.why == cause::operand || e.why == cause::operand_gradient ? o.x : o.y;
}

/// By tensor, 1 where its gradient leads to a parameter's, and else 0.
constexpr std::vector<char> wanted_gradients(const operation_list& net) {
  std::vector<char> wanted(1, 0);
  for (const tensor_operation& o : net.all()) {
    bool here = !o.parameters.empty();
    for (std::size_t input : o.inputs) here = here || wanted[input] != 0;
    wanted.push_back(here ? 1 : 0);
  }
  return wanted;
}

/// What the loss of a network adds up that ends in logits (batch, classes) and is no
/// operation of it.
constexpr std::vector<inner_reduction> loss_reductions(const operation_list& net, const network_plan& plan, const mesh& on, rank r,
                                                       std::size_t element) {
  const shape& logits = net.shape_of(net.all().size());
  if (net.all().back().what == operation_kind::loss || logits.rank() != 2) return {};
  return inner_reductions({.what = operation_kind::loss, .x = logits}, {.cut = plan.tensors.back().lies}, on, r, element);
}

namespace detail {

class listing {
 public:
  constexpr listing(const operation_list& net, const network_plan& plan, const mesh& on)
      : net_(net), plan_(plan), on_(on), wanted_(wanted_gradients(net)) {
    for (std::size_t i = 0; i < net.all().size(); ++i) forward(i);
    if (!net.all().empty()) add_inner(cause::loss, net.all().size() - 1, loss_reductions(net, plan, on, {0}, 1));
    for (std::size_t i = net.all().size(); i-- > 0;) backward(i);
  }
  constexpr std::vector<step_exchange> result() const { return all_; }

 private:
  constexpr void add(cause why, std::size_t i, std::size_t which, const std::vector<move>& moves, placement at) {
    for (const move& m : moves) {
      all_.push_back({.why = why, .operation = i, .which = which, .axes = 1u << m.axis, .by = m, .before = at});
      at = after(at, m);
    }
  }
  constexpr void add_halo(cause why, std::size_t i) {
    const tensor_operation& o = net_.all()[i];
    if (!slides(o.what)) return;
    const halo_parts parts = halo_of(o, plan_.operations[i], on_, {0});
    if (parts.needed()) all_.push_back({.why = why, .operation = i, .axes = parts.axes});
  }

  constexpr void add_inner(cause why, std::size_t i, const std::vector<inner_reduction>& sums) {
    for (std::size_t k = 0; k < sums.size(); ++k)
      if (why != cause::inner_gradient || sums[k].backward > 0) all_.push_back({.why = why, .operation = i, .which = k, .axes = sums[k].axes});
  }

  constexpr void forward(std::size_t i) {
    const operation_plan& p = plan_.operations[i];
    const std::vector<std::size_t>& inputs = net_.all()[i].inputs;
    for (std::size_t k = 0; k < inputs.size(); ++k) add(cause::operand, i, k, p.operands[k].forward, plan_.tensors[inputs[k]].lies);
    add_halo(cause::halo, i);
    add_inner(cause::inner, i, inner_reductions(net_.all()[i], p, on_, {0}, 1));
    add(cause::result, i, 0, p.settle, p.made);
  }
  constexpr void backward(std::size_t i) {
    if (!wanted_[i + 1]) return;
    const operation_plan& p = plan_.operations[i];
    add(cause::result_gradient, i, 0, p.unsettle, plan_.tensors[i + 1].gradient);
    add_inner(cause::inner_gradient, i, inner_reductions(net_.all()[i], p, on_, {0}, 1));
    const std::vector<std::size_t>& inputs = net_.all()[i].inputs;
    if (wanted_[inputs[0]]) add_halo(cause::halo_gradient, i);
    for (std::size_t k = 0; k < inputs.size(); ++k)
      if (wanted_[inputs[k]]) add(cause::operand_gradient, i, k, p.operands[k].backward, p.operands[k].gradient);
  }

  const operation_list& net_;
  const network_plan& plan_;
  const mesh& on_;
  std::vector<char> wanted_;
  std::vector<step_exchange> all_{};
};

}  // namespace detail

/// What a pass forward and a pass backward exchange, in their order; the sums of
/// parameters' gradients come after, see `gradient_sums`.
constexpr std::vector<step_exchange> exchanges_of(const operation_list& net, const network_plan& plan, const mesh& on) {
  return detail::listing(net, plan, on).result();
}

/// Gradients of parameters that are added up in one call.
struct gradient_sum {
  unsigned axes = 0;                    ///< bit a for axis a
  std::size_t operation = 0, last = 0;  ///< of the first and the last parameter
  std::size_t elements = 0;             ///< that a rank has, with what lies between
};

/// The axes over which a parameter's gradient is a sum: bit a for axis a.
constexpr unsigned sums_of(const parameter_plan& w, const mesh& on) {
  unsigned axes = 0;
  for (int axis = 0; axis < on.axes(); ++axis)
    if (w.gradient.partial_on(axis)) axes |= 1u << axis;
  return axes;
}

/// One call for each set of axes, of parameters that lie one after the other, each at
/// a multiple of `alignment` elements.
constexpr std::vector<gradient_sum> gradient_sums(const network_plan& plan, const mesh& on, rank me, std::size_t alignment) {
  std::vector<gradient_sum> all;
  for (unsigned axes = 1; axes < 1u << on.axes(); ++axes) {
    gradient_sum sum{.axes = axes};
    bool any = false;
    for (std::size_t i = 0; i < plan.operations.size(); ++i)
      for (const parameter_plan& w : plan.operations[i].parameters) {
        if (sums_of(w, on) != axes) continue;
        sum.elements = (sum.elements + alignment - 1) / alignment * alignment + local_shape(w.dims, w.at, on, me).elements();
        sum.last = i;
        if (!any) sum.operation = i;
        any = true;
      }
    if (any) all.push_back(sum);
  }
  return all;
}

}  // namespace tutti
