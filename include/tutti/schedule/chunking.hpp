#pragma once
#include <cstddef>
#include <vector>

#include <tutti/schedule/step.hpp>

namespace tutti {

/// Where piece i of `number` begins, of `length` elements cut into whole grains:
/// the first pieces are one grain longer where the grains do not divide.
constexpr std::size_t piece_begin(std::size_t length, std::size_t grain, int number, int i) {
  const std::size_t grains = length / grain + (length % grain != 0);
  const auto n = static_cast<std::size_t>(number), k = static_cast<std::size_t>(i);
  const std::size_t longer = grains % n;
  const std::size_t at = (grains / n * k + (k < longer ? k : longer)) * grain;
  return at < length ? at : length;
}

/// Where the chunks of a vector of `count` elements lie.
///
/// The vector falls into `blocks` of equal length (see `blocks_of`), and each block into `parts / blocks` chunks of
/// whole grains, as many or one more; where the grains do not divide, the first
/// chunks have one more. Only the last that holds anything may end within a
/// grain. With fewer grains than chunks, the last chunks are empty.
///
/// Preconditions: parts > 0, grain > 0, count a multiple of blocks, parts a
/// multiple of blocks, count + grain below 2^64.
struct chunking {
  std::size_t count = 0;
  int parts = 1;
  std::size_t grain = 1;
  int blocks = 1;

  constexpr std::size_t begin(chunk c) const {
    const int in_block = parts / blocks;
    const std::size_t length = count / static_cast<std::size_t>(blocks);
    return static_cast<std::size_t>(c.value / in_block) * length + piece_begin(length, grain, in_block, c.value % in_block);
  }
  constexpr std::size_t end(chunk c) const {
    const int in_block = parts / blocks;
    const std::size_t length = count / static_cast<std::size_t>(blocks);
    return static_cast<std::size_t>(c.value / in_block) * length + piece_begin(length, grain, in_block, c.value % in_block + 1);
  }
  constexpr std::size_t size(chunk c) const { return end(c) - begin(c); }

  /// Of consecutive chunks of the vector.
  constexpr std::size_t begin(chunks c) const { return begin(c.first); }
  constexpr std::size_t end(chunks c) const { return end(chunk{c.first.value + c.count - 1}); }
  constexpr std::size_t size(chunks c) const { return end(c) - begin(c); }

  /// The longest chunk, which is the first.
  constexpr std::size_t longest() const { return size(chunk{0}); }
};

/// The form for what is cut by ranks: `blocks` of `block` elements each.
constexpr chunking block_chunking(std::size_t block, int blocks, int parts, std::size_t grain = 1) {
  return {.count = block * static_cast<std::size_t>(blocks), .parts = parts, .grain = grain, .blocks = blocks};
}

/// Where the chunks of a vector begin whose blocks hold so many elements each,
/// and, last, where it ends. `parts`: a multiple of the number of blocks.
constexpr std::vector<std::size_t> uneven_bounds(const std::vector<std::size_t>& blocks, int parts) {
  std::vector<std::size_t> bounds;
  const int in_block = parts / static_cast<int>(blocks.size());
  std::size_t begin = 0;
  for (std::size_t length : blocks) {
    for (int i = 0; i < in_block; ++i) bounds.push_back(begin + piece_begin(length, 1, in_block, i));
    begin += length;
  }
  bounds.push_back(begin);
  return bounds;
}

}  // namespace tutti
