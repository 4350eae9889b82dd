#pragma once
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

#include <tutti/base/error.hpp>
#include <tutti/base/sentence.hpp>

namespace tutti {

/// A short name held by value, so that what carries it can be a constant.
class name {
 public:
  static constexpr std::size_t capacity = 31;

  constexpr name() = default;
  constexpr name(const char* text) : name(std::string_view(text)) {}  // NOLINT: a literal is a name
  constexpr explicit name(std::string_view text) {
    if (text.size() > capacity)
      throw error(errc::invalid_argument, format("the name '%.*s' is longer than %zu characters",
                                                 static_cast<int>(text.size()), text.data(), capacity));
    for (char letter : text) text_[size_++] = letter;
  }

  constexpr std::string_view view() const { return {text_, size_}; }
  constexpr operator sentence() const { return view(); }  // NOLINT: a name is a word
  std::string text() const { return std::string(view()); }
  friend constexpr bool operator==(const name& a, const name& b) { return a.view() == b.view(); }

  /// As in `name("conv") + 3 + ".bias"`.
  friend constexpr name operator+(const name& a, std::string_view b) {
    char text[2 * capacity + 1] = {};
    std::size_t size = 0;
    for (char letter : a.view()) text[size++] = letter;
    for (char letter : b)
      if (size < 2 * capacity) text[size++] = letter;
    return name(std::string_view(text, size));
  }
  friend constexpr name operator+(const name& a, std::size_t number) {
    return (number < 10 ? a : a + number / 10) + std::string_view("0123456789").substr(number % 10, 1);
  }

 private:
  char text_[capacity + 1] = {};
  std::size_t size_ = 0;
};

/// One direction of a tensor.
struct dimension {
  name what;
  std::size_t size = 0;
  friend constexpr bool operator==(const dimension&, const dimension&) = default;
};

/// The dimensions of a tensor, outermost first.
class shape {
 public:
  static constexpr std::size_t capacity = 6;

  constexpr shape() = default;
  constexpr shape(std::initializer_list<dimension> dimensions) {
    for (const dimension& next : dimensions) append(next);
  }

  /// Adds an innermost dimension.
  constexpr void append(const dimension& next) {
    if (rank_ == capacity) throw error(errc::invalid_argument, format("a shape of more than %zu dimensions", capacity));
    dimensions_[rank_++] = next;
  }

  constexpr std::size_t rank() const { return rank_; }
  constexpr const dimension* begin() const { return dimensions_; }
  constexpr const dimension* end() const { return dimensions_ + rank_; }
  constexpr const dimension& operator[](std::size_t i) const { return dimensions_[i]; }

  constexpr bool has(const name& what) const {
    for (const dimension& d : *this)
      if (d.what == what) return true;
    return false;
  }

  /// The size of the dimension called `what`; throws `invalid_argument` where there is none.
  constexpr std::size_t of(const name& what) const {
    for (const dimension& d : *this)
      if (d.what == what) return d.size;
    throw error(errc::invalid_argument, format("%s has no dimension '%s'", text().c_str(), what.text().c_str()));
  }

  /// The number of elements; 1 for a shape without dimensions.
  constexpr std::size_t elements() const {
    std::size_t product = 1;
    for (const dimension& d : *this) product *= d.size;
    return product;
  }

  /// As in `(batch 32, channels 16)`.
  std::string text() const { return sentence(*this).text(); }
  constexpr operator sentence() const {  // NOLINT: what it is in words
    sentence all("(");
    for (const dimension& d : *this) {
      if (&d != begin()) all.put(", ");
      all.put({"{} {}", {d.what, d.size}});
    }
    all.put(")");
    return all;
  }

  friend constexpr bool operator==(const shape& a, const shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (std::size_t i = 0; i < a.rank_; ++i)
      if (!(a[i] == b[i])) return false;
    return true;
  }

 private:
  dimension dimensions_[capacity] = {};
  std::size_t rank_ = 0;
};

}  // namespace tutti
