#pragma once
#include <cstddef>

#include <tutti/mesh/cutting.hpp>
#include <tutti/mesh/sharded_tensor.hpp>

// Functions of tensors element by element. A sum over an axis stays one in a function
// that is linear; in any other it is added up first.

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
  const std::size_t all = held.elements();
  for (std::size_t i = 0, k = 0; i < all; ++i) {
    visit(i, k);
    for (std::size_t d = whole.rank(); d-- > 0;) {
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

}  // namespace detail

/// The same tensor, no sum over any axis. Collective. Cost: an all-reduce where it is one.
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

/// The same for a function that is linear: a sum stays one, nothing is sent.
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

/// x + y, where x lies: a sum over an axis if x is one. Collective. Throws
/// `invalid_argument` where they have unlike shapes. Cost: y is moved to where x lies.
template <class T>
sharded_tensor<T> added(const sharded_tensor<T>& x, const sharded_tensor<T>& y) {
  detail::need_one_mesh(x, y);
  if (!(x.whole() == y.whole()))
    throw error(errc::invalid_argument, format("%s and %s cannot be added", x.whole().text().c_str(), y.whole().text().c_str()));
  sharded_tensor<T> z = y.moved(x.where());
  for (std::size_t i = 0; i < z.values().size(); ++i) z.values()[i] = static_cast<T>(x.values()[i] + z.values()[i]);
  return z;
}

/// A tensor of more dimensions than y, along which all is as in y. It lies at `at`, which
/// is no sum. Collective. Throws as `mapped` of two does. The gradient of `sum`.
template <class T>
sharded_tensor<T> repeated(const sharded_tensor<T>& y, const shape& whole, const placement& at) {
  return mapped(sharded_tensor<T>(y.on(), whole, detail::without_sums(at, y.on().shape())), y, [](const T&, const T& value) { return value; });
}

}  // namespace tutti
