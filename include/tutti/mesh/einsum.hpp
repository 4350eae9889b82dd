#pragma once
#include <cstddef>
#include <initializer_list>
#include <string_view>
#include <vector>

#include <tutti/base/span.hpp>
#include <tutti/mesh/move.hpp>

namespace tutti {

/// A product of two tensors over named dimensions: what both have and the result
/// has not is summed, as in `(batch, features) × (units, features) → (batch,
/// units)`. A gradient of it is another one.
class einsum {
 public:
  /// Throws `invalid_argument` where a dimension has two sizes or occurs twice
  /// in a tensor, where the result has one that neither operand has, and where
  /// an operand has one that is nowhere else.
  constexpr einsum(const shape& a, const shape& b, std::initializer_list<name> result)
      : einsum(a, b, span<const name>(result.begin(), result.size())) {}
  constexpr einsum(const shape& a, const shape& b, span<const name> result) : a_(a), b_(b) {
    for (const shape* operand : {&a, &b})
      for (const dimension& d : *operand) include(*operand, d);
    for (const name& what : result) {
      if (!over_.has(what)) refuse("the result has a dimension '{}', and neither operand has: {} and {}", {what, a, b});
      else if (c_.has(what)) refuse_twice(what);
      else c_.append({what, over_.of(what)});
    }
    for (const shape* operand : {&a, &b})
      for (const dimension& d : *operand)
        if (!(operand == &a ? b : a).has(d.what) && !c_.has(d.what))
          refuse("'{}' of {} is neither in the other operand nor in the result: sum it first", {d.what, *operand});
  }

  /// Why this constant cannot be; empty where it can.
  constexpr const sentence& refused() const { return refused_; }
  constexpr const shape& a() const { return a_; }
  constexpr const shape& b() const { return b_; }
  constexpr const shape& result() const { return c_; }
  /// All dimensions, each once: what a nest of loops would run over.
  constexpr const shape& over() const { return over_; }

  /// The gradient of operand a from that of the result: dresult × b → a.
  constexpr einsum gradient_of_a() const { return {c_, b_, a_}; }
  /// The gradient of operand b: a × dresult → b.
  constexpr einsum gradient_of_b() const { return {a_, c_, b_}; }

 private:
  constexpr einsum(const shape& a, const shape& b, const shape& result) : a_(a), b_(b), c_(result) {
    for (const shape* operand : {&a, &b})
      for (const dimension& d : *operand)
        if (!over_.has(d.what)) over_.append(d);
  }

  constexpr void include(const shape& operand, const dimension& d) {
    std::size_t times = 0;
    for (const dimension& other : operand) times += other.what == d.what;
    if (times > 1) refuse_twice(d.what);
    if (!over_.has(d.what)) over_.append(d);
    else if (over_.of(d.what) != d.size)
      refuse("'{}' has {} places in one operand and {} in the other, which is {}", {d.what, over_.of(d.what), d.size, operand});
  }
  constexpr void refuse_twice(const name& what) { refuse("a tensor has two dimensions '{}'", {what}); }
  constexpr void refuse(std::string_view pattern, std::initializer_list<sentence> words = {}) { tutti::refuse(refused_, pattern, words); }

