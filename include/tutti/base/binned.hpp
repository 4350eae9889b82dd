#pragma once
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <tutti/base/numbers.hpp>
#include <tutti/base/span.hpp>

namespace tutti {

/// The numbers that `binned` can sum.
template <class T>
concept binnable = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, half> || std::same_as<T, bfloat16>;

namespace detail {

constexpr std::uint64_t raw_bits(double x) { return std::bit_cast<std::uint64_t>(x); }
constexpr std::uint64_t raw_bits(float x) { return std::bit_cast<std::uint32_t>(x); }
constexpr std::uint64_t raw_bits(half x) { return x.bits; }
constexpr std::uint64_t raw_bits(bfloat16 x) { return x.bits; }

template <binnable T>
constexpr T from_raw_bits(std::uint64_t bits) {
  if constexpr (std::same_as<T, double>) return std::bit_cast<double>(bits);
  else if constexpr (std::same_as<T, float>) return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  else {
    T x;
    x.bits = static_cast<std::uint16_t>(bits);
    return x;
  }
}

/// A number as its bits say it: ±`digits` · 2^`position`, in units of T's least
/// number above zero.
template <binnable T>
struct number_parts {
  static constexpr int precision = std::numeric_limits<T>::digits;  // the leading one included
  static constexpr int width = 8 * static_cast<int>(sizeof(T));
  static constexpr int all_ones = (1 << (width - precision)) - 1;  // the exponent of what is not finite
  static constexpr std::uint64_t hidden = std::uint64_t{1} << (precision - 1), infinite = static_cast<std::uint64_t>(all_ones) * hidden;

  std::uint64_t digits;
  int position;
  bool negative;

  static constexpr int exponent_of(std::uint64_t bits) { return static_cast<int>(bits >> (precision - 1)) & all_ones; }
  explicit constexpr number_parts(std::uint64_t bits)
      : digits(bits & (hidden - 1)), position(0), negative((bits >> (width - 1)) & 1u) {
    const int exponent = exponent_of(bits);
    if (exponent > 0) {
      digits |= hidden;
      position = exponent - 1;
    }
  }
};

/// A signed integer of 128 bits: the primary word, and the one that takes its
/// carries.
struct wide_word {
  std::uint64_t primary = 0;
  std::int64_t carry = 0;

  constexpr void add(std::int64_t v) { add({static_cast<std::uint64_t>(v), v < 0 ? -1 : 0}); }
  constexpr void add(const wide_word& o) {
    primary += o.primary;
    carry += o.carry + (primary < o.primary ? 1 : 0);
  }
  friend constexpr bool operator==(const wide_word&, const wide_word&) = default;

  /// 64 bits from bit `from` on, as if there were zeros before and copies of the
  /// sign behind.
  constexpr std::uint64_t bits(int from) const {
    auto word = [&](int i) { return i < 0 ? 0 : i == 0 ? primary : static_cast<std::uint64_t>(i == 1 ? carry : carry >> 63); };
    const int whole = from >= 0 ? from / 64 : -((63 - from) / 64), rest = from - 64 * whole;
    return rest == 0 ? word(whole) : word(whole) >> rest | word(whole + 1) << (64 - rest);
  }
};

}  // namespace detail

/// A sum that does not depend on the order of its summands, nor on how they were
/// grouped: as an element of any reduction by `plus`, it gives bitwise the same
/// result for the same summands on any number of ranks, by any algorithm.
///
/// The range of T is cut into bins of 40 bits, at places that depend on T only.
/// A summand's digits fall into two or three of them. Kept are the `Fold`
/// highest bins that any summand so far has reached, each as an integer of 128
/// bits; digits below are dropped, whether they came early or late, so that
/// every bin holds the exact sum of what all summands have in it. No operation
/// rounds before `value`, none is one of floating point, and nothing that a
/// compiler may do to those (fused multiply-add, `-ffast-math`) or that the
/// rounding mode changes matters.
///
/// Error: with n summands, at most n · 2^(−40 (Fold − 1)) · max |x|, and none
/// where that is below T's least number; then `value` rounds once, to the
/// nearest. Most summands: a bin grows by less than 2^40 each, so that 2^87 fit.
/// Size: 16 Fold + 8 bytes, 56 by default, which travel for every sum.
///
/// Infinities and NaNs are remembered: a NaN, or infinities of both signs, give
/// the quiet NaN, infinities of one sign themselves, in any order. A sum beyond
/// the range becomes infinite only in `value`, however large it was meanwhile. A
/// sum of zero is +0.
///
/// After J. Demmel and H. D. Nguyen, "Parallel reproducible summation" (IEEE
/// Transactions on Computers 64, 2015), and P. Ahrens, J. Demmel and H. D.
/// Nguyen, "Algorithms for efficient reproducible floating point summation" (ACM
/// Transactions on Mathematical Software 46, 2020), whose bins hold
/// floating-point numbers.
template <binnable T, int Fold = 3>
class binned {
  using parts = detail::number_parts<T>;
  using word = detail::wide_word;

