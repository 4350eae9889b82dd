#pragma once
#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <numeric>
#include <utility>
#include <vector>

#include <tutti/kernel/matmul.hpp>
#include <tutti/mesh/cutting.hpp>
#include <tutti/mesh/local_product.hpp>
#include <tutti/mesh/panels.hpp>
#include <tutti/mesh/sharded_tensor.hpp>

namespace tutti {

struct product_options {
  std::size_t panel = 256;      ///< places of a panel; 0: whatever is gathered is gathered whole
  link_model link = window_link;  ///< that chooses
};

/// A product of tensors on a mesh as it is planned: made once, done often. `Matmul` is
/// the arithmetic: `blocked_matmul` for any type, `onednn::matmul` for floats.
template <class T, class Matmul = blocked_matmul>
class product {
 public:
  /// `on` must outlive it. Cost: of each tensor that is moved a panel, or a copy.
  product(process_mesh& on, const einsum& e, const einsum_plan& plan, std::size_t panel = product_options{}.panel, Matmul matmul = {})
      : on_(&on), parts_(panels_of(e, plan, on.shape(), on.rank(), panel)), local_(e), matmul_(matmul),
        a_(on, e.a(), plan.given_a, without_last(plan.move_a, parts_.a.moved), parts_.a, parts_.panels),
        b_(on, e.b(), plan.given_b, without_last(plan.move_b, parts_.b.moved), parts_.b, parts_.panels),
        result_(on, parts_.result, parts_.panels),
        after_(on, e.result(), parts_.result.moved ? after(plan.result, plan.move_result.front()) : plan.result,
               {plan.move_result.begin() + (parts_.result.moved ? 1 : 0), plan.move_result.end()}) {
    settled_ = plan.move_result.size() == (parts_.result.moved ? 1u : 0u);
    if (!settled_) made_ = buffer<T>(on.all(), parts_.result.own.elements());
  }

  /// Collective. The spans hold this rank's parts; c must not overlap a or b.
  void operator()(span<const T> a, span<const T> b, span<T> c) {
    a = a_.brought(a);
    b = b_.brought(b);
    span<T> made = settled_ ? c : span<T>(made_);
    std::fill(made.begin(), made.end(), T{});
    for (std::size_t k = 0; k < parts_.panels.size(); ++k) {
      const T *x = a_.gathered(*on_, parts_.a, k, parts_.panels[k], a), *w = b_.gathered(*on_, parts_.b, k, parts_.panels[k], b);
      T* y = parts_.result.moved ? result_.cleared() : made.data();
      for (const share& piece : parts_.panels[k]) {
        block loops = parts_.loops;
        if (parts_.dimension < loops.rank()) loops[parts_.dimension] = piece;
        const block in_a = in_memory(parts_.a, piece), in_b = in_memory(parts_.b, piece), in_c = in_memory(parts_.result, piece);
        local_(loops, in_a, x, in_b, w, in_c, y, matmul_);
        x += parts_.a.moved ? in_a.elements() : 0;
        w += parts_.b.moved ? in_b.elements() : 0;
        y += parts_.result.moved ? in_c.elements() : 0;
      }
      if (parts_.result.moved) result_.scatter(*on_, parts_.result, k, parts_.panels[k], made);
    }
    if (!settled_) after_(made, c);
  }

 private:
  // Memory for the panels of one tensor, and what each rank has of them.
  struct panel_memory {
    std::vector<std::vector<std::size_t>> counts{};  // by panel, by rank along the axis
    buffer<T> own{}, all{};                          // of a panel, the pieces one after the other

