#pragma once
#include <compare>

namespace tutti {

/// The number of a member in a team, from 0.
struct rank {
  int value = 0;
  friend constexpr auto operator<=>(rank, rank) = default;
};

/// The number of a piece of the vector that a schedule moves.
struct chunk {
  int value = 0;
  friend constexpr auto operator<=>(chunk, chunk) = default;
};

/// Who takes part, and the one home of wrapping around.
struct team {
  int size = 1;

  constexpr int wrap(int number) const { return ((number % size) + size) % size; }
  constexpr rank next(rank r, int hops = 1) const { return {wrap(r.value + hops)}; }
  constexpr rank previous(rank r, int hops = 1) const { return {wrap(r.value - hops)}; }
  /// The chunk that stands `hops` after the one with rank r's number.
  constexpr chunk chunk_of(rank r, int hops = 0) const { return {wrap(r.value + hops)}; }

  friend constexpr bool operator==(team, team) = default;
};

}  // namespace tutti
