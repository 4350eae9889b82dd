#include <tutti/base/numbers.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <type_traits>

namespace {

using tutti::bfloat16;
using tutti::half;

/// What the bits of an IEEE-like number mean, by the definition: sign,
/// exponent field and fraction, in double, where both formats are exact.
double meaning(std::uint16_t bits, int exponent_bits, int fraction_bits) {
  int exponent = (bits >> fraction_bits) & ((1 << exponent_bits) - 1);
  int fraction = bits & ((1 << fraction_bits) - 1);
  int bias = (1 << (exponent_bits - 1)) - 1;
  double sign = (bits & 0x8000u) ? -1.0 : 1.0;
  if (exponent == (1 << exponent_bits) - 1)
    return fraction ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
  return sign * std::ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
}

template <class T>
constexpr int exponent_bits = std::is_same_v<T, half> ? 5 : 8;
template <class T>
constexpr int fraction_bits = std::is_same_v<T, half> ? 10 : 7;

template <class T>
T from_bits(std::uint32_t bits) {
  T number;
  number.bits = static_cast<std::uint16_t>(bits);
  return number;
}

TEST_CASE_TEMPLATE("every bit pattern widens to what it means, and comes back", T, half, bfloat16) {
  int wrong = 0;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    T number = from_bits<T>(bits);
    double means = meaning(number.bits, exponent_bits<T>, fraction_bits<T>);
    float wide = number;
    T back = wide;
    if (std::isnan(means)) {
      // A NaN stays one, keeps its sign, and is quiet.
      if (!std::isnan(wide) || !std::isnan(static_cast<float>(back)) || (back.bits & 0x8000u) != (bits & 0x8000u))
        ++wrong;
    } else if (static_cast<double>(wide) != means || std::signbit(wide) != std::signbit(means) || back.bits != bits) {
      ++wrong;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE_TEMPLATE("between two neighbours, the nearer wins and a tie goes to the even one", T, half, bfloat16) {
  constexpr float infinite = std::numeric_limits<float>::infinity();
  std::uint32_t infinity = ((1u << exponent_bits<T>)-1u) << fraction_bits<T>;
  int wrong = 0;
  for (std::uint32_t sign : {0u, 0x8000u})
    for (std::uint32_t low = 0; low < infinity; ++low) {
      T below = from_bits<T>(low | sign), above = from_bits<T>((low + 1) | sign);
      // Past the largest finite number, rounding goes as if the exponent had no bound.
      double a = meaning(below.bits, exponent_bits<T>, fraction_bits<T>);
      double b = low + 1 == infinity ? 2 * a - meaning(static_cast<std::uint16_t>((low - 1) | sign),
                                                       exponent_bits<T>, fraction_bits<T>)
                                     : meaning(above.bits, exponent_bits<T>, fraction_bits<T>);
      float middle = static_cast<float>(a / 2 + b / 2);  // exact: one more bit than T has, at most 2^-25 fine
      if (static_cast<double>(middle) != a / 2 + b / 2) ++wrong;
      T even = (low & 1u) == 0 ? below : above;
      if (T(middle).bits != even.bits) ++wrong;
      if (T(std::nextafterf(middle, static_cast<float>(a))).bits != below.bits) ++wrong;
      if (T(std::nextafterf(middle, b < 0 ? -infinite : infinite)).bits != above.bits) ++wrong;
    }
  CHECK(wrong == 0);
}

TEST_CASE("the ends of the range") {
  CHECK(half(65504.f).bits == 0x7bff);
  CHECK(half(65519.996f).bits == 0x7bff);
  CHECK(half(65520.f).bits == 0x7c00);
  CHECK(half(-1e10f).bits == 0xfc00);
  CHECK(half(0x1p-24f).bits == 0x0001);
  CHECK(half(0x1p-25f).bits == 0x0000);
  CHECK(half(-0x1p-26f).bits == 0x8000);
  CHECK(half(std::numeric_limits<float>::denorm_min()).bits == 0x0000);
  CHECK(bfloat16(std::numeric_limits<float>::max()).bits == 0x7f80);
  CHECK(bfloat16(std::numeric_limits<float>::denorm_min()).bits == 0x0000);
  CHECK(bfloat16(-std::numeric_limits<float>::infinity()).bits == 0xff80);
  // A NaN whose upper fraction bits are all zero must not become an infinity.
  CHECK(bfloat16(std::bit_cast<float>(0x7f800001u)).bits == 0x7fc0);
  CHECK(half(std::bit_cast<float>(0xff800001u)).bits == 0xfe00);
}

TEST_CASE_TEMPLATE("their limits are those of the format", T, half, bfloat16) {
  using limits = std::numeric_limits<T>;
  static_assert(limits::is_specialized && limits::has_infinity && limits::digits == fraction_bits<T> + 1);
  constexpr int bias = (1 << (exponent_bits<T> - 1)) - 1;
  CHECK(static_cast<double>(float(limits::infinity())) == std::numeric_limits<double>::infinity());
  CHECK(float(-limits::infinity()) < float(limits::lowest()));
  CHECK(static_cast<double>(float(limits::max())) == std::ldexp(2 - std::ldexp(1, -fraction_bits<T>), bias));
  CHECK(float(limits::lowest()) == -float(limits::max()));
  CHECK(static_cast<double>(float(limits::min())) == std::ldexp(1, 1 - bias));
  CHECK(static_cast<double>(float(limits::denorm_min())) == std::ldexp(1, 1 - bias - fraction_bits<T>));
  CHECK(static_cast<double>(float(limits::epsilon())) == std::ldexp(1, -fraction_bits<T>));
  CHECK(float(limits::round_error()) == 0.5f);
  CHECK(std::isnan(float(limits::quiet_NaN())));
  // As for float: min is 2^(min_exponent − 1), and 2^max_exponent is the first that does not fit.
  CHECK(static_cast<double>(float(limits::min())) == std::ldexp(1, limits::min_exponent - 1));
  CHECK(static_cast<double>(float(limits::max())) < std::ldexp(1, limits::max_exponent));
  CHECK(static_cast<double>(float(limits::max())) > std::ldexp(1, limits::max_exponent - 1));
  CHECK(std::pow(10, limits::max_exponent10) <= static_cast<double>(float(limits::max())));
  CHECK(std::pow(10, limits::max_exponent10 + 1) > static_cast<double>(float(limits::max())));
  CHECK(std::pow(10, limits::min_exponent10) >= static_cast<double>(float(limits::min())));
  CHECK(std::pow(10, limits::min_exponent10 - 1) < static_cast<double>(float(limits::min())));
}

TEST_CASE("they compute as floats") {
  static_assert(static_cast<float>(half(1.5f) + half(2.25f)) == 3.75f);
  static_assert(half(0.1f) < half(0.2f));
  static_assert(sizeof(half) == 2 && sizeof(bfloat16) == 2);
  static_assert(std::is_trivially_copyable_v<half> && std::is_trivially_copyable_v<bfloat16>);
  CHECK(static_cast<float>(half(half(2048.f) + half(1.f))) == 2048.f);  // rounds back
}

}  // namespace
