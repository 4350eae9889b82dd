#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/kernel/random.hpp>
#include <tutti/mesh/block.hpp>

namespace halo_cases {

/// Some block of `whole`, empty ones among them.
inline tutti::block any_block(const tutti::shape& whole, const tutti::random_stream& random, std::uint64_t& next) {
  tutti::block b(whole);
  for (std::size_t d = 0; d < whole.rank(); ++d) {
    const std::size_t first = random.below(next++, whole[d].size);
    b[d] = {.first = first, .count = random.below(next++, whole[d].size - first + 1)};
  }
  return b;
}

struct owners_and_readers {
  std::vector<tutti::block> owned{}, read{};  ///< by rank
};

/// Rows are owned in any pieces, and any part is read.
inline owners_and_readers drawn(const tutti::shape& whole, int ranks, const tutti::random_stream& random, std::uint64_t& next) {
  owners_and_readers made;
  std::size_t begin = 0;
  for (int r = 0; r < ranks; ++r) {
    tutti::block mine(whole);
    const std::size_t left = whole.of("height") - begin;
    mine[2] = {.first = begin, .count = r + 1 == ranks ? left : random.below(next++, left + 1)};
    begin = mine[2].end();
    made.owned.push_back(mine);
    made.read.push_back(any_block(whole, random, next));
  }
  return made;
}

}  // namespace halo_cases
