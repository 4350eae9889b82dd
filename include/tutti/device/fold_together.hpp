#pragma once
#include <cstddef>
#include <cstdint>

#include <tutti/device/host_device.hpp>
#include <tutti/device/pull_body.hpp>

namespace tutti {

/// An all-reduce of ranks all of whose memory one kernel reaches: each element is read
/// once from every rank, folded in the order of ranks, and written once to every output,
/// of which there may be one. Inputs may be outputs: an element is one thread's. Moves 16
/// bytes at a time where all begin at multiples of that.
template <class T, class Op>
struct fold_together {
  const T* in[most_arenas] = {};
  T* out[most_arenas] = {};
  int ranks = 0, outputs = 0;
  std::size_t elements = 0;
  Op op{};

  static constexpr std::size_t packed = sizeof(T) <= 16 && 16 % sizeof(T) == 0 ? 16 / sizeof(T) : 1;

  TUTTI_HOST_DEVICE void operator()(worker w) const {
    const bool aligned = packed > 1 && all_aligned();
    for (std::size_t group = w.index; group * packed < elements; group += w.number) {
      const std::size_t first = group * packed;
      if (aligned && first + packed <= elements) fold<packed>(first);
      else
        for (std::size_t i = first; i < first + packed && i < elements; ++i) fold<1>(i);
    }
  }

 private:
  template <std::size_t N>
  struct alignas(N > 1 ? 16 : alignof(T)) pack {
    T of[N];
  };

  TUTTI_HOST_DEVICE bool all_aligned() const {
    std::uintptr_t bits = 0;
    for (int r = 0; r < ranks; ++r) bits |= reinterpret_cast<std::uintptr_t>(in[r]);
    for (int r = 0; r < outputs; ++r) bits |= reinterpret_cast<std::uintptr_t>(out[r]);
    return bits % 16 == 0;
  }
  template <std::size_t N>
  TUTTI_HOST_DEVICE void fold(std::size_t first) const {
    using sum = wide<T, Op>;
    auto result = *reinterpret_cast<const pack<N>*>(in[0] + first);
    if (ranks > 1) {
      sum sums[N];
      for (std::size_t j = 0; j < N; ++j) sums[j] = static_cast<sum>(result.of[j]);
      for (int r = 1; r < ranks; ++r) {
        const auto next = *reinterpret_cast<const pack<N>*>(in[r] + first);
        for (std::size_t j = 0; j < N; ++j) sums[j] = op(sums[j], static_cast<sum>(next.of[j]));
      }
      for (std::size_t j = 0; j < N; ++j) result.of[j] = static_cast<T>(sums[j]);
    }
    for (int r = 0; r < outputs; ++r) *reinterpret_cast<pack<N>*>(out[r] + first) = result;
  }
};

}  // namespace tutti
