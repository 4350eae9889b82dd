#pragma once
#include <cstddef>
#include <string>

#include <tutti/base/space.hpp>
#include <tutti/base/span.hpp>
#include <tutti/device/runtime.hpp>
#include <tutti/device/stream.hpp>

namespace tutti::detail {

inline cudaPointerAttributes attributes_of(const void* data) {
  cudaPointerAttributes of{};
  if (::cudaPointerGetAttributes(&of, data) != cudaSuccess) {
    ::cudaGetLastError();
    of.type = cudaMemoryTypeUnregistered;
  }
  return of;
}

inline bool is_of_device(const cudaPointerAttributes& of) {
  return of.type == cudaMemoryTypeDevice || of.type == cudaMemoryTypeManaged;
}

/// Throws `invalid_argument` unless all of `bytes` bytes are memory that device
/// `device` may be given as its own.
inline void need_device_memory(const char* who, const void* data, std::size_t bytes, int device) {
  if (bytes == 0) return;
  if (!data) throw error(errc::invalid_argument, format("%s: a null pointer with %zu bytes", who, bytes));
  const cudaPointerAttributes first = attributes_of(data);
  if (!is_of_device(first))
    throw error(errc::invalid_argument,
                format("%s: %p is said to be memory of a CUDA device, but it is %s", who, data,
                       first.type == cudaMemoryTypeHost ? "pinned memory of the host" : "memory of the host, or was given back"));
  if (first.type == cudaMemoryTypeDevice && first.device != device)
    throw error(errc::invalid_argument, format("%s: %p is memory of device %d, and the call is for device %d", who, data, first.device, device));
  const void* end = static_cast<const std::byte*>(data) + bytes - 1;
  const cudaPointerAttributes last = attributes_of(end);
  if (!is_of_device(last) || (last.type == cudaMemoryTypeDevice && last.device != device))
    throw error(errc::invalid_argument, format("%s: of %zu bytes from %p on, the last is no memory of CUDA device %d", who, bytes, data, device));
}

/// The reverse: what the processor is to load and store.
inline void need_host_memory(const char* who, const void* data, std::size_t bytes) {
  if (bytes == 0) return;
  if (!data) throw error(errc::invalid_argument, format("%s: a null pointer with %zu bytes", who, bytes));
  const cudaPointerAttributes of = attributes_of(data);
  if (of.type == cudaMemoryTypeDevice)
    throw error(errc::invalid_argument,
                format("%s: %p is said to be memory of the host, but it is memory of CUDA device %d", who, data, of.device));
}

/// Throws unless the stream is of the device. A default stream is the current
/// device's, whichever that is.
inline void need_stream(const char* who, const ordered_on& order, int device) {
  int current = device;
  const bool nobodys = order.native == cudaStream_t{} || order.native == cudaStreamLegacy || order.native == cudaStreamPerThread;
  if (nobodys) check_device(::cudaGetDevice(&current), "asking for the current device");
  if (current != device)
    throw error(errc::invalid_argument,
                format("%s: a default stream is the current device's, which is %d, and the call is for device %d", who, current, device));
  if (order.device != device)
    throw error(errc::invalid_argument, format("%s: the stream is of device %d, and the call is for device %d", who, order.device, device));
}

template <class T, memory_space Space>
void need_space(const char* who, span<T, Space> s, int device) {
  if constexpr (on_host<Space>) need_host_memory(who, s.data(), s.size() * sizeof(T));
  else need_device_memory(who, s.data(), s.size() * sizeof(T), device);
}

}  // namespace tutti::detail
