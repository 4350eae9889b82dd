#include <tutti/base/numbers.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <random>
#include <type_traits>

namespace {

using tutti::bfloat16, tutti::fp8_e4m3, tutti::fp8_e5m2, tutti::half;

/// What the bits of a format are, by its definition.
struct layout {
  int exponent, fraction;
  bool saturates = false;        ///< what is greater than the greatest number becomes that
  bool only_ones_are_nan = false;  ///< there is no infinity, and what has another fraction is a number
};
template <class T>
constexpr layout of = std::is_same_v<T, half>       ? layout{5, 10}
                      : std::is_same_v<T, bfloat16> ? layout{8, 7}
                      : std::is_same_v<T, fp8_e4m3> ? layout{4, 3, true, true}
                                                    : layout{5, 2, true};
template <class T>
constexpr std::uint32_t sign_bit = 1u << (8 * sizeof(T) - 1);
template <class T>
constexpr int bias = (1 << (of<T>.exponent - 1)) - 1;
/// The first bits beyond the greatest number: infinity, or the only NaN.
template <class T>
constexpr std::uint32_t beyond = sign_bit<T> - (of<T>.only_ones_are_nan ? 1u : 1u << of<T>.fraction);

template <class T>
T from_bits(std::uint32_t bits) {
  T number;
  number.bits = static_cast<decltype(number.bits)>(bits);
  return number;
}

/// What a number means: sign, exponent field and fraction, in double, where all formats
/// are exact. With `unbounded`, as if the exponent had one more value.
template <class T>
double meaning(T number, bool unbounded = false) {
  const std::uint32_t magnitude = number.bits & (sign_bit<T> - 1);
  const int exponent = static_cast<int>(magnitude >> of<T>.fraction), fraction = static_cast<int>(magnitude & ((1u << of<T>.fraction) - 1));
  const double sign = (number.bits & sign_bit<T>) ? -1.0 : 1.0;
  if (!unbounded && magnitude >= beyond<T>)
    return magnitude > beyond<T> || of<T>.only_ones_are_nan ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias<T> - of<T>.fraction);
  return sign * std::ldexp(fraction + (1 << of<T>.fraction), exponent - bias<T> - of<T>.fraction);
}

