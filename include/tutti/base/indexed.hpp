#pragma once
#include <cstdint>
#include <limits>
#include <type_traits>

namespace tutti {

/// A value and where it was found: what `arg_min` and `arg_max` compare. The
/// index must tell contributions apart: with a global one, (rank, place) for
/// example, the result is the same in whatever order they are compared.
template <class T>
  requires std::is_trivially_copyable_v<T>
struct indexed {
  T value{};
  std::int64_t index = 0;

  friend constexpr bool operator==(const indexed&, const indexed&) = default;
};

namespace detail {

// `Before` says whether the first value wins over the second. A value that does
// not equal itself, a NaN, wins over all others: a result that looks like a
// number would hide it.
template <class T, class Before>
constexpr indexed<T> first_of(const indexed<T>& a, const indexed<T>& b, Before before) {
  const bool a_is_nan = !(a.value == a.value), b_is_nan = !(b.value == b.value);
  if (a_is_nan != b_is_nan) return a_is_nan ? a : b;
  if (!a_is_nan) {
    if (before(a.value, b.value)) return a;
    if (before(b.value, a.value)) return b;
  }
  return b.index < a.index ? b : a;
}

template <class T>
constexpr T largest() {
  if constexpr (std::numeric_limits<T>::has_infinity) return std::numeric_limits<T>::infinity();
  else return std::numeric_limits<T>::max();
}
template <class T>
constexpr T least() {
  if constexpr (std::numeric_limits<T>::has_infinity) return static_cast<T>(-std::numeric_limits<T>::infinity());
  else return std::numeric_limits<T>::lowest();
}

}  // namespace detail

/// The smaller value and its index. Of equal values (−0 equals +0) the one with
/// the lower index; a NaN is smaller than all, as in NumPy, and of several the
/// one with the lowest index. Associative and commutative where indices differ.
struct arg_min {
  static constexpr const char* name = "arg_min";
  static constexpr bool commutative = true;
  template <class E> static constexpr E identity() {
    return {detail::largest<decltype(E::value)>(), std::numeric_limits<std::int64_t>::max()};
  }
  template <class T> constexpr indexed<T> operator()(const indexed<T>& a, const indexed<T>& b) const {
    return detail::first_of(a, b, [](const T& x, const T& y) { return x < y; });
  }
};

/// The larger value and its index; ties and NaNs as in `arg_min`.
struct arg_max {
  static constexpr const char* name = "arg_max";
  static constexpr bool commutative = true;
  template <class E> static constexpr E identity() {
    return {detail::least<decltype(E::value)>(), std::numeric_limits<std::int64_t>::max()};
  }
  template <class T> constexpr indexed<T> operator()(const indexed<T>& a, const indexed<T>& b) const {
    return detail::first_of(a, b, [](const T& x, const T& y) { return y < x; });
  }
};

}  // namespace tutti
