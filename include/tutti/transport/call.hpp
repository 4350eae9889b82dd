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
  std::int32_t root = -1;    ///< −1 where there is none; of a message its tag
  char kind[16] = {};
  char algorithm[16] = {};
  char type[24] = {};
  char operation[32] = {};
};

/// Whether it is one end of a message between two ranks, not a collective.
inline bool is_message(const call& c) { return std::strcmp(c.kind, "send") == 0 || std::strcmp(c.kind, "recv") == 0; }

namespace detail {
constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 29);
}
}  // namespace detail

/// As a person would write it: `all_reduce of 1000 float, sum, ring`, or `send
/// of 1000 float, to rank 3, tag 7`.
inline std::string describe(const call& c) {
  std::string text = c.kind;
  if (std::strcmp(c.kind, "barrier") == 0) return text;
  text += format(" of %llu %s", static_cast<unsigned long long>(c.count), c.type);
  if (c.operation[0]) text += format(", %s", c.operation);
  if (is_message(c)) return text + format(", tag %d", c.root);
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