  shape a_, b_, c_, over_;
  sentence refused_{};
};

/// How a product is done on a mesh: which axis cuts which dimension of its
/// loops, and what must be moved before and after. Along an axis on which the cut
/// is partial, an operand that is a sum stays one, and so is the result.
struct einsum_plan {
  placement cut{};      ///< of `einsum::over()`
  placement a{}, b{};   ///< where the operands are needed
  placement given_a{}, given_b{};  ///< where they lie
  placement result{};   ///< where the result comes to lie: a sum over each axis that cuts a summed dimension
  std::vector<move> move_a{}, move_b{}, move_result{};
  double seconds = 0;   ///< of the moves and the busiest rank's multiplications, by the model
};

namespace detail {

/// Where a tensor lies that has some of the dimensions of a nest of loops.
constexpr placement project(const placement& cut, const shape& over, const shape& tensor) {
  placement p;
  for (std::size_t d = 0; d < tensor.rank(); ++d)
    for (std::size_t i = 0; i < over.rank(); ++i)
      if (over[i].what == tensor[d].what)
        for (int axis : cut.axes_of(i)) p = p.sharded(d, axis);
  return p;
}

constexpr double seconds_of(const std::vector<move>& moves, const shape& whole, placement at, const mesh& on,
                            const move_costs& costs) {
  double all = 0;
  for (const move& m : moves) {
    all += costs.of(m, whole, at, on);
    at = after(at, m);
  }
  return all;
}

/// Of the multiplications of the first rank: none has more.
constexpr double product_seconds(const einsum& e, const placement& cut, const mesh& on) {
  double products = 1;
  for (std::size_t d = 0; d < e.over().rank(); ++d) products *= static_cast<double>(local_share(cut, on, {0}, d, e.over()[d].size).count);
  return products * 1e-10;
}

}  // namespace detail

/// The plan in which the loops are cut as `cut` says; an axis on which that is
/// partial is one along which an operand that is a sum stays one. The operands
/// lie at `a` and `b`, and the result is wanted at `result`. Throws
/// `invalid_argument` where both operands or neither are a sum over such an axis.
constexpr einsum_plan plan_einsum(const einsum& e, const placement& cut, const placement& a, const placement& b,
                                  const placement& result, const mesh& on, const move_costs& costs = {}) {
  einsum_plan plan{.cut = cut,
                   .a = detail::project(cut, e.over(), e.a()),
                   .b = detail::project(cut, e.over(), e.b()),
                   .given_a = a,
                   .given_b = b,
                   .result = detail::project(cut, e.over(), e.result())};
  for (int axis = 0; axis < on.axes(); ++axis) {
    if (cut.partial_on(axis)) {
      if (a.partial_on(axis) == b.partial_on(axis))
        throw error(errc::invalid_argument, format("%s operand of a product is a sum over '%s': it cannot stay one",
                                                   a.partial_on(axis) ? "each" : "no", on[axis].what.text().c_str()));
      (a.partial_on(axis) ? plan.a : plan.b) = (a.partial_on(axis) ? plan.a : plan.b).with_partial(axis);
      plan.result = plan.result.with_partial(axis);
    } else if (cut.dimension_on(axis) >= 0 && plan.result.dimension_on(axis) < 0) {
      plan.result = plan.result.with_partial(axis);
    }
  }
  plan.move_a = plan_moves(e.a(), a, plan.a, on, costs);
  plan.move_b = plan_moves(e.b(), b, plan.b, on, costs);
  plan.move_result = plan_moves(e.result(), plan.result, result, on, costs);
  plan.seconds = detail::product_seconds(e, cut, on) + detail::seconds_of(plan.move_a, e.a(), a, on, costs) +
                 detail::seconds_of(plan.move_b, e.b(), b, on, costs) +
                 detail::seconds_of(plan.move_result, e.result(), plan.result, on, costs);
  return plan;
}

/// Every way to cut the loops of a product: no axis idle, since the ranks along
/// one would all do the same, but where an operand that is a sum stays one.
constexpr std::vector<placement> cuts_of(const einsum& e, const placement& a, const placement& b, const mesh& on) {
  std::vector<placement> all{{}};
  for (std::size_t done = 0; done < all.size(); ++done)
    for (int axis = 0; axis < on.axes(); ++axis) {
      const placement here = all[done];
      if (!here.replicated_on(axis)) continue;
      auto add = [&](const placement& next) {
        for (const placement& known : all)
          if (known == next) return;
        all.push_back(next);
      };
      for (std::size_t d = 0; d < e.over().rank(); ++d) add(here.sharded(d, axis));
      if (a.partial_on(axis) != b.partial_on(axis)) add(here.with_partial(axis));
    }
  std::vector<placement> whole;
  for (const placement& p : all) {
    bool idle = false;
    for (int axis = 0; axis < on.axes(); ++axis) idle |= p.replicated_on(axis);
    if (!idle || e.over().rank() == 0) whole.push_back(p);
  }
  return whole;
}

/// The plan that moves least, among all ways to cut the loops. Cost: as many
/// searches of moves as there are ways, milliseconds for two axes.
constexpr einsum_plan plan_einsum(const einsum& e, const placement& a, const placement& b, const placement& result,
                                  const mesh& on, const move_costs& costs = {}) {
  einsum_plan best;
  bool any = false;
  for (const placement& cut : cuts_of(e, a, b, on)) {
    einsum_plan next = plan_einsum(e, cut, a, b, result, on, costs);
    if (any && next.seconds >= best.seconds) continue;
    best = next;
    any = true;
  }
  return best;
}

/// The plan that moves least where the result may lie anywhere, but is no sum: what
/// the loops leave as one is scattered, along whichever dimension costs least.
constexpr einsum_plan plan_einsum(const einsum& e, const placement& a, const placement& b, const mesh& on, const move_costs& costs = {}) {
  einsum_plan best;
  bool any = false;
  for (const placement& cut : cuts_of(e, a, b, on)) {
    std::vector<placement> wanted{plan_einsum(e, cut, a, b, detail::project(cut, e.over(), e.result()), on, costs).result};
    for (int axis = 0; axis < on.axes(); ++axis) {
      if (!wanted[0].partial_on(axis)) continue;
      std::vector<placement> next;
      for (const placement& p : wanted) {
        const placement whole = p.with_partial(axis, false);
        if (e.result().rank() == 0) next.push_back(whole);
        for (std::size_t d = 0; d < e.result().rank(); ++d) next.push_back(whole.sharded(d, axis));
      }
      wanted = next;
    }
    for (const placement& result : wanted) {
      einsum_plan next = plan_einsum(e, cut, a, b, result, on, costs);
      if (any && next.seconds >= best.seconds) continue;
      best = next;
      any = true;
    }
  }
  return best;
}

}  // namespace tutti
