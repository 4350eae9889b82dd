#pragma once
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/base/error.hpp>
#include <tutti/kernel/shape.hpp>
#include <tutti/schedule/team.hpp>

namespace tutti {

/// One direction of a mesh.
struct mesh_axis {
  name what;
  int size = 1;
  friend constexpr bool operator==(const mesh_axis&, const mesh_axis&) = default;
};

/// Ranks arranged along named axes, numbered row by row: the last axis runs
/// fastest. A mesh without axes is one rank.
class mesh {
 public:
  static constexpr std::size_t capacity = 4;
  static constexpr int most_ranks = 1 << 24;

  constexpr mesh() = default;
  /// Throws `invalid_argument` where an axis has no ranks, or the name of another, or one
  /// that a layout could not hold, or there are more than `most_ranks` in all.
  constexpr mesh(std::initializer_list<mesh_axis> axes) {
    for (const mesh_axis& next : axes) append(next);
  }

  /// From `data=2,model=2`.
  static constexpr mesh parse(std::string_view text) {
    mesh m;
    while (!text.empty() && m.refused_.empty()) {
      const std::size_t comma = text.find(',');
      m.append_text(text.substr(0, comma));
      if (comma == text.size() - 1) m.refuse("the mesh '{}' ends in a comma: leave it out, or say one axis more", {text});
      text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    }
    return m;
  }

  /// Why this constant cannot be; empty where it can.
  constexpr const sentence& refused() const { return refused_; }

  constexpr int axes() const { return static_cast<int>(count_); }
  constexpr const mesh_axis& operator[](int axis) const { return axes_[static_cast<std::size_t>(axis)]; }
  constexpr int size() const {
    int product = 1;
    for (int a = 0; a < axes(); ++a) product *= (*this)[a].size;
    return product;
  }
  /// The axis of that name, or −1.
  constexpr int find(const name& what) const {
    for (int a = 0; a < axes(); ++a)
      if ((*this)[a].what == what) return a;
    return -1;
  }

  /// How far the rank stands along an axis.
  constexpr int coordinate(rank r, int axis) const { return r.value / stride(axis) % (*this)[axis].size; }
  /// The rank that stands elsewhere along one axis and with r along all others.
  constexpr rank beside(rank r, int axis, int at) const {
    return {r.value + (at - coordinate(r, axis)) * stride(axis)};
  }
  /// The ranks that differ from r along a set of axes only (bit a for axis a), in order.
  constexpr std::vector<rank> beside(rank r, unsigned axes) const {
    std::vector<rank> found;
    for (rank other{0}; other.value < size(); ++other.value) {
      bool among = true;
      for (int axis = 0; axis < this->axes(); ++axis)
        among &= (axes >> axis & 1u) != 0 || coordinate(other, axis) == coordinate(r, axis);
      if (among) found.push_back(other);
    }
    return found;
  }
  /// Of a set of axes, as in `data and model`.
  std::string text_of(unsigned axes) const {
    std::string all;
    for (int a = 0; a < this->axes(); ++a)
      if ((axes >> a & 1u) != 0) all += (all.empty() ? "" : " and ") + (*this)[a].what.text();
    return all;
  }

  /// As in `data=2,model=2`.
  std::string text() const { return sentence(*this).text(); }
  constexpr operator sentence() const {  // NOLINT: what it is in words
    sentence all;
    for (int a = 0; a < axes(); ++a) all.put({a > 0 ? ",{}={}" : "{}={}", {(*this)[a].what, (*this)[a].size}});
    return all;
  }

  friend constexpr bool operator==(const mesh& a, const mesh& b) {
    if (a.count_ != b.count_) return false;
    for (int i = 0; i < a.axes(); ++i)
      if (!(a[i] == b[i])) return false;
    return true;
  }

 private:
  constexpr void append(const mesh_axis& next) {
    if (count_ == capacity) return refuse("a mesh of more than {} axes: '{}' is one too many", {capacity, next.what});
    if (next.what.view().empty()) return refuse("an axis of a mesh has no name: it needs one, and ranks, as in 'data=2'");
    for (char letter : next.what.view())
      if (std::string_view(" \t,:+=/*").find(letter) != std::string_view::npos)
        return refuse("no layout can name the axis '{}': a name holds no space, and none of , : + = / *", {next.what});
    if (next.size < 1) return refuse("the axis '{}' has {} ranks: 1 or more are needed, as in '{}=2'", {next.what, next.size, next.what});
    if (find(next.what) >= 0) return refuse("a mesh has two axes '{}': each needs a name of its own, as in 'data=2,model=2'", {next.what});
    if (next.size > most_ranks / size())
      return refuse("with the axis '{}' a mesh has more than {} ranks, which is the most: fewer are needed along its axes", {next.what, most_ranks});
    axes_[count_++] = next;
  }

  constexpr void append_text(std::string_view text) {
    if (text.empty()) return refuse("a mesh has a comma with no axis before it: leave it out, or say one, as in 'data=2'");
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals + 1 == text.size())
      return refuse("the mesh '{}' does not say how many ranks the axis has, as in 'data=2'", {text});
    mesh_axis axis{.what = name(text.substr(0, equals)), .size = 0};
    for (char digit : text.substr(equals + 1)) {
      if (digit < '0' || digit > '9' || axis.size > 100'000'000) return refuse("the mesh '{}' has no number behind the '=': an axis takes from 1 to {} ranks, as in 'data=2'", {text, most_ranks});
      axis.size = axis.size * 10 + (digit - '0');
    }
    append(axis);
  }

  constexpr void refuse(std::string_view pattern, std::initializer_list<sentence> words = {}) { tutti::refuse(refused_, pattern, words); }

  constexpr int stride(int axis) const {
    int product = 1;
    for (int a = axis + 1; a < axes(); ++a) product *= (*this)[a].size;
    return product;
  }

  mesh_axis axes_[capacity] = {};
  std::size_t count_ = 0;
  sentence refused_{};
};

}  // namespace tutti
