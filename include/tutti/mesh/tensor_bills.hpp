#pragma once
#include <cstddef>
#include <initializer_list>
#include <utility>
#include <vector>

#include <tutti/mesh/move_bill.hpp>
#include <tutti/mesh/reductions.hpp>

namespace tutti {

/// What operations on sharded tensors of T send from one rank of a mesh, before there is
/// any tensor: each member is named as the operation, takes the shape and placement of
/// its operands, and throws what that throws for them. `choose` is as for the bill of a
/// network. What sends nothing is not here: `sum`, `mean`, `mean_gradient` of what lies
/// whole along the dimensions, `mapped_linear`, `fill_random`. Of products: mesh/panels.hpp.
template <class T, class Choose>
class tensor_bills {
 public:
  constexpr tensor_bills(const mesh& on, rank me, Choose choose) : on_(on), me_(me), choose_(std::move(choose)) {}

  /// With the memory of both parts and of what is packed.
  move_bill moved(const shape& whole, const placement& from, const placement& to) const {
    return bill(plan_moves(whole, from, to, on_, {.element = sizeof(T)}), whole, from, on_, me_, sizeof(T), choose_);
  }
  traffic added_up(const shape& whole, const placement& at) const { return moved(whole, at, detail::without_sums(at, on_)).sent(); }

  /// Of one, by a function that need not be linear.
  traffic mapped(const shape& whole, const placement& at) const { return added_up(whole, at); }
  /// Of two.
  traffic mapped(const shape& x, const placement& at_x, const shape& y, const placement& at_y) const {
    detail::need_some_of(y, x);
    traffic sent = added_up(x, at_x);
    return sent += moved(y, at_y, detail::project(detail::without_sums(at_x, on_), x, y)).sent();
  }
  traffic added(const shape& whole, const placement& at_x, const placement& at_y) const { return moved(whole, at_y, at_x).sent(); }
  /// Also of `mean_gradient`, and of the gradient of `sum`.
  traffic repeated(const shape& y, const placement& at_y, const shape& whole, const placement& at) const {
    return mapped(whole, detail::without_sums(at, on_), y, at_y);
  }

  traffic max(const shape& whole, const placement& at, std::initializer_list<name> along) const {
    const shape left = detail::without(whole, along);
    traffic sent = added_up(whole, at);
    const placement one = detail::without_sums(at, on_), kept = detail::project(one, whole, left);
    if (const unsigned axes = detail::axes_gone(one, kept, on_); axes != 0)
      sent += detail::sends_of({.what = collective::all_reduce, .count = block_of(left, kept, on_, me_).elements(), .element = sizeof(indexed<T>)}, axes,
                               on_, me_, choose_);
    return sent;
  }
  /// Of the maxima of a tensor that lay at `at`, their gradient lying at `at_dy`.
  traffic max_gradient(const shape& whole, const placement& at, std::initializer_list<name> along, const placement& at_dy) const {
    const shape left = detail::without(whole, along);
    return moved(left, at_dy, detail::project(detail::without_sums(at, on_), whole, left)).sent();
  }

  traffic softmax(const shape& whole, const placement& at, const name& along) const {
    const shape left = detail::without(whole, {along});
    const placement one = detail::without_sums(at, on_);
    traffic sent = max(whole, at, {along});
    sent += mapped(whole, at, left, detail::project(one, whole, left));
    return sent += mapped(whole, one, left, sum_of(one, whole, left));
  }
  /// What softmax made lies at `at`, its gradient at `at_dy`.
  traffic softmax_gradient(const shape& whole, const placement& at, const placement& at_dy, const name& along) const {
    const shape left = detail::without(whole, {along});
    traffic sent = moved(whole, at_dy, at).sent();
    return sent += mapped(whole, at, left, sum_of(at, whole, left));
  }

  /// To the mesh's rank `root`.
  traffic gather(const shape& whole, const placement& at, rank root) const {
    traffic sent = added_up(whole, at);
    return sent += rooted(collective::gather, counts_of(whole, detail::without_sums(at, on_), true), root);
  }
  /// From it.
  traffic scatter(const shape& whole, const placement& at, rank root) const {
    return rooted(collective::scatter, counts_of(whole, at, false), root);
  }

 private:
  // Where the sum of a tensor lies that is none itself.
  placement sum_of(const placement& at, const shape& whole, const shape& left) const {
    const placement kept = detail::project(at, whole, left);
    return detail::with_sums(kept, detail::axes_gone(at, kept, on_));
  }
  std::vector<std::size_t> counts_of(const shape& whole, const placement& at, bool once) const {
    std::vector<std::size_t> counts;
    for (rank r{0}; r.value < on_.size(); ++r.value)
      counts.push_back(once && !first_of_replicas(at, on_, r) ? 0 : block_of(whole, at, on_, r).elements());
    return counts;
  }
  traffic rooted(collective what, std::vector<std::size_t> counts, rank root) const {
    if (on_.size() == 1) return {};
    const auto mine = counts[static_cast<std::size_t>(me_.value)];
    call_shape c{.what = what, .count = mine, .element = sizeof(T), .root = root.value, .uneven = true};
    if (me_ == root) {
      c.count = 0;
      for (std::size_t n : counts) c.count += n;
      c.counts = {counts.data(), counts.size()};
    }
    return detail::sends_of(c, (1u << on_.axes()) - 1, on_, me_, choose_);
  }

  mesh on_;
  rank me_;
  Choose choose_;
};

/// As in `bills_of<float>(mesh, {0}, chosen_by_model{mesh, {}}).gather(whole, at, {0}).bytes`.
template <class T, class Choose>
constexpr tensor_bills<T, Choose> bills_of(const mesh& on, rank me, Choose choose) {
  return {on, me, std::move(choose)};
}

}  // namespace tutti
