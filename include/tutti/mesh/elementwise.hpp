#pragma once
#include <cstddef>
#include <utility>

#include <tutti/mesh/cutting.hpp>
#include <tutti/mesh/sharded_tensor.hpp>

// Functions of tensors element by element, with gradients. A sum over an axis stays one in
// a function that is linear; in any other it is added up first. The gradient of an operand
// lies as the operand does, but on every rank of an axis over which that is a sum: it is
// the same for every summand.

namespace tutti {

namespace detail {

/// Calls visit(i, k) for each place i of a block of a tensor: k is the place with the same
/// numbers in a block of a tensor that has only some of its dimensions. Both are
/// cut alike along these.
template <class Visit>
void for_each_pair(const shape& whole, const block& held, const shape& some, const block& held_some, Visit visit) {
  std::size_t stride[shape::capacity] = {}, at[shape::capacity] = {};
  for (std::size_t d = 0; d < whole.rank(); ++d)
    for (std::size_t s = some.rank(), step = 1; s-- > 0; step *= held_some[s].count)
      if (some[s].what == whole[d].what) stride[d] = step;
  // The last dimension in one loop, whose step the compiler knows where it is 0 or 1.
  const std::size_t all = held.elements(), outer = whole.rank() > 0 ? whole.rank() - 1 : 0;
  const std::size_t run = whole.rank() > 0 ? held[outer].count : 1, step = whole.rank() > 0 ? stride[outer] : 0;
  for (std::size_t i = 0, k = 0; i < all; i += run) {
    if (step == 0)
      for (std::size_t n = 0; n < run; ++n) visit(i + n, k);
    else if (step == 1)
      for (std::size_t n = 0; n < run; ++n) visit(i + n, k + n);
    else
      for (std::size_t n = 0; n < run; ++n) visit(i + n, k + n * step);
    for (std::size_t d = outer; d-- > 0;) {
      k += stride[d];
      if (++at[d] < held[d].count) break;
      k -= at[d] * stride[d];
      at[d] = 0;
    }
  }
}

/// Throws `invalid_argument` where a tensor has a dimension that another has not, or has
/// it in another size.
inline void need_some_of(const shape& some, const shape& whole) {
  for (const dimension& d : some)
    if (whole.of(d.what) != d.size)
      throw error(errc::invalid_argument, format("'%s' has %zu places in %s and %zu in %s", d.what.text().c_str(), whole.of(d.what),
                                                 whole.text().c_str(), d.size, some.text().c_str()));
}

/// Throws `invalid_argument` where what is given as the gradient of a tensor of this shape
/// has another.
template <class T>
void need_gradient_of(const shape& whole, const sharded_tensor<T>& gradient) {
  if (!(gradient.whole() == whole))
    throw error(errc::invalid_argument, format("the gradient of %s cannot be %s", whole.text().c_str(), gradient.whole().text().c_str()));
}

template <class T>
void need_alike(const sharded_tensor<T>& x, const sharded_tensor<T>& y) {
  if (!(x.whole() == y.whole()))
    throw error(errc::invalid_argument, format("%s and %s cannot be added", x.whole().text().c_str(), y.whole().text().c_str()));
}

/// The axes that cut what is reduced: a bit each.
inline unsigned axes_gone(const placement& at, const placement& left, const mesh& on) {
  unsigned axes = 0;
  for (int axis = 0; axis < on.axes(); ++axis)
    if (at.dimension_on(axis) >= 0 && left.dimension_on(axis) < 0) axes |= 1u << axis;
  return axes;
}

/// The sum along all dimensions that `left`, which has some of them, has not. It lies as x
/// does, and is a sum over the axes that cut these: nothing is sent.
template <class T>
sharded_tensor<T> summed(const sharded_tensor<T>& x, const shape& left) {
  const mesh& on = x.on().shape();
  const placement kept = project(x.where(), x.whole(), left);
  sharded_tensor<T> y(x.on(), left, with_sums(kept, axes_gone(x.where(), kept, on) | sums_of(x.where(), (1u << on.axes()) - 1)));
  for_each_pair(x.whole(), x.held(), left, y.held(),
                [&](std::size_t i, std::size_t k) { y.values()[k] = static_cast<T>(y.values()[k] + x.values()[i]); });
  return y;
}

}  // namespace detail

/// The same tensor, no sum over any axis. Collective. Cost: an all-reduce where it is one.
/// Its gradient is that of every summand.
template <class T>
sharded_tensor<T> added_up(const sharded_tensor<T>& x) {
  return x.moved(detail::without_sums(x.where(), x.on().shape()));
}

/// function(element) of each. Collective where x is a sum: that is added up first.
template <class T, class Function>
sharded_tensor<T> mapped(const sharded_tensor<T>& x, Function function) {
  sharded_tensor<T> y = added_up(x);
  y.apply(function);
  return y;
}

/// The gradient of `mapped(x, function)` from that of what it made: dy · derivative(element
/// of x) for each. dx (as x), dy (as x). Collective. Throws `invalid_argument` where dy has
/// another shape. Cost: dy is moved to where x lies; x is added up where it is a sum.
template <class T, class Derivative>
sharded_tensor<T> mapped_gradient(const sharded_tensor<T>& x, const sharded_tensor<T>& dy, Derivative derivative) {
  detail::need_one_mesh(x, dy);
  detail::need_gradient_of(x.whole(), dy);
  sharded_tensor<T> dx = dy.moved(detail::without_sums(x.where(), x.on().shape()));
  const sharded_tensor<T> here = added_up(x);
  for (std::size_t i = 0; i < dx.values().size(); ++i) dx.values()[i] = static_cast<T>(dx.values()[i] * derivative(here.values()[i]));
  return dx;
}

/// The same for a function that is linear: a sum stays one, nothing is sent. Of one number
/// that is a multiple of it, so the gradient is `mapped_linear(dy, function)`.
template <class T, class Function>
sharded_tensor<T> mapped_linear(const sharded_tensor<T>& x, Function function) {
  sharded_tensor<T> y(x.on(), x.whole(), x.where());
  for (std::size_t i = 0; i < y.values().size(); ++i) y.values()[i] = function(x.values()[i]);
  return y;
}

/// function(element of x, element of y) for each of x, where it lies; y has the same
/// dimensions or only some of them, and is the same along the others. Sums are added up
/// first. Collective. Throws `invalid_argument` where y has a dimension that x has not,
/// or another size. Cost: y is moved to where x lies.
template <class T, class Function>
sharded_tensor<T> mapped(const sharded_tensor<T>& x, const sharded_tensor<T>& y, Function function) {
  detail::need_one_mesh(x, y);
  detail::need_some_of(y.whole(), x.whole());
  sharded_tensor<T> z = added_up(x);
  const sharded_tensor<T> there = y.moved(detail::project(z.where(), z.whole(), y.whole()));
  detail::for_each_pair(z.whole(), z.held(), there.whole(), there.held(),
                        [&](std::size_t i, std::size_t k) { z.values()[i] = function(z.values()[i], there.values()[k]); });
  return z;
}

/// The gradients of two operands.
template <class T>
struct operand_gradients {
  sharded_tensor<T> x, y;
};

/// The gradients of both operands of `mapped(x, y, function)` from that of what it made:
/// dz · by_x(element of x, element of y), and dz · by_y(element of x, element of y) summed
/// along the dimensions that y has not. dx and dz (as x), dy (as y). Collective. Throws
/// `invalid_argument` as `mapped` does, and where dz has another shape than x. Cost: dz and
/// y are moved to where x lies, sums are added up; the gradient of y is moved to where y
/// lies, from a sum over the axes that cut what y has not.
template <class T, class ByX, class ByY>
operand_gradients<T> mapped_gradients(const sharded_tensor<T>& x, const sharded_tensor<T>& y, const sharded_tensor<T>& dz, ByX by_x, ByY by_y) {
  detail::need_one_mesh(x, y);
  detail::need_one_mesh(x, dz);
  detail::need_some_of(y.whole(), x.whole());
  detail::need_gradient_of(x.whole(), dz);
  const mesh& on = x.on().shape();
  const sharded_tensor<T> here = added_up(x), there = y.moved(detail::project(here.where(), x.whole(), y.whole()));
  sharded_tensor<T> dx = dz.moved(here.where());
  sharded_tensor<T> dy(y.on(), y.whole(), detail::with_sums(there.where(), detail::axes_gone(here.where(), there.where(), on)));
  detail::for_each_pair(x.whole(), here.held(), y.whole(), there.held(), [&](std::size_t i, std::size_t k) {
    const T a = here.values()[i], b = there.values()[k], back = dx.values()[i];
    dx.values()[i] = static_cast<T>(back * by_x(a, b));
    dy.values()[k] = static_cast<T>(dy.values()[k] + back * by_y(a, b));
  });
  return {std::move(dx), dy.moved(detail::without_sums(y.where(), on))};
}

/// x + y, where x lies: a sum over an axis if x is one. Collective. Throws
/// `invalid_argument` where they have unlike shapes. Cost: y is moved to where x lies.
template <class T>
sharded_tensor<T> added(const sharded_tensor<T>& x, const sharded_tensor<T>& y) {
  detail::need_one_mesh(x, y);
  detail::need_alike(x, y);
  sharded_tensor<T> z = y.moved(x.where());
  for (std::size_t i = 0; i < z.values().size(); ++i) z.values()[i] = static_cast<T>(x.values()[i] + z.values()[i]);
  return z;
}

/// The gradients of both operands of `added(x, y)` from that of what it made, which is
/// theirs. All have one shape. Collective. Throws `invalid_argument` where x and y cannot be
/// added, or dz has another shape. Cost: dz is moved to where each lies.
template <class T>
operand_gradients<T> added_gradients(const sharded_tensor<T>& x, const sharded_tensor<T>& y, const sharded_tensor<T>& dz) {
  detail::need_one_mesh(x, y);
  detail::need_one_mesh(x, dz);
  detail::need_alike(x, y);
  detail::need_gradient_of(x.whole(), dz);
  const mesh& on = x.on().shape();
  return {dz.moved(detail::without_sums(x.where(), on)), dz.moved(detail::without_sums(y.where(), on))};
}

/// A tensor of more dimensions than y, along which all is as in y. It lies at `at`, which
/// is no sum. Collective. Throws as `mapped` of two does. The gradient of `sum`.
template <class T>
sharded_tensor<T> repeated(const sharded_tensor<T>& y, const shape& whole, const placement& at) {
  return mapped(sharded_tensor<T>(y.on(), whole, detail::without_sums(at, y.on().shape())), y, [](const T&, const T& value) { return value; });
}

/// The gradient of `repeated(y, whole, at)`, of a y of this shape that lies at `of`, from
/// that of what it made: dx summed along the dimensions that y has not. Collective. Throws
/// `invalid_argument` where y has a dimension that dx has not, or another size. Cost: the sum
/// is made where dx lies, and moved from there.
template <class T>
sharded_tensor<T> repeated_gradient(const sharded_tensor<T>& dx, const shape& y, const placement& of) {
  detail::need_some_of(y, dx.whole());
  return detail::summed(dx, y).moved(detail::without_sums(of, dx.on().shape()));
}

}  // namespace tutti