 public:
  static constexpr int bin_width = 40;
  static_assert((Fold - 1) * bin_width + 1 >= parts::precision && Fold <= 8,
                "tutti: binned needs at least 2 bins, for double at least 3, to hold all digits of one number, and takes "
                "at most 8");

  constexpr binned() = default;
  explicit constexpr binned(T x) { add(x); }

  constexpr void add(T x) {
    const std::uint64_t bits = detail::raw_bits(x);
    if (parts::exponent_of(bits) == parts::all_ones) return note(bits);
    raise(top_of(parts::exponent_of(bits)));
    const parts p(bits);
    for (int k = 0; k < Fold; ++k) bins_[k].add(slice(p, top_ - k));
  }

  /// Adds all: (n) → one sum. Cost: two passes over blocks that stay in cache,
  /// for the largest exponent and for the digits.
  constexpr void add(span<const T> all) {
    for (std::size_t from = 0; from < all.size(); from += block) {
      const std::size_t left = all.size() - from;
      add_block(all.data() + from, left < block ? left : block);
    }
  }

  /// Adds what another sum holds: exact, associative and commutative.
  constexpr binned& operator+=(const binned& other) {
    raise(other.top_);
    const int down = top_ - other.top_;
    for (int k = down; k < Fold; ++k) bins_[k].add(other.bins_[k - down]);
    seen_ |= other.seen_;
    return *this;
  }
  friend constexpr binned operator+(const binned& a, const binned& b) {
    binned sum = a;
    sum += b;
    return sum;
  }

  /// Equal where no further summands could make a difference: the same summands
  /// give the same bytes.
  friend constexpr bool operator==(const binned&, const binned&) = default;

  /// The sum, rounded to the nearest T, ties to even.
  constexpr T value() const {
    if (seen_ == 0) return rounded();
    if ((seen_ & a_nan) || seen_ == (a_plus | a_minus)) return std::numeric_limits<T>::quiet_NaN();
    return detail::from_raw_bits<T>(parts::infinite | (seen_ & a_minus ? std::uint64_t{1} << (parts::width - 1) : 0));
  }
  explicit constexpr operator T() const { return value(); }

 private:
  enum : std::uint32_t { a_plus = 1, a_minus = 2, a_nan = 4 };
  static constexpr std::uint64_t in_bin = (std::uint64_t{1} << bin_width) - 1;
  static constexpr std::size_t block = 512;
  // Within a block, 64 bits must hold the sum of what falls into a bin.
  static_assert(block <= std::size_t{1} << (63 - bin_width));

  // The bin of the leading digit: at least Fold − 1, so that there are bins below.
  static constexpr int top_of(int exponent) {
    const int top = ((exponent > 0 ? exponent - 1 : 0) + parts::precision - 1) / bin_width;
    return top < Fold - 1 ? Fold - 1 : top;
  }

  // What a number has in a bin. Cut off, not rounded, so that each bin's part
  // depends on nothing but the number.
  static constexpr std::int64_t slice(const parts& p, int bin) {
    const int shift = bin * bin_width - p.position;
    if (shift >= 64 || shift <= -bin_width) return 0;
    const auto part = static_cast<std::int64_t>((shift >= 0 ? p.digits >> shift : p.digits << -shift) & in_bin);
    return p.negative ? -part : part;
  }

