#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include <tutti/base/error.hpp>

namespace tutti {

/// What a rank called, in words short enough to travel with a message, so that
/// ranks that disagree can say how.
struct call {
  std::uint64_t number = 0;  ///< of the operation on its communicator, from 1
  std::uint64_t count = 0;   ///< elements
  std::uint32_t element = 0; ///< bytes of one
  std::int32_t root = -1;    ///< −1 where there is none
  std::uint64_t counts = 0;  ///< where each rank has a count of its own: `by_pair`, or the sum of them, weighed by `count_weight`
  char kind[24] = {};
  char algorithm[16] = {};
  char type[24] = {};
  char operation[32] = {};

  /// Any two ranks agree about what passes between them, and nobody knows more:
  /// the call of a piece says in `count` how many elements those are.
  static constexpr std::uint64_t by_pair = static_cast<std::uint64_t>(-1);
};

namespace detail {
constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 29);
}
}  // namespace detail

/// Of the count of rank r in a sum that tells where two lists of counts differ:
/// where it is in one place, the sums differ by this times what the totals
/// differ by.
constexpr std::uint64_t count_weight(std::size_t r) { return detail::mix(0x636f756e74u, r + 1) | 1; }

/// The fingerprint of a call that passes `count` elements between two ranks.
constexpr std::uint64_t pair_mark(std::uint64_t fingerprint, std::uint64_t count) { return detail::mix(fingerprint, count) | 1; }

/// As a person would write it: `all_reduce of 1000 float, sum, ring`.
inline std::string describe(const call& c) {
  std::string text = c.kind;
  if (std::strcmp(c.kind, "barrier") == 0) return text;
  text += c.counts == call::by_pair ? format(" of %s", c.type) : format(" of %llu %s", static_cast<unsigned long long>(c.count), c.type);
  if (c.operation[0]) text += format(", %s", c.operation);
  if (c.root >= 0) text += format(", root %d", c.root);
  text += format(", %s", c.algorithm);
  return text;
}

/// The same number on two ranks where, and (but for one chance in 2^64) only
/// where, they made the same call. Never 0.
inline std::uint64_t fingerprint(const call& c) {
  std::uint64_t words[sizeof(call) / 8];
  static_assert(sizeof(call) % 8 == 0);
  std::memcpy(words, &c, sizeof c);
  std::uint64_t hash = 0x7475747469u;
  for (std::uint64_t word : words) hash = detail::mix(hash, word);
  return hash ? hash : 1;
}

}  // namespace tutti
