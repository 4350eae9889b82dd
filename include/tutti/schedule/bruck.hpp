#pragma once
#include <vector>

#include <tutti/schedule/step.hpp>

namespace tutti {

/// A block that has w ranks to go moves 2^k of them in round k, where w holds
/// that power of two, together with all others that do. ⌈log2 p⌉ messages from
/// each rank instead of p−1, for about half of the vector in each: for small
/// blocks. Blocks are packed before each round and end where they belong.
/// (Bruck, Ho, Kipnis, Upfal and Weathersby, 1997.)
constexpr schedule bruck_all_to_all(const team& all, rank me) {
  const int p = all.size, packed = 2 * p;
  schedule s{.parts = 2 * p, .equal_chunks = true};
  std::vector<chunk> at;  // where the block with w ranks to go, in all, stands now
  for (int w = 0; w < p; ++w) at.push_back(all.chunk_of(me, w));
  int fresh = packed + p / 2;  // at most every second block moves in a round
  for (int distance = 1; distance < p; distance *= 2) {
    int moving = 0;
    for (int w = distance; w < p; ++w) {
      if ((w & distance) == 0) continue;
      s.copy(at[static_cast<std::size_t>(w)], chunk{packed + moving});
      at[static_cast<std::size_t>(w)] = {fresh + moving++};
    }
    s.send(all.next(me, distance), {{packed}, moving});
    s.recv(all.previous(me, distance), {{fresh}, moving});
    fresh += moving;
  }
  for (int w = 0; w < p; ++w) s.copy(at[static_cast<std::size_t>(w)], chunk{p + all.previous(me, w).value});
  s.scratch = fresh - s.parts;
  return s;
}

}  // namespace tutti