  constexpr void note(std::uint64_t bits) {
    const bool negative = (bits >> (parts::width - 1)) & 1u;
    seen_ |= (bits & (parts::hidden - 1)) ? a_nan : negative ? a_minus : a_plus;
  }

  // Bins below the new window are forgotten.
  constexpr void raise(int top) {
    if (top <= top_) return;
    const int by = top - top_;
    for (int k = Fold - 1; k >= 0; --k) bins_[k] = k >= by ? bins_[k - by] : word{};
    top_ = top;
  }

  constexpr void add_block(const T* all, std::size_t n) {
    int largest = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const int exponent = parts::exponent_of(detail::raw_bits(all[i]));
      largest = exponent > largest ? exponent : largest;
    }
    if (largest == parts::all_ones) {
      for (std::size_t i = 0; i < n; ++i) add(all[i]);
      return;
    }
    raise(top_of(largest));
    std::int64_t sums[Fold] = {};
    for (std::size_t i = 0; i < n; ++i) {
      const parts p(detail::raw_bits(all[i]));
      for (int k = 0; k < Fold; ++k) sums[k] += slice(p, top_ - k);
    }
    for (int k = 0; k < Fold; ++k) bins_[k].add(sums[k]);
  }

  // All bins as one integer, lowest word first, in units of the lowest bin's lowest digit.
  static constexpr int words = ((Fold - 1) * bin_width + 129 + 63) / 64;
  struct integer {
    std::uint64_t word[words] = {};

    constexpr bool bit(int i) const { return (word[i / 64] >> (i % 64)) & 1u; }
    constexpr bool any_below(int i) const {
      for (int w = 0; w < i / 64; ++w)
        if (word[w]) return true;
      return i % 64 != 0 && (word[i / 64] << (64 - i % 64)) != 0;
    }
    constexpr int highest() const {
      for (int w = words - 1; w >= 0; --w)
        if (word[w]) return 64 * w + 63 - std::countl_zero(word[w]);
      return -1;
    }
    constexpr std::uint64_t from(int i) const {
      const int w = i / 64, rest = i % 64;
      return rest == 0 ? word[w] : word[w] >> rest | (w + 1 < words ? word[w + 1] << (64 - rest) : 0);
    }
  };
  constexpr integer total() const {
    integer sum;
    for (int k = 0; k < Fold; ++k) {
      std::uint64_t carry = 0;
      for (int w = 0; w < words; ++w) {
        const std::uint64_t next = bins_[k].bits(64 * w - (Fold - 1 - k) * bin_width);
        const std::uint64_t with = sum.word[w] + next, both = with + carry;
        carry = (with < next) + (both < with);
        sum.word[w] = both;
      }
    }
    return sum;
  }

  constexpr T rounded() const {
    integer sum = total();
    const bool negative = sum.word[words - 1] >> 63;
    if (negative) {
      std::uint64_t carry = 1;
      for (std::uint64_t& w : sum.word) {
        w = ~w + carry;
        carry = carry && w == 0;
      }
    }
    const int highest = sum.highest();
    if (highest < 0) return T{};
    const int base = (top_ - Fold + 1) * bin_width;
    // Where the result's lowest digit lies: below T's least number there are none.
    const int wanted = base + highest - (parts::precision - 1), lowest = wanted > 0 ? wanted : 0, cut = lowest - base;
    std::uint64_t digits;
    if (cut <= 0) {
      digits = sum.word[0] << -cut;
    } else {
      digits = sum.from(cut);
      if (sum.bit(cut - 1) && (sum.any_below(cut - 1) || (digits & 1u))) ++digits;
    }
    // The hidden digit, where there is one, adds one to the exponent.
    std::uint64_t bits = static_cast<std::uint64_t>(lowest) * parts::hidden + digits;
    if (lowest >= parts::all_ones || bits > parts::infinite) bits = parts::infinite;
    return detail::from_raw_bits<T>(bits | static_cast<std::uint64_t>(negative) << (parts::width - 1));
  }

  word bins_[Fold] = {};  // from the highest down
  std::int32_t top_ = Fold - 1;
  std::uint32_t seen_ = 0;
};

}  // namespace tutti
