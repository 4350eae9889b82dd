#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <tutti/base/error.hpp>

// Every communicator numbers its operations from 1. What is said of a failure,
// between ranks that use several communicators, therefore holds both: the number
// in the lower bits, the communicator's key above it. Only operations of one
// communicator may be compared by number.

namespace tutti {

/// 0 for the first communicator of a session; of another a number below
/// `most_communicators` that its members agree upon, and that others hardly ever
/// have.
using communicator_key = std::uint32_t;

inline constexpr int operation_number_bits = 40;
inline constexpr communicator_key most_communicators = communicator_key{1} << (64 - operation_number_bits);

constexpr std::uint64_t operation_id(communicator_key of, std::uint64_t number) {
  return std::uint64_t{of} << operation_number_bits | (number & ((std::uint64_t{1} << operation_number_bits) - 1));
}
constexpr std::uint64_t operation_number(std::uint64_t id) { return operation_id(0, id); }
constexpr communicator_key communicator_of(std::uint64_t id) {
  return static_cast<communicator_key>(id >> operation_number_bits);
}

/// The lowest operation of each communicator, of those that ranks named.
class lowest_operations {
 public:
  /// 0 says nothing.
  void note(std::uint64_t id) {
    if (id == 0) return;
    std::size_t i = 0;
    while (i < lowest_.size() && communicator_of(lowest_[i]) < communicator_of(id)) ++i;
    if (i == lowest_.size() || communicator_of(lowest_[i]) != communicator_of(id))
      lowest_.insert(lowest_.begin() + static_cast<std::ptrdiff_t>(i), id);
    else if (id < lowest_[i])
      lowest_[i] = id;
  }

  /// The lowest on the communicator of `id`, itself included; for 0, that of the
  /// communicator with the lowest key, whoever was heard first.
  std::uint64_t lowest(std::uint64_t id) const {
    for (std::uint64_t other : lowest_)
      if (id == 0 || (communicator_of(other) == communicator_of(id) && other < id)) return other;
    return id;
  }
  /// The same of what was noted alone; `id` where that is nothing on its communicator.
  std::uint64_t lowest_noted(std::uint64_t id) const {
    for (std::uint64_t other : lowest_)
      if (id == 0 || communicator_of(other) == communicator_of(id)) return other;
    return id;
  }

 private:
  std::vector<std::uint64_t> lowest_;  // by key
};

/// Ranks as a person would list them; of many the first ones.
inline std::string list_ranks(const std::vector<int>& ranks) {
  constexpr std::size_t most = 8;
  std::string text;
  for (std::size_t i = 0; i < ranks.size() && i < most; ++i) text += format("%s%d", i ? ", " : "", ranks[i]);
  if (ranks.size() > most) text += format(" and %zu more", ranks.size() - most);
  return text;
}

/// What follows the number of an operation in a sentence: nothing for the first
/// communicator, else which one it is, and its members where they are known.
inline std::string of_communicator(communicator_key key, const std::vector<int>& members = {}) {
  if (key == 0) return "";
  std::string text = format(" of communicator %06x", key);
  if (!members.empty()) text += format(" (rank%s %s)", members.size() == 1 ? "" : "s", list_ranks(members).c_str());
  return text;
}

}  // namespace tutti
