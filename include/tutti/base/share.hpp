#pragma once
#include <cstddef>

namespace tutti {

/// Consecutive elements of something longer.
struct share {
  std::size_t first = 0, count = 0;
  constexpr std::size_t end() const { return first + count; }
  friend constexpr bool operator==(share, share) = default;
};

/// What rank `me` of `ranks` gets of `whole` elements: contiguous, in the order
/// of ranks, sizes that differ by at most one.
constexpr share share_of(std::size_t whole, int me, int ranks) {
  const std::size_t r = static_cast<std::size_t>(me), n = static_cast<std::size_t>(ranks);
  const std::size_t each = whole / n, more = whole % n;
  return {.first = r * each + (r < more ? r : more), .count = each + (r < more ? 1 : 0)};
}

}  // namespace tutti
