#pragma once
#include <bit>
#include <cstdint>
#include <limits>

namespace tutti {

namespace detail {

constexpr std::uint16_t to_bfloat16(float value) {
  std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);  // quiet NaN
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

constexpr float from_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

constexpr std::uint16_t to_half(float value) {
  std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  std::uint32_t sign = (bits >> 16) & 0x8000u;
  std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // rounds to 65536 or more
  if (magnitude < 0x33000001u) return static_cast<std::uint16_t>(sign);             // at most half of 2^-24
  int exponent = static_cast<int>(magnitude >> 23) - 127;
  std::uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
  int shift = exponent < -14 ? 13 + (-14 - exponent) : 13;
  std::uint32_t kept = mantissa >> shift;
  std::uint32_t rest = mantissa & ((1u << shift) - 1u), middle = 1u << (shift - 1);
  kept += rest > middle || (rest == middle && (kept & 1u)) ? 1u : 0u;
  // A normal number still holds its leading one here, worth one step of the exponent.
  std::uint32_t biased = exponent < -14 ? 0u : static_cast<std::uint32_t>(exponent + 14) << 10;
  return static_cast<std::uint16_t>(sign | (biased + kept));
}

constexpr float from_half(std::uint16_t bits) {
  std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  std::uint32_t exponent = (bits >> 10) & 0x1fu, mantissa = bits & 0x3ffu;
  if (exponent == 0x1fu) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent == 0) {
    float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

}  // namespace detail

/// A 16-bit number that is stored as one and computed with as a float; every
/// conversion rounds to the nearest, ties to even.
template <std::uint16_t (*Narrow)(float), float (*Widen)(std::uint16_t)>
struct float16 {
  std::uint16_t bits = 0;

  constexpr float16() = default;
  constexpr float16(float value) : bits(Narrow(value)) {}  // NOLINT: as float to double
  constexpr operator float() const { return Widen(bits); }  // NOLINT
};

/// IEEE 754 binary16.
using half = float16<detail::to_half, detail::from_half>;
/// The upper half of a float.
using bfloat16 = float16<detail::to_bfloat16, detail::from_bfloat16>;

}  // namespace tutti

/// Everything follows from where infinity lies: its exponent field is full and
/// its fraction empty, so that the zeros below it are the fraction's bits.
template <std::uint16_t (*Narrow)(float), float (*Widen)(std::uint16_t)>
class std::numeric_limits<tutti::float16<Narrow, Widen>> {
  using number = tutti::float16<Narrow, Widen>;
  static constexpr number of_bits(int bits) {
    number n;
    n.bits = static_cast<std::uint16_t>(bits);
    return n;
  }
  static constexpr int infinite = Narrow(numeric_limits<float>::infinity());
  static constexpr int fraction = countr_zero(static_cast<unsigned>(infinite));
  static constexpr int bias = (1 << (14 - fraction)) - 1;

 public:
  static constexpr bool is_specialized = true, is_signed = true, is_integer = false, is_exact = false;
  static constexpr bool is_bounded = true, is_modulo = false, is_iec559 = true;
  static constexpr bool has_infinity = true, has_quiet_NaN = true, has_signaling_NaN = false;
  static constexpr bool traps = false, tinyness_before = false;
  static constexpr float_round_style round_style = round_to_nearest;
  static constexpr int radix = 2, digits = fraction + 1;
  static constexpr int digits10 = fraction * 30103 / 100000, max_digits10 = 2 + digits * 30103 / 100000;
  static constexpr int max_exponent = bias + 1, min_exponent = 2 - bias;
  static constexpr int max_exponent10 = bias * 30103 / 100000, min_exponent10 = -((bias - 1) * 30103 / 100000);

  static constexpr number min() { return of_bits(1 << fraction); }
  static constexpr number max() { return of_bits(infinite - 1); }
  static constexpr number lowest() { return of_bits(0x8000 | (infinite - 1)); }
  static constexpr number denorm_min() { return of_bits(1); }
  static constexpr number infinity() { return of_bits(infinite); }
  static constexpr number quiet_NaN() { return of_bits(infinite | 1 << (fraction - 1)); }
  static constexpr number epsilon() { return of_bits((bias - fraction) << fraction); }
  static constexpr number round_error() { return of_bits((bias - 1) << fraction); }
};
