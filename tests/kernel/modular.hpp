#pragma once
#include <compare>
#include <cstdint>

/// Numbers modulo a prime: exact arithmetic, where every sum has one value
/// whatever its order, and a wrong or missing summand shows with all but
/// certainty.
struct modular {
  static constexpr std::uint64_t prime = (std::uint64_t{1} << 61) - 1;
  std::uint64_t value = 0;

  constexpr modular() = default;
  constexpr explicit modular(std::uint64_t v) : value(v % prime) {}
  constexpr explicit operator double() const { return static_cast<double>(value); }
  friend constexpr modular operator+(modular a, modular b) { return modular(a.value + b.value); }
  friend constexpr modular operator-(modular a, modular b) { return modular(a.value + (prime - b.value)); }
  friend constexpr modular operator*(modular a, modular b) {
    __extension__ using wide = unsigned __int128;
    const wide product = wide{a.value} * b.value;
    return modular(static_cast<std::uint64_t>(product & prime) + static_cast<std::uint64_t>(product >> 61));
  }
  /// No order goes with the arithmetic; any will do for a maximum to be a function.
  friend constexpr auto operator<=>(modular, modular) = default;
};
