#pragma once
#include <bit>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

#include <tutti/base/config.hpp>
#include <tutti/base/names.hpp>

namespace tutti {

namespace detail {

// By masks: where one of two is a product of floats, which might trap, compilers make a
// branch of ?: and no vectors of a loop around it.
constexpr std::uint32_t select(bool first, std::uint32_t a, std::uint32_t b) {
  const std::uint32_t mask = 0u - static_cast<std::uint32_t>(first);
  return (a & mask) | (b & ~mask);
}

// The bits of a float's magnitude, in a format of so many bits of fraction and this bias
// of its exponent: rounded to the nearest, ties to even, as if the exponent had no upper
// bound. Without branches, so that it can become vectors.
template <int Fraction, int Bias>
constexpr std::uint32_t narrowed(std::uint32_t magnitude) {
  const int below = 128 - Bias - static_cast<int>(magnitude >> 23);  // the least exponent, by so much
  const std::uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
  // Beyond 25 places all of them are gone, as they are at 25.
  const int shift = 23 - Fraction + (below < 0 ? 0 : below < 2 + Fraction ? below : 2 + Fraction);
  const std::uint32_t rounded = (mantissa + (1u << (shift - 1)) - 1 + ((mantissa >> shift) & 1u)) >> shift;
  // A normal number still holds its leading one here, worth one step of the exponent.
  return rounded + (below < 0 ? static_cast<std::uint32_t>(-below) << Fraction : 0u);
}

// The bits of a float, of a finite magnitude in such a format.
template <int Fraction, int Bias>
constexpr std::uint32_t widened(std::uint32_t magnitude) {
  constexpr float least = std::bit_cast<float>(static_cast<std::uint32_t>(128 - Bias - Fraction) << 23);
  const std::uint32_t normal = (magnitude << (23 - Fraction)) + (static_cast<std::uint32_t>(127 - Bias) << 23);
  const std::uint32_t below = std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<int>(magnitude)) * least);
  return select(magnitude < 1u << Fraction, below, normal);
}

// Devices have instructions for what follows; from sm_89 on, for 8 bits too. A NaN's
// bits are theirs.
#if TUTTI_DEVICE_PASS > 0
constexpr std::uint16_t instructed_half(float value) {
  std::uint16_t bits = 0;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
constexpr float instructed_float(std::uint16_t half) {
  float value = 0;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
  return value;
}
#endif
#if TUTTI_DEVICE_PASS >= 890
template <int Fraction>
constexpr std::uint8_t instructed_fp8(float value) {
  std::uint16_t both = 0;
  if constexpr (Fraction == 3) asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(both) : "f"(0.0f), "f"(value));
  else asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(both) : "f"(0.0f), "f"(value));
  return static_cast<std::uint8_t>(both);
}
template <int Fraction>
constexpr float instructed_float(std::uint8_t fp8) {
  std::uint32_t both = 0;
  if constexpr (Fraction == 3) asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(both) : "h"(static_cast<std::uint16_t>(fp8)));
  else asm("cvt.rn.f16x2.e5m2x2 %0, %1;" : "=r"(both) : "h"(static_cast<std::uint16_t>(fp8)));
  return instructed_float(static_cast<std::uint16_t>(both));
}
#endif

// How numbers are stored. `most` is the greatest one, `none` what is no number, and
// `infinite` zero where there is no infinity.

struct bfloat16_format {
  using word = std::uint16_t;
  static constexpr int fraction = 7, bias = 127;
  static constexpr word most = 0x7f7f, infinite = 0x7f80, none = 0x7fc0;

  static constexpr word narrow(float value) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<word>((bits >> 16) | 0x40u);  // quiet NaN
    return static_cast<word>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
  }
  static constexpr float widen(word bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
};

struct half_format {
  using word = std::uint16_t;
  static constexpr int fraction = 10, bias = 15;
  static constexpr word most = 0x7bff, infinite = 0x7c00, none = 0x7e00;

  static constexpr word narrow(float value) {
#if TUTTI_DEVICE_PASS > 0
    if (!std::is_constant_evaluated()) return instructed_half(value);
#endif
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(value), magnitude = bits & 0x7fffffffu;
    const std::uint32_t rounded = narrowed<fraction, bias>(magnitude);
    return static_cast<word>(((bits >> 16) & 0x8000u) | (magnitude > 0x7f800000u ? none : rounded < infinite ? rounded : infinite));
  }
  static constexpr float widen(word bits) {
#if TUTTI_DEVICE_PASS > 0
    if (!std::is_constant_evaluated()) return instructed_float(bits);
#endif
    const std::uint32_t magnitude = bits & 0x7fffu, sign = (bits & 0x8000u) << 16;
    const std::uint32_t wide = widened<fraction, bias>(magnitude);
    return std::bit_cast<float>(sign | select(magnitude >= infinite, 0x7f800000u | magnitude << 13, wide));
  }
};

