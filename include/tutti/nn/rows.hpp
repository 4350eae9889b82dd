#pragma once
#include <tutti/base/span.hpp>

namespace tutti {

// A tensor's elements on the host, row-major, wherever the backend has them.

/// Out of a tensor (n), which lies in format f. Of a device it waits.
template <class Backend, class Tensor, class T>
void fetch_rows(typename Backend::context& c, [[maybe_unused]] const typename Backend::format& f, const Tensor& from, span<T> rows) {
  if (rows.empty()) return;
  if constexpr (on_host<typename Backend::space>) {
    Tensor into(c, f.row_major(), rows.data());
    Backend::copy(c, from, into);
  } else {
    Backend::fetch(c, from, rows);
  }
}

/// Into a tensor.
template <class Backend, class Tensor, class T>
void put_rows(typename Backend::context& c, [[maybe_unused]] const typename Backend::format& f, span<T> rows, Tensor& into) {
  if (rows.empty()) return;
  if constexpr (on_host<typename Backend::space>) {
    const Tensor from(c, f.row_major(), rows.data());
    Backend::copy(c, from, into);
  } else {
    Backend::bring(c, span<const T>(rows.data(), rows.size()), into);
  }
}

}  // namespace tutti
