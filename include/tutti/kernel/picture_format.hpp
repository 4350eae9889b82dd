#pragma once
#include <cstddef>
#include <cstdint>

#include <tutti/base/error.hpp>
#include <tutti/kernel/channels_last.hpp>
#include <tutti/kernel/geometry.hpp>
#include <tutti/kernel/shape.hpp>

namespace tutti::channels_last {

/// Sizes, and whether elements are row-major or have their channels last.
class picture_format {
 public:
  picture_format() = default;
  explicit picture_format(const channels_last::sizes& s, bool rows = false) : sizes_(s), rows_(rows && s.places() > 1 && s.channels > 1) {}

  /// Of a shape (batch, channels, [depth,] height, width), (rows, columns) or (elements).
  static picture_format row_major(const shape& s) { return of(s, true); }
  /// As kernels want it: with channels last.
  static picture_format native(const shape& s) { return of(s, false); }
  picture_format row_major() const { return picture_format(sizes_, true); }

  const channels_last::sizes& sizes() const { return sizes_; }
  bool rows() const { return rows_; }
  std::size_t stored() const { return sizes_.stored(); }
  /// A number for the order of its elements in memory, the same on all ranks that have the same.
  std::uint64_t fingerprint() const {
    std::uint64_t hash = 14695981039346656037u;
    for (std::size_t size : {sizes_.batch, sizes_.channels, sizes_.places(), std::size_t{rows_}}) hash = (hash ^ size) * 1099511628211u;
    return hash;
  }
  friend bool operator==(const picture_format&, const picture_format&) = default;

 private:
  static picture_format of(const shape& s, bool rows) {
    auto at = [&](std::size_t d) { return d < s.rank() ? s[d].size : 1; };
    if (s.rank() > 5) throw error(errc::not_supported, format("%s: on devices tensors have at most five dimensions", s.text().c_str()));
    if (s.rank() == 1) return picture_format({.batch = 1, .channels = s[0].size});
    const std::size_t deep = s.rank() == 5;
    return picture_format({.batch = at(0), .channels = at(1), .height = at(2 + deep), .width = at(3 + deep), .depth = deep ? at(2) : 1}, rows);
  }

  channels_last::sizes sizes_{};
  bool rows_ = false;
};

/// What layers read and make, and their weights: with channels last, so that a product
/// over features takes pictures as they lie.
inline sizes pictures_of(const convolution_geometry& g) { return {g.batch, g.channels, g.height, g.width, g.depth}; }
inline sizes weights_of(const convolution_geometry& g) { return {g.filters, g.group_channels(), g.down.size, g.across.size, g.through.size}; }
inline sizes results_of(const convolution_geometry& g) { return {g.batch, g.filters, g.out_height(), g.out_width(), g.out_depth()}; }
inline sizes pictures_of(const dense_geometry& g) { return {g.batch, g.channels, g.height, g.width, g.depth}; }
inline sizes weights_of(const dense_geometry& g) { return {g.units, g.channels, g.height, g.width, g.depth}; }
inline sizes results_of(const dense_geometry& g) { return {g.batch, g.units}; }
inline sizes pictures_of(const pool_geometry& g) { return {g.batch, g.channels, g.height, g.width, g.depth}; }
inline sizes results_of(const pool_geometry& g) { return {g.batch, g.channels, g.out_height(), g.out_width(), g.out_depth()}; }

}  // namespace tutti::channels_last