TEST_CASE_TEMPLATE("every bit pattern widens to what it means, and comes back", T, half, bfloat16, fp8_e4m3, fp8_e5m2) {
  int wrong = 0;
  for (std::uint32_t bits = 0; bits < 2 * sign_bit<T>; ++bits) {
    T number = from_bits<T>(bits);
    const double means = meaning(number);
    const float wide = number;
    const T back = wide;
    if (std::isnan(means)) {
      // A NaN stays one and is quiet; of 16 bits it keeps its sign, of 8 it has none.
      const std::uint32_t sign = of<T>.saturates ? 0u : bits & sign_bit<T>;
      if (!std::isnan(wide) || !std::isnan(static_cast<float>(back)) || (back.bits & sign_bit<T>) != sign) ++wrong;
    } else if (static_cast<double>(wide) != means || std::signbit(wide) != std::signbit(means)) {
      ++wrong;
    } else if (std::isinf(means) && of<T>.saturates) {
      if (meaning(back) != std::copysign(meaning(from_bits<T>(beyond<T> - 1)), means)) ++wrong;
    } else if (back.bits != bits || (-number).bits != (bits ^ sign_bit<T>)) {
      ++wrong;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE_TEMPLATE("between two neighbours, the nearer wins and a tie goes to the even one", T, half, bfloat16, fp8_e4m3, fp8_e5m2) {
  constexpr float infinite = std::numeric_limits<float>::infinity();
  int wrong = 0;
  for (std::uint32_t sign : {0u, sign_bit<T>})
    for (std::uint32_t low = 0; low < beyond<T>; ++low) {
      const T below = from_bits<T>(low | sign), above = from_bits<T>((low + 1) | sign);
      // Past the greatest number, rounding goes as if the exponent had no bound; what it leads to may not be there.
      const double a = meaning(below), b = meaning(above, true);
      const T upper = of<T>.saturates && low + 1 == beyond<T> ? below : above;
      const float middle = static_cast<float>(a / 2 + b / 2);  // exact: one more bit than T has, at most 2^-25 fine
      if (static_cast<double>(middle) != a / 2 + b / 2) ++wrong;
      if (T(middle).bits != ((low & 1u) == 0 ? below : upper).bits) ++wrong;
      if (T(std::nextafterf(middle, static_cast<float>(a))).bits != below.bits) ++wrong;
      if (T(std::nextafterf(middle, b < 0 ? -infinite : infinite)).bits != upper.bits) ++wrong;
    }
  CHECK(wrong == 0);
}

TEST_CASE_TEMPLATE("any float becomes the number that is nearest to it, of two the even one", T, half, fp8_e4m3, fp8_e5m2) {
  // By a search in double over the numbers of the format, which grow with their bits.
  constexpr unsigned seed = 20261122;
  std::mt19937 random(seed);
  CAPTURE(seed);
  int wrong = 0;
  for (int i = 0; i < 100000; ++i) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (std::isnan(value)) continue;
    const double size = std::fabs(static_cast<double>(value));
    std::uint32_t low = 0, high = beyond<T>;  // size lies between them, or beyond both
    while (high - low > 1) {
      const std::uint32_t between = (low + high) / 2;
      (meaning(from_bits<T>(between)) <= size ? low : high) = between;
    }
    const double under = size - meaning(from_bits<T>(low)), over = meaning(from_bits<T>(high), true) - size;
    const bool up = over < under || (over == under && (low & 1u) != 0);
    const std::uint32_t want = up && !(of<T>.saturates && high == beyond<T>) ? high : low;
    if (T(value).bits != (want | (std::signbit(value) ? sign_bit<T> : 0u))) ++wrong;
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
  // As NVIDIA's types with saturation: infinities become the greatest number, every NaN the same.
  constexpr float infinite = std::numeric_limits<float>::infinity();
  CHECK(fp8_e4m3(464.f).bits == 0x7e);
  CHECK(fp8_e4m3(infinite).bits == 0x7e);
  CHECK(fp8_e4m3(-1e30f).bits == 0xfe);
  CHECK(fp8_e4m3(0x1p-10f).bits == 0x00);
  CHECK(fp8_e4m3(-0x1.000002p-10f).bits == 0x81);
  CHECK(fp8_e4m3(std::numeric_limits<float>::denorm_min()).bits == 0x00);
  CHECK(fp8_e5m2(61439.f).bits == 0x7b);
  CHECK(fp8_e5m2(-infinite).bits == 0xfb);
  CHECK(fp8_e5m2(0x1p-17f).bits == 0x00);
  CHECK(fp8_e4m3(std::bit_cast<float>(0xff800001u)).bits == 0x7f);
  CHECK(fp8_e5m2(std::bit_cast<float>(0xffc00000u)).bits == 0x7f);
}

TEST_CASE_TEMPLATE("their limits are those of the format", T, half, bfloat16, fp8_e4m3, fp8_e5m2) {
  using limits = std::numeric_limits<T>;
  static_assert(limits::is_specialized && limits::has_infinity != of<T>.only_ones_are_nan && limits::digits == of<T>.fraction + 1);
  if (limits::has_infinity) {
    CHECK(static_cast<double>(float(limits::infinity())) == std::numeric_limits<double>::infinity());
    CHECK(float(-limits::infinity()) < float(limits::lowest()));
  }
  CHECK(limits::max().bits == beyond<T> - 1);
  CHECK(float(limits::lowest()) == -float(limits::max()));
  CHECK(static_cast<double>(float(limits::min())) == std::ldexp(1, 1 - bias<T>));
  CHECK(static_cast<double>(float(limits::denorm_min())) == std::ldexp(1, 1 - bias<T> - of<T>.fraction));
  CHECK(static_cast<double>(float(limits::epsilon())) == std::ldexp(1, -of<T>.fraction));
  CHECK(float(limits::round_error()) == 0.5f);
  CHECK(std::isnan(float(limits::quiet_NaN())));
  CHECK(limits::digits10 == static_cast<int>(std::floor((limits::digits - 1) * std::log10(2))));
  CHECK(limits::max_digits10 == static_cast<int>(std::ceil(1 + limits::digits * std::log10(2))));
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
  static_assert(static_cast<float>(fp8_e4m3(1.5f) * fp8_e5m2(3.f)) == 4.5f && float(-fp8_e5m2(2.f)) == -2.f);
  static_assert(sizeof(half) == 2 && sizeof(bfloat16) == 2 && sizeof(fp8_e4m3) == 1 && sizeof(fp8_e5m2) == 1);
  static_assert(std::is_trivially_copyable_v<half> && std::is_trivially_copyable_v<fp8_e4m3>);
  static_assert(tutti::is_short_float<fp8_e5m2> && !tutti::is_short_float<float>);
  CHECK(static_cast<float>(half(half(2048.f) + half(1.f))) == 2048.f);  // rounds back
}

TEST_CASE("errors call them by their names") {
  static_assert(tutti::type_name<half> == "half" && tutti::type_name<bfloat16> == "bfloat16");
  CHECK(tutti::type_name<fp8_e4m3> == "fp8_e4m3");
  CHECK(tutti::type_name<fp8_e5m2> == "fp8_e5m2");
}

}  // namespace
