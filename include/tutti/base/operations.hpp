#pragma once
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace tutti {

// The usual operations of a reduction. Each knows its identity and that its
// operands may be exchanged.

struct plus {
  static constexpr const char* name = "sum";
  static constexpr bool commutative = true;
  template <class T> static constexpr T identity() { return T{}; }
  template <class T> constexpr T operator()(const T& a, const T& b) const { return static_cast<T>(a + b); }
};

struct multiplies {
  static constexpr const char* name = "product";
  static constexpr bool commutative = true;
  template <class T> static constexpr T identity() { return static_cast<T>(1); }
  template <class T> constexpr T operator()(const T& a, const T& b) const {
    // Two std::uint16_t would be promoted to int, and their product may overflow one.
    if constexpr (std::unsigned_integral<T>) return static_cast<T>(1u * a * b);
    else return static_cast<T>(a * b);
  }
};

struct minimum {
  static constexpr const char* name = "min";
  static constexpr bool commutative = true;
  template <class T> static constexpr T identity() {
    if constexpr (std::numeric_limits<T>::has_infinity) return std::numeric_limits<T>::infinity();
    else return std::numeric_limits<T>::max();
  }
  template <class T> constexpr T operator()(const T& a, const T& b) const { return b < a ? b : a; }
};

struct maximum {
  static constexpr const char* name = "max";
  static constexpr bool commutative = true;
  template <class T> static constexpr T identity() {
    if constexpr (std::numeric_limits<T>::has_infinity) return -std::numeric_limits<T>::infinity();
    else return std::numeric_limits<T>::lowest();
  }
  template <class T> constexpr T operator()(const T& a, const T& b) const { return a < b ? b : a; }
};

struct bit_and {
  static constexpr const char* name = "bit_and";
  static constexpr bool commutative = true;
  template <std::integral T> static constexpr T identity() { return static_cast<T>(~T{}); }
  template <std::integral T> constexpr T operator()(T a, T b) const { return static_cast<T>(a & b); }
};

struct bit_or {
  static constexpr const char* name = "bit_or";
  static constexpr bool commutative = true;
  template <std::integral T> static constexpr T identity() { return T{}; }
  template <std::integral T> constexpr T operator()(T a, T b) const { return static_cast<T>(a | b); }
};

struct bit_xor {
  static constexpr const char* name = "bit_xor";
  static constexpr bool commutative = true;
  template <std::integral T> static constexpr T identity() { return T{}; }
  template <std::integral T> constexpr T operator()(T a, T b) const { return static_cast<T>(a ^ b); }
};

/// The sum divided by the number of ranks. No functor, since two operands do not
/// know of how many they are: a reduction sums, and divides what it leaves in its
/// output, each element once, so that all ranks get the same bits. Refused for
/// integers.
struct average {
  static constexpr const char* name = "average";
  static constexpr bool commutative = true;
};

/// A functor that combines two T into one, (a, b) → a ∘ b. Associative; where
/// it is not commutative, `a` holds the contributions of lower ranks.
template <class Op, class T>
concept reduction = std::copy_constructible<Op> && requires(const Op& op, const T& a, const T& b) {
  { op(a, b) } -> std::convertible_to<T>;
};

/// Whether operands may be exchanged: said by the functor in a static member
/// `commutative`; without one, they may not, and an algorithm that keeps the
/// order of ranks is chosen.
template <class Op>
inline constexpr bool is_commutative = false;
template <class Op>
  requires requires { { Op::commutative } -> std::convertible_to<bool>; }
inline constexpr bool is_commutative<Op> = Op::commutative;

}  // namespace tutti
