#pragma once
#include <cstddef>

#include <tutti/device/buffer.hpp>
#include <tutti/kernel/picture_format.hpp>

namespace tutti::channels_last {

/// Data in a format: in memory of its own, or in somebody else's.
template <class T, memory_space Space>
class tensor {
 public:
  using space = Space;

  tensor() = default;
  template <class Context>
  tensor(Context&, const picture_format& f) : format_(f), own_(f.stored()), data_(own_.data()) {}
  template <class Context>
  tensor(Context&, const picture_format& f, T* data) : format_(f), data_(data) {}
  tensor(tensor&&) = default;
  tensor& operator=(tensor&&) = default;

  const picture_format& format() const { return format_; }
  span<T, Space> stored() { return {data_, format_.stored()}; }
  span<const T, Space> stored() const { return {data_, format_.stored()}; }

 private:
  picture_format format_{};
  buffer<T, Space> own_{};
  T* data_ = nullptr;
};

/// The sizes by which elements are taken from rows: of what is row-major the order is the same.
inline sizes row_order(const picture_format& f) { return f.rows() ? sizes{.batch = 1, .channels = f.stored()} : f.sizes(); }

/// From one format to another, of as many elements; pictures and the features that they
/// are, as row-major ones.
template <class T, memory_space Space>
void copy(const tensor<T, Space>& from, tensor<T, Space>& into, const order_of<Space>& order) {
  const bool from_pictures = from.format().sizes().places() > 1;
  const sizes s = from_pictures ? from.format().sizes() : into.format().sizes();
  auto rows = [&](const picture_format& f) { return f.rows() || !(f.sizes() == s); };
  const bool from_rows_of = rows(from.format()), into_rows_of = rows(into.format());
  const tensor<T, Space>& seen = from;
  if (from_rows_of == into_rows_of) return round_to<T, T, Space>(seen.stored(), into.stored(), order);
  if (from_rows_of) return from_rows<T, T, Space>(s, seen.stored(), into.stored(), order);
  to_rows<T, T, Space>(s, seen.stored(), into.stored(), order);
}

}  // namespace tutti::channels_last
