#pragma once
#include <array>
#include <cstddef>
#include <cstring>
#include <vector>

#include <tutti/mesh/placement.hpp>

namespace tutti {

/// A part of a tensor: consecutive places along each dimension, in the numbers
/// of the whole. As memory it is row-major.
class block {
 public:
  constexpr block() = default;
  /// All of a tensor.
  constexpr explicit block(const shape& whole) : rank_(whole.rank()) {
    for (std::size_t d = 0; d < rank_; ++d) along_[d] = {.first = 0, .count = whole[d].size};
  }

  constexpr std::size_t rank() const { return rank_; }
  constexpr const share& operator[](std::size_t dimension) const { return along_[dimension]; }
  constexpr share& operator[](std::size_t dimension) { return along_[dimension]; }
  constexpr std::size_t elements() const {
    std::size_t product = 1;
    for (std::size_t d = 0; d < rank_ && d < shape::capacity; ++d) product *= along_[d].count;  // the bound for g++ 12, which sees a seventh
    return product;
  }
  /// Where, in the memory of this block, the first place of `part` lies.
  constexpr std::size_t offset_of(const block& part) const {
    std::size_t at = 0;
    for (std::size_t d = 0; d < rank_; ++d) at = at * along_[d].count + (part[d].first - along_[d].first);
    return at;
  }
  friend constexpr bool operator==(const block&, const block&) = default;

 private:
  std::array<share, shape::capacity> along_{};
  std::size_t rank_ = 0;
};

/// A block's sizes, without names.
constexpr shape sizes_of(const block& b) {
  shape sizes;
  for (std::size_t d = 0; d < b.rank(); ++d) sizes.append({"", b[d].count});
  return sizes;
}

/// What both hold.
constexpr block common(const block& a, const block& b) {
  block c = a;
  for (std::size_t d = 0; d < a.rank(); ++d) {
    const std::size_t first = a[d].first > b[d].first ? a[d].first : b[d].first;
    const std::size_t end = a[d].end() < b[d].end() ? a[d].end() : b[d].end();
    c[d] = {.first = first, .count = first < end ? end - first : 0};
  }
  return c;
}

/// What a rank holds of a tensor.
constexpr block block_of(const shape& whole, const placement& p, const mesh& m, rank r) {
  block b(whole);
  for (std::size_t d = 0; d < b.rank(); ++d) b[d] = local_share(p, m, r, d, whole[d].size);
  return b;
}

/// Whether parts fill a block's memory one after the other, so that they need not be packed.
constexpr bool lie_in_order(const std::vector<block>& parts, const block& of) {
  std::size_t next = 0;
  for (const block& part : parts) {
    if (part.elements() == 0) continue;
    std::size_t d = 0;
    while (d < part.rank() && part[d].count == 1) ++d;
    for (++d; d < part.rank(); ++d)
      if (part[d].count != of[d].count) return false;
    if (of.offset_of(part) != next) return false;
    next += part.elements();
  }
  return next == of.elements();
}

/// Calls `run(a, b, n)` for every run of n places of `part` that are neighbours
/// in memory: where it begins in the memory of `in_a`, and in that of `in_b`.
/// Precondition: both hold `part`.
template <class Run>
constexpr void for_each_run(const block& part, const block& in_a, const block& in_b, Run run) {
  const std::size_t all = part.elements();
  if (all == 0) return;
  // Dimensions that both hold no more of than the part are one with those before them.
  std::size_t d = part.rank();
  std::size_t length = 1;
  while (d > 0) {
    --d;
    length *= part[d].count;
    if (in_a[d].count != part[d].count || in_b[d].count != part[d].count) break;
  }
  std::size_t at[shape::capacity] = {};  // along the dimensions before d, from the part's first place
  for (std::size_t done = 0; done < all; done += length) {
    std::size_t a = 0, b = 0;
    for (std::size_t k = 0; k < part.rank(); ++k) {
      const std::size_t place = part[k].first + (k < d ? at[k] : 0);
      a = a * in_a[k].count + (place - in_a[k].first);
      b = b * in_b[k].count + (place - in_b[k].first);
    }
    run(a, b, length);
    for (std::size_t k = d; k-- > 0;) {
      if (++at[k] < part[k].count) break;
      at[k] = 0;
    }
  }
}

/// Copies `part` from the memory of one block to that of another. Both hold it.
template <class T>
void copy_block(const block& part, const block& from_block, const T* from, const block& into_block, T* into) {
  for_each_run(part, from_block, into_block,
               [&](std::size_t a, std::size_t b, std::size_t n) { std::memcpy(into + b, from + a, n * sizeof(T)); });
}

/// Copies parts of a block, one after the other, into `packed`; returns its end.
template <class T>
T* pack_blocks(const std::vector<block>& parts, const block& of, const T* values, T* packed) {
  for (const block& part : parts) {
    copy_block(part, of, values, part, packed);
    packed += part.elements();
  }
  return packed;
}

/// Copies parts that lie one after the other in `packed` to their places in a block.
template <class T>
void unpack_blocks(const std::vector<block>& parts, const T* packed, const block& into, T* values) {
  for (const block& part : parts) {
    copy_block(part, part, packed, into, values);
    packed += part.elements();
  }
}

}  // namespace tutti
