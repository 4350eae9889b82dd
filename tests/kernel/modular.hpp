#pragma once
#include <bit>
#include <compare>
#include <concepts>
#include <cstdint>
#include <limits>

/// Numbers modulo a prime: exact arithmetic, where every sum has one value
/// whatever its order, and a wrong or missing summand shows with all but
/// certainty.
struct modular {
  static constexpr std::uint64_t prime = (std::uint64_t{1} << 61) - 1;
  std::uint64_t value = 0;

  constexpr modular() = default;
  constexpr explicit modular(std::uint64_t v) : value(v % prime) {}
  /// A field has no fractions: a number as good as any.
  constexpr explicit modular(std::same_as<double> auto v) : modular(std::bit_cast<std::uint64_t>(v)) {}
  constexpr explicit operator double() const { return static_cast<double>(value); }
  friend constexpr modular operator+(modular a, modular b) { return modular(a.value + b.value); }
  friend constexpr modular operator-(modular a, modular b) { return modular(a.value + (prime - b.value)); }
  friend constexpr modular operator*(modular a, modular b) {
    __extension__ using wide = unsigned __int128;
    const wide product = wide{a.value} * b.value;
    return modular(static_cast<std::uint64_t>(product & prime) + static_cast<std::uint64_t>(product >> 61));
  }
  /// By the inverse, which is a power (Fermat); by 0 it is 0.
  friend constexpr modular operator/(modular a, modular b) {
    for (std::uint64_t power = prime - 2; power > 0; power /= 2, b = b * b)
      if (power % 2 == 1) a = a * b;
    return a;
  }
  /// Stands for 1 / √x, which a field has not: a function as good as any.
  friend constexpr modular inverse_root(modular x) { return x * x * x + modular(11) * x + modular(3); }
  /// Likewise functions as good as any for a softmax.
  friend constexpr modular exp(modular x) { return x * x + modular(7) * x + modular(5); }
  friend constexpr modular log(modular x) { return x * x * x + modular(2); }
  /// Spelt out for nvcc.
  friend constexpr bool operator==(modular a, modular b) { return a.value == b.value; }
  /// No order goes with the arithmetic; any will do for a maximum to be a function. In
  /// this one half of all numbers are below 0, or a ReLU would be nothing.
  friend constexpr auto operator<=>(modular a, modular b) { return a.below_half() <=> b.below_half(); }
  constexpr std::int64_t below_half() const { return static_cast<std::int64_t>(value) - (value > prime / 2 ? static_cast<std::int64_t>(prime) : 0); }
};

/// The ends of that order.
template <>
struct std::numeric_limits<modular> : std::numeric_limits<void> {
  static constexpr modular max() { return modular(modular::prime / 2); }
  static constexpr modular lowest() { return modular(modular::prime / 2 + 1); }
};
