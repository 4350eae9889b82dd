#pragma once
#include <compare>
#include <cstdint>

/// Numbers modulo a prime: exact arithmetic, where every sum has one value
/// whatever its order, and a wrong or missing summand shows with all but
/// certainty.
struct modular {
  static constexpr std::uint32_t prime = 2147483647;  // 2³¹ − 1
  std::uint32_t value = 0;

  constexpr modular() = default;
  constexpr explicit modular(std::uint64_t v) : value(static_cast<std::uint32_t>(v % prime)) {}
  constexpr explicit operator double() const { return value; }
  friend constexpr modular operator+(modular a, modular b) { return modular(std::uint64_t{a.value} + b.value); }
  friend constexpr modular operator-(modular a, modular b) { return modular(std::uint64_t{a.value} + prime - b.value); }
  friend constexpr modular operator*(modular a, modular b) { return modular(std::uint64_t{a.value} * b.value); }
  /// No order goes with the arithmetic; any will do for a maximum to be a function.
  friend constexpr auto operator<=>(modular, modular) = default;
};