    panel_memory(process_mesh& on, const panelled_tensor& t, const std::vector<std::vector<share>>& panels) {
      if (!t.moved) return;
      const auto here = static_cast<std::size_t>(on.shape().coordinate(on.rank(), t.axis));
      std::size_t most = 0, mine = 0;
      for (const std::vector<share>& pieces : panels) {
        counts.push_back(t.counts(pieces));
        most = std::max(most, std::accumulate(counts.back().begin(), counts.back().end(), std::size_t{0}));
        mine = std::max(mine, counts.back()[here]);
      }
      own = buffer<T>(on.all(), mine);
      all = buffer<T>(on.all(), most);
    }

    // This rank's pieces, as parts of what it holds.
    static std::vector<block> held(const process_mesh& on, const panelled_tensor& t, const std::vector<share>& pieces) {
      const share mine = t.shares[static_cast<std::size_t>(on.shape().coordinate(on.rank(), t.axis))];
      std::vector<block> parts;
      for (const share& piece : pieces)
        if (piece.first >= mine.first && piece.end() <= mine.end()) parts.push_back(t.part_of(t.own, piece));
      return parts;
    }
    span<T> of_all(std::size_t k) { return {all.data(), std::accumulate(counts[k].begin(), counts[k].end(), std::size_t{0})}; }
    span<const std::size_t> count(std::size_t k) const { return {counts[k].data(), counts[k].size()}; }
    span<T> of_own(const process_mesh& on, const panelled_tensor& t, std::size_t k) {
      return {own.data(), counts[k][static_cast<std::size_t>(on.shape().coordinate(on.rank(), t.axis))]};
    }

    T* cleared() {
      std::fill(all.begin(), all.end(), T{});
      return all.data();
    }
    void scatter(process_mesh& on, const panelled_tensor& t, std::size_t k, const std::vector<share>& pieces, span<T> made) {
      const span<T> mine = of_own(on, t, k);
      reduce_scatter_v(on.along(t.axis), of_all(k), mine, count(k), plus{});
      unpack_blocks(held(on, t, pieces), static_cast<const T*>(mine.data()), t.own, made.data());
    }
  };

  struct operand : panel_memory {
    resharding<T> before;
    buffer<T> there{};
    bool lies = true;

    operand(process_mesh& on, const shape& whole, const placement& at, const std::vector<move>& moves, const panelled_tensor& t,
            const std::vector<std::vector<share>>& panels)
        : panel_memory(on, t, panels), before(on, whole, at, moves), lies(moves.empty()) {
      if (!lies) there = buffer<T>(on.all(), t.own.elements());
    }
    span<const T> brought(span<const T> values) {
      if (lies) return values;
      before(values, span<T>(there));
      return {there.data(), there.size()};
    }
    const T* gathered(process_mesh& on, const panelled_tensor& t, std::size_t k, const std::vector<share>& pieces, span<const T> values) {
      if (!t.moved) return values.data();
      const span<T> mine = this->of_own(on, t, k);
      pack_blocks(this->held(on, t, pieces), t.own, values.data(), mine.data());
      all_gather_v(on.along(t.axis), span<const T>(mine), this->of_all(k), this->count(k));
      return this->all.data();
    }
  };

  static block in_memory(const panelled_tensor& t, const share& piece) { return t.moved ? t.part_of(t.all, piece) : t.all; }
  static std::vector<move> without_last(std::vector<move> moves, bool last) {
    if (last) moves.pop_back();
    return moves;
  }

