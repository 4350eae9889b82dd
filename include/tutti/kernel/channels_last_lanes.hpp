#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <tutti/device/host_device.hpp>

// Kernels that only move data are as fast as their accesses are wide: a thread takes
// neighbouring channels as 16 bytes, of several rows at once, so that enough is on its
// way. What each element becomes does not depend on how many are taken.

namespace tutti::channels_last {

/// Elements that fill 16 bytes, or 1 where none do.
template <class T>
inline constexpr std::size_t most_lanes = std::is_trivially_copyable_v<T> && 16 % sizeof(T) == 0 ? 16 / sizeof(T) : 1;

/// Rows that a thread reads before it goes on.
inline constexpr std::size_t rows_at_once = 4;

namespace detail {

template <class T, std::size_t N>
struct alignas(N > 1 ? 16 : alignof(T)) pack_of {
  T of[N];
};

}  // namespace detail

/// Neighbours from a multiple of 16 bytes on, where there are several.
template <std::size_t Lanes, class T>
TUTTI_HOST_DEVICE void load_lanes(T (&into)[Lanes], const T* from) {
  constexpr std::size_t at_once = Lanes > 1 && Lanes % most_lanes<T> == 0 ? most_lanes<T> : 1;
  for (std::size_t k = 0; k < Lanes; k += at_once) {
    const auto pack = *reinterpret_cast<const detail::pack_of<T, at_once>*>(from + k);
    for (std::size_t j = 0; j < at_once; ++j) into[k + j] = pack.of[j];
  }
}
template <std::size_t Lanes, class T>
TUTTI_HOST_DEVICE void store_lanes(T* into, const T (&from)[Lanes]) {
  constexpr std::size_t at_once = Lanes > 1 && Lanes % most_lanes<T> == 0 ? most_lanes<T> : 1;
  for (std::size_t k = 0; k < Lanes; k += at_once) {
    detail::pack_of<T, at_once> pack;
    for (std::size_t j = 0; j < at_once; ++j) pack.of[j] = from[k + j];
    *reinterpret_cast<detail::pack_of<T, at_once>*>(into + k) = pack;
  }
}

/// Calls `body` with a constant: how many neighbours of T threads take, of rows of
/// `channels` that begin at each of `data`.
template <class T, class Body, class... Data>
void by_lanes(std::size_t channels, Body body, const Data*... data) {
  constexpr std::size_t most = most_lanes<T>;
  if constexpr (most > 1)
    if (channels % most == 0 && ((reinterpret_cast<std::uintptr_t>(data) % 16 == 0) && ...)) return body(std::integral_constant<std::size_t, most>{});
  body(std::integral_constant<std::size_t, 1>{});
}

/// Where a thread stands in data (rows, channels): `Lanes` channels from `channel` on, of
/// the rows `row`, `row + step`, … of which it has `rows_at_once` at most.
template <std::size_t Lanes>
struct strip {
  std::size_t channel, row, step;

  TUTTI_HOST_DEVICE strip(std::size_t thread, std::size_t rows, std::size_t channels)
      : channel(thread % (channels / Lanes) * Lanes), row(thread / (channels / Lanes)), step((rows + rows_at_once - 1) / rows_at_once) {}
  static constexpr std::size_t threads(std::size_t rows, std::size_t channels) { return (rows + rows_at_once - 1) / rows_at_once * (channels / Lanes); }
};

}  // namespace tutti::channels_last
