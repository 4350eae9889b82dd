#pragma once
#include <type_traits>

#include <tutti/base/span.hpp>
#include <tutti/device/pointer.hpp>

namespace tutti {

/// Copies `from` (n) into `to` (n), which may be of different spaces, in the order
/// of a stream: neither may change before the stream has done it. Asynchronous but
/// for host memory that is not pinned, which the runtime may copy aside first.
/// Throws `invalid_argument` before anything is copied.
template <class T, memory_space To, memory_space From>
void transfer(span<T, To> to, span<const T, From> from, const ordered_on& order) {
  if (to.size() != from.size())
    throw error(errc::invalid_argument, format("transfer: %zu elements into %zu", from.size(), to.size()));
  detail::need_space("transfer, to", to, order.device);
  detail::need_space("transfer, from", from, order.device);
  if (to.empty()) return;
  constexpr cudaMemcpyKind kind = on_host<To> ? (on_host<From> ? cudaMemcpyHostToHost : cudaMemcpyDeviceToHost)
                                              : (on_host<From> ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToDevice);
  detail::check_device(::cudaMemcpyAsync(to.data(), from.data(), to.size() * sizeof(T), kind, order.native), "copying");
}

/// The same between anything with a space, or a container of the host.
template <class To, class From>
  requires requires(To& t, From& f) { t.data(); f.data(); }
void transfer(To&& to, const From& from, const ordered_on& order) {
  const auto into = span(to);
  using element = typename std::remove_cvref_t<decltype(into)>::element_type;
  const auto source = span(from);
  using space = typename std::remove_cvref_t<decltype(source)>::space;
  transfer(into, span<const element, space>(source.data(), source.size()), order);
}

}  // namespace tutti