  process_mesh* on_;
  product_panels parts_;
  local_product<T> local_;
  Matmul matmul_;
  operand a_, b_;
  panel_memory result_;
  resharding<T> after_;
  buffer<T> made_{};
  bool settled_ = true;
};

namespace detail {

template <class T, class Matmul>
sharded_tensor<T> multiplied(const sharded_tensor<T>& a, const sharded_tensor<T>& b, const einsum& e, const einsum_plan& plan, const placement& at,
                             std::size_t panel, Matmul matmul) {
  sharded_tensor<T> c(a.on(), e.result(), at);
  product<T, Matmul> multiply_them(a.on(), e, plan, panel, matmul);
  multiply_them(a.values(), b.values(), c.values());
  return c;
}

}  // namespace detail

/// The product of two tensors over named dimensions, with the result's in this order:
/// what both have and the result has not is summed. It comes to lie at `at`. Collective.
/// Throws `invalid_argument` as `einsum` does, and where the operands lie on different
/// meshes. Cost: of all ways to cut the loops the cheapest by the model; see `plan_einsum`.
template <class T, class Matmul = blocked_matmul>
sharded_tensor<T> multiply(const sharded_tensor<T>& a, const sharded_tensor<T>& b, std::initializer_list<name> result, const placement& at,
                           const product_options& how = {}, Matmul matmul = {}) {
  detail::need_one_mesh(a, b);
  const einsum e(a.whole(), b.whole(), result);
  return detail::multiplied(a, b, e, plan_einsum(e, a.where(), b.where(), at, a.on().shape(), {.element = sizeof(T), .link = how.link}), at, how.panel, matmul);
}

/// The same, the result being wherever that costs least; it is no sum.
template <class T, class Matmul = blocked_matmul>
sharded_tensor<T> multiply(const sharded_tensor<T>& a, const sharded_tensor<T>& b, std::initializer_list<name> result, const product_options& how = {},
                           Matmul matmul = {}) {
  detail::need_one_mesh(a, b);
  const einsum e(a.whole(), b.whole(), result);
  const einsum_plan plan = plan_einsum(e, a.where(), b.where(), a.on().shape(), {.element = sizeof(T), .link = how.link});
  return detail::multiplied(a, b, e, plan, after(plan.result, plan.move_result), how.panel, matmul);
}

template <class T>
struct product_gradients {
  sharded_tensor<T> a, b;
};

/// The gradients of both operands of a product from that of its result, each where its
/// operand lies, or on every rank where that is a sum. The result's dimensions are those
/// of `dc`. Collective. Throws as `multiply` does. Cost: of two products, whose
/// moves of `dc` are done once where both need the same.
template <class T, class Matmul = blocked_matmul>
product_gradients<T> multiply_gradients(const sharded_tensor<T>& a, const sharded_tensor<T>& b, const sharded_tensor<T>& dc,
                                        const product_options& how = {}, Matmul matmul = {}) {
  detail::need_one_mesh(a, b);
  detail::need_one_mesh(a, dc);
  std::vector<name> result;
  for (const dimension& d : dc.whole()) result.push_back(d.what);
  const einsum e(a.whole(), b.whole(), span<const name>(result.data(), result.size())), for_a = e.gradient_of_a(), for_b = e.gradient_of_b();
  if (!(e.result() == dc.whole()))
    throw error(errc::invalid_argument, format("the gradient of %s cannot be %s", e.result().text().c_str(), dc.whole().text().c_str()));
  const mesh& on = a.on().shape();
  const move_costs costs{.element = sizeof(T), .link = how.link};
  const placement to_a = detail::without_sums(a.where(), on), to_b = detail::without_sums(b.where(), on);
  const einsum_plan plan_a = plan_einsum(for_a, dc.where(), b.where(), to_a, on, costs), plan_b = plan_einsum(for_b, a.where(), dc.where(), to_b, on, costs);
  const einsum_plan after_it = plan_einsum(for_b, a.where(), plan_a.a, to_b, on, costs);
  if (after_it.seconds >= plan_b.seconds)
    return {detail::multiplied(dc, b, for_a, plan_a, to_a, how.panel, matmul), detail::multiplied(a, dc, for_b, plan_b, to_b, how.panel, matmul)};
  const sharded_tensor<T> there = dc.moved(plan_a.a);
  return {detail::multiplied(there, b, for_a, plan_einsum(for_a, plan_a.cut, plan_a.a, b.where(), to_a, on, costs), to_a, how.panel, matmul),
          detail::multiplied(a, there, for_b, after_it, to_b, how.panel, matmul)};
}

}  // namespace tutti
