#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include <tutti/mesh/bill.hpp>
#include <tutti/mesh/einsum.hpp>

// A product whose loops are done panel by panel along one of their dimensions. Of an
// operand that would be gathered along it only a panel is gathered at a time, and of
// a result that would be scattered a panel is made and scattered, so that no rank ever
// holds what the move would bring together. With both operands of a matrix product cut
// over both axes of a mesh this is SUMMA (van de Geijn and Watts, SUMMA: scalable
// universal matrix multiplication algorithm, 1997), forward and both gradients.

namespace tutti {

/// A tensor of a product done in panels, as one rank has it.
struct panelled_tensor {
  bool moved = false;          ///< panel by panel; else it is there, or made, in one piece
  int axis = 0;                ///< along which
  std::size_t dimension = shape::capacity;  ///< of the tensor that the panels cut, if it has it
  block own{};                 ///< what the rank holds of it before a gather or after a scatter
  block all{};                 ///< with all of the dimension that its loops have
  std::vector<share> shares{}; ///< of that dimension, by rank along the axis

  /// The tensor's part that belongs to a piece of the dimension.
  constexpr block part_of(const block& of, const share& piece) const {
    block part = of;
    if (dimension < of.rank()) part[dimension] = piece;
    return part;
  }
  /// Elements of these pieces that each rank along the axis holds.
  constexpr std::vector<std::size_t> counts(const std::vector<share>& pieces) const {
    std::vector<std::size_t> by_rank(shares.size());
    for (std::size_t r = 0; r < shares.size(); ++r)
      for (const share& piece : pieces)
        if (piece.first >= shares[r].first && piece.end() <= shares[r].end()) by_rank[r] += part_of(all, piece).elements();
    return by_rank;
  }
};

/// How one rank does its loops.
struct product_panels {
  std::size_t dimension = shape::capacity;  ///< of `einsum::over()`; none where nothing is moved in panels
  block loops{};
  panelled_tensor a{}, b{}, result{};
  std::vector<std::vector<share>> panels{};   ///< of each, its pieces of the dimension: none is of two ranks' shares
};

/// The dimension is the one along which most of the plan's moves end or begin; a panel
/// has about `width` of its places, taken evenly from all ranks' shares, or all of them
/// where that is 0.
constexpr product_panels panels_of(const einsum& e, const einsum_plan& plan, const mesh& on, rank me, std::size_t width) {
  auto gathers = [](const std::vector<move>& moves, const shape& tensor, const name& along) {
    return !moves.empty() && moves.back().what == move_kind::all_gather && tensor[static_cast<std::size_t>(moves.back().from)].what == along;
  };
  auto scatters = [](const std::vector<move>& moves, const shape& tensor, const name& along) {
    return !moves.empty() && moves.front().what == move_kind::reduce_scatter && tensor[static_cast<std::size_t>(moves.front().to)].what == along;
  };
  product_panels p{.loops = block_of(e.over(), plan.cut, on, me)};
  int most = 0;
  for (std::size_t i = 0; i < e.over().rank(); ++i) {
    const name& along = e.over()[i].what;
    const int moves = gathers(plan.move_a, e.a(), along) + gathers(plan.move_b, e.b(), along) + scatters(plan.move_result, e.result(), along);
    if (moves <= most) continue;
    most = moves;
    p.dimension = i;
  }
  const name along = most > 0 ? e.over()[p.dimension].what : name();
  auto describe = [&](panelled_tensor& t, const shape& tensor, const placement& all, const placement& own, int axis, bool moved) {
    t = {.moved = moved, .axis = axis, .own = block_of(tensor, own, on, me), .all = block_of(tensor, all, on, me)};
    for (std::size_t d = 0; d < tensor.rank(); ++d)
      if (most > 0 && tensor[d].what == along) t.dimension = d;
    for (int at = 0; moved && at < on[axis].size; ++at)
      t.shares.push_back(local_share(own, on, on.beside(me, axis, at), t.dimension, tensor[t.dimension].size));
  };
  auto operand = [&](panelled_tensor& t, const shape& tensor, const placement& at, const std::vector<move>& moves) {
    const bool moved = most > 0 && gathers(moves, tensor, along);
    describe(t, tensor, at, moved ? at.sharded(static_cast<std::size_t>(moves.back().from), moves.back().axis) : at, moved ? moves.back().axis : 0, moved);
  };
  operand(p.a, e.a(), plan.a, plan.move_a);
  operand(p.b, e.b(), plan.b, plan.move_b);
  const bool scattered = most > 0 && scatters(plan.move_result, e.result(), along);
  describe(p.result, e.result(), plan.result, scattered ? after(plan.result, plan.move_result.front()) : plan.result,
           scattered ? plan.move_result.front().axis : 0, scattered);
  if (most == 0) {
    p.panels.push_back({share{}});  // the loops as they are
    return p;
  }
  // Between the boundaries of all ranks' shares nobody's share ends.
  const share places = p.loops[p.dimension];
  std::vector<std::size_t> bounds{places.first, places.end()};
  for (const panelled_tensor* t : {&p.a, &p.b, &p.result})
    for (const share& s : t->shares) bounds.push_back(s.first);
  std::sort(bounds.begin(), bounds.end());
  const std::size_t panels = width == 0 || places.count <= width ? 1 : (places.count + width - 1) / width;
  for (std::size_t k = 0; k < panels; ++k) {
    p.panels.emplace_back();
    for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
      const share part = share_of(bounds[i + 1] - bounds[i], static_cast<int>(k), static_cast<int>(panels));
      if (part.count > 0) p.panels.back().push_back({.first = bounds[i] + part.first, .count = part.count});
    }
  }
  return p;
}

/// What rank `me` sends in a product, `choose` as for `bill`: first for the moves of
/// operand a, then of b, then of the result, those done in panels being all panels together.
struct product_bill {
  std::vector<traffic> a{}, b{}, result{};

  constexpr traffic sent() const {
    traffic all;
    for (const std::vector<traffic>* moves : {&a, &b, &result})
      for (const traffic& one : *moves) all += one;
    return all;
  }
};

template <class Choose>
constexpr product_bill bill(const einsum& e, const einsum_plan& plan, const mesh& on, rank me, std::size_t width, std::size_t element, Choose choose) {
  const product_panels p = panels_of(e, plan, on, me, width);
  auto in_panels = [&](const panelled_tensor& t, collective what) {
    traffic all;
    for (const std::vector<share>& pieces : p.panels)
      all += detail::sends_of_uneven(what, 1u << t.axis, t.counts(pieces), {}, on, me, element, choose);
    return all;
  };
  auto of = [&](const panelled_tensor& t, const shape& tensor, const std::vector<move>& moves, placement at, bool operand) {
    std::vector<traffic> sent;
    for (const move& m : moves) {
      const bool panelled = t.moved && &m == (operand ? &moves.back() : &moves.front());
      sent.push_back(panelled ? in_panels(t, operand ? collective::all_gather : collective::reduce_scatter)
                              : sends_of(m, tensor, at, on, me, element, choose));
      at = after(at, m);
    }
    return sent;
  };
  return {.a = of(p.a, e.a(), plan.move_a, plan.given_a, true),
          .b = of(p.b, e.b(), plan.move_b, plan.given_b, true),
          .result = of(p.result, e.result(), plan.move_result, plan.result, false)};
}

}  // namespace tutti
