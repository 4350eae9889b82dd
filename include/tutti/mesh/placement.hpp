#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include <tutti/base/share.hpp>
#include <tutti/kernel/shape.hpp>
#include <tutti/mesh/mesh.hpp>

namespace tutti {

/// Some axes of a mesh, in an order.
class axis_list {
 public:
  constexpr int size() const { return count_; }
  constexpr bool empty() const { return count_ == 0; }
  constexpr const std::int8_t* begin() const { return axes_; }
  constexpr const std::int8_t* end() const { return axes_ + count_; }
  constexpr int back() const { return axes_[count_ - 1]; }
  constexpr void push_back(int axis) { axes_[count_++] = static_cast<std::int8_t>(axis); }
  constexpr void pop_back() { axes_[--count_] = 0; }
  constexpr bool has(int axis) const {
    for (int a : *this)
      if (a == axis) return true;
    return false;
  }
  friend constexpr bool operator==(const axis_list&, const axis_list&) = default;

 private:
  std::int8_t axes_[mesh::capacity] = {};
  std::int8_t count_ = 0;
};

/// How a tensor lies on a mesh: along each axis it is *sharded* on a dimension,
/// *partial* (the axis's ranks hold summands of it), or *replicated*.
///
/// Where several axes shard a dimension, the first cuts it, the next cuts each
/// piece, and so on: the last of them is the innermost, and the pieces of its
/// ranks are neighbours. Pieces are uneven where sizes do not divide, and empty
/// where there are more ranks than places.
class placement {
 public:
  /// Replicated along every axis.
  constexpr placement() = default;

  constexpr const axis_list& axes_of(std::size_t dimension) const { return shards_[dimension]; }
  constexpr bool partial_on(int axis) const { return (partial_ >> axis & 1u) != 0; }
  constexpr bool any_partial() const { return partial_ != 0; }
  /// The dimension that an axis shards, or −1.
  constexpr int dimension_on(int axis) const {
    for (std::size_t d = 0; d < shape::capacity; ++d)
      if (shards_[d].has(axis)) return static_cast<int>(d);
    return -1;
  }
  constexpr bool replicated_on(int axis) const { return !partial_on(axis) && dimension_on(axis) < 0; }

  /// Sharded along one axis more, innermost. Precondition: replicated on it.
  constexpr placement sharded(std::size_t dimension, int axis) const {
    placement p = *this;
    p.shards_[dimension].push_back(axis);
    return p;
  }
  /// A dimension's innermost axis holds all of it. Precondition: it has one.
  constexpr placement gathered(std::size_t dimension) const {
    placement p = *this;
    p.shards_[dimension].pop_back();
    return p;
  }
  constexpr placement with_partial(int axis, bool is = true) const {
    placement p = *this;
    p.partial_ = static_cast<std::uint8_t>(is ? p.partial_ | 1u << axis : p.partial_ & ~(1u << axis));
    return p;
  }

  friend constexpr bool operator==(const placement&, const placement&) = default;

 private:
  axis_list shards_[shape::capacity] = {};
  std::uint8_t partial_ = 0;
};

/// What a rank holds of dimension number `dimension`, which has `size` places.
constexpr share local_share(const placement& p, const mesh& m, rank r, std::size_t dimension, std::size_t size) {
  share mine{.first = 0, .count = size};
  for (int axis : p.axes_of(dimension)) {
    const share part = share_of(mine.count, m.coordinate(r, axis), m[axis].size);
    mine = {.first = mine.first + part.first, .count = part.count};
  }
  return mine;
}

/// A rank's part of a tensor: the whole's dimensions, as long as they are there.
constexpr shape local_shape(const shape& whole, const placement& p, const mesh& m, rank r) {
  shape mine;
  for (std::size_t d = 0; d < whole.rank(); ++d)
    mine.append({whole[d].what, local_share(p, m, r, d, whole[d].size).count});
  return mine;
}

/// Whether a rank is the first, along every axis that replicates a tensor, of those that
/// hold the same part.
constexpr bool first_of_replicas(const placement& p, const mesh& m, rank r) {
  bool first = true;
  for (int axis = 0; axis < m.axes(); ++axis) first &= !p.replicated_on(axis) || m.coordinate(r, axis) == 0;
  return first;
}

/// As in `(batch:data 32, features 10), a sum over model`.
inline std::string text_of(const shape& whole, const placement& p, const mesh& m) {
  std::string all = "(";
  for (std::size_t d = 0; d < whole.rank(); ++d) {
    all += (d > 0 ? ", " : "") + whole[d].what.text();
    for (int axis : p.axes_of(d)) all += (axis == *p.axes_of(d).begin() ? ":" : "+") + m[axis].what.text();
    all += format(" %zu", whole[d].size);
  }
  all += ")";
  bool first = true;
  for (int axis = 0; axis < m.axes(); ++axis)
    if (p.partial_on(axis)) {
      all += (first ? ", a sum over " : " and ") + m[axis].what.text();
      first = false;
    }
  return all;
}

}  // namespace tutti
