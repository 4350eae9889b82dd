#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#include <tutti/base/indexed.hpp>
#include <tutti/comm/collectives.hpp>
#include <tutti/mesh/elementwise.hpp>

// Sums, means and maxima of sharded tensors along named dimensions, with gradients.

namespace tutti {

namespace detail {

/// What is left of a tensor's dimensions. Throws `invalid_argument` where it has not all
/// that are to go.
inline shape without(const shape& whole, std::initializer_list<name> gone) {
  for (const name& what : gone) static_cast<void>(whole.of(what));
  shape left;
  for (const dimension& d : whole) {
    bool stays = true;
    for (const name& what : gone) stays &= !(d.what == what);
    if (stays) left.append(d);
  }
  return left;
}

/// As many elements as one of the result is made of.
template <class T>
T places_each(const shape& whole, const shape& left) {
  std::size_t places = 1;
  for (const dimension& d : whole)
    if (!left.has(d.what)) places *= d.size;
  return static_cast<T>(places);
}

/// The greater of two that need not be there: a rank may have nothing of what it compares,
/// and not every type knows its least value.
struct greatest {
  static constexpr const char* name = "greatest";
  static constexpr bool commutative = true;
  static constexpr std::int64_t nothing = -1;  // in place of an index
  template <class T>
  constexpr indexed<T> operator()(const indexed<T>& a, const indexed<T>& b) const {
    return a.index == nothing ? b : b.index == nothing ? a : arg_max{}(a, b);
  }
};

}  // namespace detail

/// The sum along these dimensions. It lies as x does, and is a sum over the axes that cut
/// them: nothing is sent before it is moved. Throws `invalid_argument` where x has no such
/// dimension. Its gradient: `repeated(dy, x.whole(), x.where())`.
template <class T>
sharded_tensor<T> sum(const sharded_tensor<T>& x, std::initializer_list<name> along) {
  return detail::summed(x, detail::without(x.whole(), along));
}

/// The sum along these dimensions divided by how many places they have in the whole
/// tensor; otherwise as `sum`. T divides without a rest.
template <class T>
sharded_tensor<T> mean(const sharded_tensor<T>& x, std::initializer_list<name> along) {
  const sharded_tensor<T> all = sum(x, along);
  if (x.whole().elements() == 0 && all.whole().elements() > 0)
    throw error(errc::invalid_argument, "the mean of no elements, along a dimension of 0 places");
  const T places = detail::places_each<T>(x.whole(), all.whole());
  return mapped_linear(all, [&](const T& value) { return static_cast<T>(value / places); });
}

/// The gradient of a mean: of a tensor of this shape, which lies at `at`, from that of the
/// mean: of each of its elements the same part. Collective. Throws as `repeated` does. Cost:
/// dy is moved to where the result lies.
template <class T>
sharded_tensor<T> mean_gradient(const sharded_tensor<T>& dy, const shape& whole, const placement& at) {
  const T places = detail::places_each<T>(whole, dy.whole());
  return mapped_linear(repeated(dy, whole, at), [&](const T& value) { return static_cast<T>(value / places); });
}

/// The greatest elements and their numbers in the whole tensor; and of what they are.
template <class T>
struct maxima {
  sharded_tensor<T> values;
  sharded_tensor<std::int64_t> places;
  shape whole{};
  placement at{};
};

/// The greatest along these dimensions, of several the first; a NaN is greater than all.
/// Collective. Throws `invalid_argument` where x has no such dimension, or one of no
/// places. Cost: where x is a sum it is added up; one all-reduce of values and places over
/// the axes that cut the dimensions.
template <class T>
maxima<T> max(const sharded_tensor<T>& x, std::initializer_list<name> along) {
  const shape left = detail::without(x.whole(), along);
  for (const name& what : along)
    if (x.whole().of(what) == 0)
      throw error(errc::invalid_argument, format("of %s along '%s' there is nothing to be the greatest", x.whole().text().c_str(), what.text().c_str()));
  if (!(x.where() == detail::without_sums(x.where(), x.on().shape()))) return max(added_up(x), along);
  const placement kept = detail::project(x.where(), x.whole(), left);
  sharded_tensor<T> values(x.on(), left, kept);
  sharded_tensor<std::int64_t> places(x.on(), left, kept);
  std::vector<indexed<T>> best(values.held().elements(), indexed<T>{.value = {}, .index = detail::greatest::nothing});
  const block held = x.held(), all(x.whole());
  std::vector<std::int64_t> numbers(held.elements());
  for_each_run(held, held, all, [&](std::size_t here, std::size_t there, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) numbers[here + i] = static_cast<std::int64_t>(there + i);
  });
  detail::for_each_pair(x.whole(), held, left, values.held(), [&](std::size_t i, std::size_t k) {
    best[k] = detail::greatest{}(best[k], indexed<T>{x.values()[i], numbers[i]});
  });
  if (const unsigned axes = detail::axes_gone(x.where(), kept, x.on().shape()); axes != 0) all_reduce(x.on().over(axes), best, detail::greatest{});
  for (std::size_t k = 0; k < best.size(); ++k) values.values()[k] = best[k].value, places.values()[k] = best[k].index;
  return {.values = std::move(values), .places = std::move(places), .whole = x.whole(), .at = x.where()};
}

/// The gradient of a maximum: each goes to the place where the greatest stood, of several
/// that were alike the first, and lies as what the maximum is of. Collective. Throws
/// `invalid_argument` where dy has another shape. Cost: dy is moved to where the maximum lies.
template <class T>
sharded_tensor<T> max_gradient(const maxima<T>& y, const sharded_tensor<T>& dy) {
  detail::need_gradient_of(y.values.whole(), dy);
  const sharded_tensor<T> there = dy.moved(y.values.where());
  sharded_tensor<T> dx(dy.on(), y.whole, y.at);
  for (std::size_t k = 0; k < there.values().size(); ++k)
    if (T* place = dx.find(static_cast<std::size_t>(y.places.values()[k]))) *place = there.values()[k];
  return dx;
}

/// exp(x) divided by its sum along a dimension; x less its greatest there, so that nothing
/// overflows. Collective. Throws as `max` does. Cost: a reduction of the greatest and one of the
/// sums, never x itself.
template <class T>
sharded_tensor<T> softmax(const sharded_tensor<T>& x, const name& along) {
  using std::exp;
  const maxima<T> greatest = max(x, {along});
  const sharded_tensor<T> powers = mapped(x, greatest.values, [](const T& a, const T& b) { return static_cast<T>(exp(static_cast<T>(a - b))); });
  return mapped(powers, sum(powers, {along}), [](const T& a, const T& b) { return static_cast<T>(a / b); });
}

/// The gradient of softmax, from what it made and that one's gradient. It lies as y does.
/// Collective. Throws `invalid_argument` where dy has another shape. Cost: dy is moved to
/// where y lies; one reduction of the sums.
template <class T>
sharded_tensor<T> softmax_gradient(const sharded_tensor<T>& y, const sharded_tensor<T>& dy, const name& along) {
  detail::need_one_mesh(y, dy);
  detail::need_gradient_of(y.whole(), dy);
  auto times = [](const T& a, const T& b) { return static_cast<T>(a * b); };
  const sharded_tensor<T> there = dy.moved(y.where());
  const sharded_tensor<T> common = sum(mapped(y, there, times), {along});
  return mapped(y, mapped(there, common, [](const T& a, const T& b) { return static_cast<T>(a - b); }), times);
}

}  // namespace tutti