// Conversions from float saturate, infinities too, and know one NaN, as NVIDIA's types
// and instructions do.
template <int Fraction, std::uint8_t Most, std::uint8_t Infinite>
struct fp8_format {
  using word = std::uint8_t;
  static constexpr int fraction = Fraction, bias = (1 << (6 - Fraction)) - 1;
  static constexpr word most = Most, infinite = Infinite, none = 0x7f;

  static constexpr word narrow(float value) {
#if TUTTI_DEVICE_PASS >= 890
    if (!std::is_constant_evaluated()) return instructed_fp8<fraction>(value);
#endif
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(value), magnitude = bits & 0x7fffffffu;
    const std::uint32_t rounded = narrowed<fraction, bias>(magnitude);
    return static_cast<word>(magnitude > 0x7f800000u ? none : ((bits >> 24) & 0x80u) | (rounded < most ? rounded : most));
  }
  static constexpr float widen(word bits) {
#if TUTTI_DEVICE_PASS >= 890
    if (!std::is_constant_evaluated()) return instructed_float<fraction>(bits);
#endif
    const std::uint32_t magnitude = bits & 0x7fu, sign = (bits & 0x80u) << 24;
    const std::uint32_t wide = widened<fraction, bias>(magnitude), beyond = magnitude == infinite ? 0x7f800000u : 0x7fc00000u;
    return std::bit_cast<float>(sign | select(magnitude > most, beyond, wide));
  }
};

}  // namespace detail

/// A number that is stored in 16 bits or 8 and computed with as a float; every
/// conversion rounds to the nearest, ties to even.
template <class Format>
struct short_float {
  typename Format::word bits = 0;

  constexpr short_float() = default;
  constexpr short_float(float value) : bits(Format::narrow(value)) {}  // NOLINT: as float to double
  constexpr operator float() const { return Format::widen(bits); }     // NOLINT
  /// Exact, of infinity too.
  constexpr short_float operator-() const {
    short_float other;
    other.bits = static_cast<typename Format::word>(bits ^ (1u << (8 * sizeof bits - 1)));
    return other;
  }
};

template <class T>
inline constexpr bool is_short_float = false;
template <class Format>
inline constexpr bool is_short_float<short_float<Format>> = true;

/// IEEE 754 binary16.
using half = short_float<detail::half_format>;
/// The upper half of a float.
using bfloat16 = short_float<detail::bfloat16_format>;

/// 8 bits, 3 of them a fraction: ±448, 2^-9 the least, no infinity. As the other one of
/// Micikevicius et al., "FP8 formats for deep learning" (2022). What is greater becomes
/// the greatest, infinity too; a NaN stays one, without its sign.
using fp8_e4m3 = short_float<detail::fp8_format<3, 0x7e, 0>>;
/// 8 bits, 2 of them a fraction: ±57344, 2^-16 the least. It has infinities, which no
/// conversion makes.
using fp8_e5m2 = short_float<detail::fp8_format<2, 0x7b, 0x7c>>;

template <>
inline constexpr std::string_view type_name<half> = "half";
template <>
inline constexpr std::string_view type_name<bfloat16> = "bfloat16";
template <>
inline constexpr std::string_view type_name<fp8_e4m3> = "fp8_e4m3";
template <>
inline constexpr std::string_view type_name<fp8_e5m2> = "fp8_e5m2";

}  // namespace tutti

template <class Format>
class std::numeric_limits<tutti::short_float<Format>> {
  using number = tutti::short_float<Format>;
  static constexpr number of_bits(int bits) {
    number n;
    n.bits = static_cast<typename Format::word>(bits);
    return n;
  }
  static constexpr int fraction = Format::fraction, bias = Format::bias;

 public:
  static constexpr bool is_specialized = true, is_signed = true, is_integer = false, is_exact = false;
  static constexpr bool is_bounded = true, is_modulo = false, is_iec559 = sizeof(number) == 2;
  static constexpr bool has_infinity = Format::infinite != 0, has_quiet_NaN = true, has_signaling_NaN = false;
  static constexpr bool traps = false, tinyness_before = false;
  static constexpr float_round_style round_style = round_to_nearest;
  static constexpr int radix = 2, digits = fraction + 1;
  static constexpr int digits10 = fraction * 30103 / 100000, max_digits10 = 2 + digits * 30103 / 100000;
  static constexpr int max_exponent = (Format::most >> fraction) - bias + 1, min_exponent = 2 - bias;
  static constexpr int max_exponent10 = (max_exponent - 1) * 30103 / 100000, min_exponent10 = -((bias - 1) * 30103 / 100000);

  static constexpr number min() { return of_bits(1 << fraction); }
  static constexpr number max() { return of_bits(Format::most); }
  static constexpr number lowest() { return -max(); }
  static constexpr number denorm_min() { return of_bits(1); }
  static constexpr number infinity() { return of_bits(Format::infinite); }
  static constexpr number quiet_NaN() { return of_bits(Format::none); }
  static constexpr number epsilon() { return of_bits((bias - fraction) << fraction); }
  static constexpr number round_error() { return of_bits((bias - 1) << fraction); }
};
