#pragma once
#include <cstdint>
#include <ostream>

/// Numbers modulo 2⁶¹ − 1: sums and products are exact in any order, so that
/// what a mesh computes is equal to what one rank does, or it is wrong.
struct prime_field {
  static constexpr std::uint64_t prime = (std::uint64_t{1} << 61) - 1;

  std::uint64_t value = 0;

  constexpr prime_field() = default;
  constexpr explicit prime_field(std::uint64_t number) : value(number % prime) {}

  friend constexpr prime_field operator+(prime_field a, prime_field b) { return prime_field(a.value + b.value); }
  friend constexpr prime_field operator-(prime_field a, prime_field b) { return prime_field(a.value + (prime - b.value)); }
  friend constexpr prime_field operator*(prime_field a, prime_field b) {
    __extension__ using wide = unsigned __int128;
    const wide product = wide{a.value} * b.value;
    return prime_field(static_cast<std::uint64_t>(product & prime) + static_cast<std::uint64_t>(product >> 61));
  }
  /// An order is all that pooling wants of one.
  friend constexpr bool operator<(prime_field a, prime_field b) { return a.value < b.value; }
  friend constexpr bool operator==(prime_field, prime_field) = default;
  friend std::ostream& operator<<(std::ostream& out, prime_field a) { return out << a.value; }
};
