#pragma once
// Multisets of numbers that are awkward to sum, made from a seed, and their exact
// sums. Everything by bits and integers: the tests are built with -ffast-math too.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <random>
#include <type_traits>
#include <vector>

#include <tutti/base/numbers.hpp>

namespace summands {

using random = std::mt19937_64;

template <class T>
std::uint64_t bits_of(T x) {
  if constexpr (std::is_same_v<T, double>) return std::bit_cast<std::uint64_t>(x);
  else if constexpr (std::is_same_v<T, float>) return std::bit_cast<std::uint32_t>(x);
  else return x.bits;
}
template <class T>
T of_bits(std::uint64_t bits) {
  if constexpr (std::is_same_v<T, double>) return std::bit_cast<double>(bits);
  else if constexpr (std::is_same_v<T, float>) return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  else {
    T x;
    x.bits = static_cast<std::uint16_t>(bits);
    return x;
  }
}

/// Bits of a format: of the stored fraction, and of the exponent.
template <class T>
inline constexpr int fraction = std::is_same_v<T, double> ? 52 : std::is_same_v<T, float> ? 23 : std::is_same_v<T, tutti::half> ? 10 : 7;
template <class T>
inline constexpr int exponent = 8 * static_cast<int>(sizeof(T)) - 1 - fraction<T>;
template <class T>
inline constexpr std::uint64_t sign = std::uint64_t{1} << (8 * sizeof(T) - 1);
template <class T>
inline constexpr std::uint64_t infinite = ((std::uint64_t{1} << exponent<T>) - 1) << fraction<T>;

enum class kind { anything, alike, subnormal, cancelling, towering };
inline constexpr kind every_kind[] = {kind::anything, kind::alike, kind::subnormal, kind::cancelling, kind::towering};

/// `n` finite numbers.
template <class T>
std::vector<T> make(random& dice, kind what, std::size_t n) {
  const std::uint64_t digits = (std::uint64_t{1} << fraction<T>) - 1, most = (std::uint64_t{1} << exponent<T>) - 2;
  std::vector<T> all;
  while (all.size() < n) {
    std::uint64_t e = 0;
    switch (what) {
      case kind::anything: case kind::cancelling: e = dice() % (most + 1); break;
      case kind::alike: e = most / 2 + dice() % 4; break;
      case kind::subnormal: e = dice() % 2; break;
      case kind::towering: e = dice() % 3 ? most - dice() % 3 : dice() % (most + 1); break;
    }
    const std::uint64_t positive = e << fraction<T> | (dice() % 5 ? dice() & digits : dice() % 2 ? digits : 0);
    const std::uint64_t which = dice() % 2 ? sign<T> : 0;
    all.push_back(of_bits<T>(positive | which));
    if (what == kind::cancelling && all.size() < n && dice() % 8) all.push_back(of_bits<T>(positive | (which ^ sign<T>)));
  }
  std::shuffle(all.begin(), all.end(), dice);
  return all;
}

/// A sum of numbers times powers of two, exact, in units of T's least number:
/// lanes of 32 bits, carried only when compared.
class exact {
 public:
  template <class T>
  void add(T x, int shift, std::int64_t times = 1) {
    const std::uint64_t bits = bits_of(x), e = (bits & ~sign<T>) >> fraction<T>;
    std::uint64_t digits = bits & ((std::uint64_t{1} << fraction<T>) - 1);
    if (e > 0) digits |= std::uint64_t{1} << fraction<T>;
    add_digits(digits, (e > 0 ? static_cast<int>(e) - 1 : 0) + shift, (bits & sign<T>) ? -times : times);
  }
  void add_digits(std::uint64_t digits, int position, std::int64_t times) {
    for (int i = 0; i < 64; i += 16) {
      const int at = position + i;
      lanes_[static_cast<std::size_t>(at / 32)] += static_cast<std::int64_t>((digits >> i & 0xffffu) << (at % 32)) * times;
      carry_if_large();
    }
  }
  /// |this| ≤ other, which is not negative.
  bool at_most(exact other) const {
    exact mine = *this;
    mine.carry();
    other.carry();
    if (mine.lanes_.back() < 0) {
      for (std::int64_t& l : mine.lanes_) l = -l;
      mine.carry();
    }
    for (std::size_t i = mine.lanes_.size(); i-- > 0;)
      if (mine.lanes_[i] != other.lanes_[i]) return mine.lanes_[i] < other.lanes_[i];
    return true;
  }

 private:
  void carry_if_large() {
    if (++since_ % 256 == 0) carry();
  }
  void carry() {
    for (std::size_t i = 0; i + 1 < lanes_.size(); ++i) {
      lanes_[i + 1] += lanes_[i] >> 32;
      lanes_[i] &= 0xffffffff;
    }
  }
  std::vector<std::int64_t> lanes_ = std::vector<std::int64_t>(80, 0);
  std::uint64_t since_ = 0;
};

/// Whether `sum`, finite, is as near to the exact sum as `binned` promises:
/// half of its last digit, and n · 2^-lost · max |x|.
template <class T>
bool within_the_bound(const std::vector<T>& all, T sum, int lost) {
  exact twice_the_error, bound;
  std::uint64_t largest = 0;
  for (T x : all) {
    twice_the_error.add(x, lost + 1);
    largest = std::max(largest, bits_of(x) & ~sign<T>);
  }
  twice_the_error.add(sum, lost + 1, -1);
  const auto e = static_cast<int>((bits_of(sum) & ~sign<T>) >> fraction<T>);
  bound.add_digits(1, (e > 0 ? e - 1 : 0) + lost, 1);
  bound.add(of_bits<T>(largest), 1, static_cast<std::int64_t>(all.size()));
  return twice_the_error.at_most(bound);
}

}  // namespace summands
