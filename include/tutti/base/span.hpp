#pragma once
#include <cstddef>
#include <concepts>
#include <type_traits>
#include <utility>

#include <tutti/base/space.hpp>

namespace tutti {

/// Contiguous elements that somebody else owns, in the memory space named by
/// the type: a span of device memory does not convert to one of host memory.
template <class T, memory_space Space = host>
class span {
 public:
  using element_type = T;
  using value_type = std::remove_cv_t<T>;
  using space = Space;

  constexpr span() = default;
  constexpr span(T* data, std::size_t size) : data_(data), size_(size) {}

  /// From anything with `data()` and `size()` of host memory, or from a span
  /// of the same space; what is pinned is host memory as well.
  template <class Range>
    requires(!std::is_same_v<std::remove_cvref_t<Range>, span> &&
             requires(Range& r) {
               { r.data() } -> std::convertible_to<T*>;
               { r.size() } -> std::convertible_to<std::size_t>;
             })
  constexpr span(Range&& range)  // NOLINT: a view of a range, like std::span
      : data_(range.data()), size_(range.size()) {
    if constexpr (requires { typename std::remove_cvref_t<Range>::space; })
      static_assert(std::is_same_v<typename std::remove_cvref_t<Range>::space, Space> ||
                        (std::is_same_v<typename std::remove_cvref_t<Range>::space, pinned> && std::is_same_v<Space, host>),
                    "tutti::span: this buffer lives in another memory space; copy it first, or take a span of its own space");
    else
      static_assert(std::is_same_v<Space, host>,
                    "tutti::span: a standard container is host memory; name the space of device memory with tutti::span<T, tutti::cuda>(pointer, size)");
  }

  constexpr T* data() const { return data_; }
  constexpr std::size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr T* begin() const requires on_host<Space> { return data_; }
  constexpr T* end() const requires on_host<Space> { return data_ + size_; }
  constexpr T& operator[](std::size_t i) const requires on_host<Space> { return data_[i]; }
  constexpr span subspan(std::size_t offset, std::size_t count) const { return {data_ + offset, count}; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

template <class Range>
using range_element = std::remove_pointer_t<decltype(std::declval<Range&>().data())>;

template <class Range>
  requires(!requires { typename std::remove_cvref_t<Range>::space; })
span(Range&&) -> span<range_element<std::remove_reference_t<Range>>, host>;

template <class Range>
  requires requires { typename std::remove_cvref_t<Range>::space; }
span(Range&&) -> span<range_element<std::remove_reference_t<Range>>, typename std::remove_cvref_t<Range>::space>;

using bytes_view = span<const std::byte>;

/// The bytes of a trivially copyable value.
template <class T>
  requires std::is_trivially_copyable_v<T>
bytes_view bytes_of(const T& value) {
  return {reinterpret_cast<const std::byte*>(&value), sizeof(T)};
}

}  // namespace tutti
