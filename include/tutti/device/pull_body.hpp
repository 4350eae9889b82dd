#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <tutti/base/numbers.hpp>
#include <tutti/base/operations.hpp>
#include <tutti/device/host_device.hpp>
#include <tutti/device/pulls.hpp>

namespace tutti {

/// One of the threads that do a piece of work together, however many there are.
struct worker {
  std::size_t index = 0, number = 1;
};

inline constexpr int most_arenas = 32;

/// The memories of one rank's call, as that rank sees them.
struct pull_memories {
  const std::byte* input = nullptr;
  std::byte* output = nullptr;
  std::size_t input_block = 0, output_block = 0;  ///< elements from one block to the next
  std::byte* arena[most_arenas] = {};
};

namespace detail {
template <class T, class Op>
struct wide_of {
  // Of two numbers one is taken as it is: an infinity is none that fp8 would saturate to.
  static constexpr bool takes_one = std::is_same_v<Op, minimum> || std::is_same_v<Op, maximum>;
  using type = std::conditional_t<is_short_float<T> && reduction<Op, float> && !takes_one, float, T>;
};
}  // namespace detail

/// What halves, bfloat16s and fp8s are added up in, to be rounded once: float, where the
/// operation takes floats and makes new numbers.
template <class T, class Op>
using wide = typename detail::wide_of<T, Op>::type;

/// One phase of a rank, by as many threads as there are; the same code on host
/// and device. Element i of every chunk is the same thread's, so that threads
/// need not wait for each other. Moves 16 bytes at a time where all places of a
/// pull are aligned to that.
template <class T, class Op>
struct pull_body {
  const pull* begin = nullptr;
  const pull* end = nullptr;
  const pull_place* operands = nullptr;
  pull_memories memory{};
  Op op{};

  /// Without one that folds T, pulls are copies.
  static constexpr bool folds = reduction<Op, wide<T, Op>>;
  static constexpr std::size_t packed = sizeof(T) <= 16 && 16 % sizeof(T) == 0 ? 16 / sizeof(T) : 1;
  struct alignas(packed > 1 ? 16 : alignof(T)) pack {
    T of[packed];
  };

  TUTTI_HOST_DEVICE void operator()(worker w) const {
    for (const pull* p = begin; p != end; ++p) {
      const bool aligned = packed > 1 && all_aligned(*p);
      for (std::size_t group = w.index; group * packed < p->elements; group += w.number) {
        const std::size_t first = group * packed;
        if (aligned && first + packed <= p->elements) whole(*p, first);
        else
          for (std::size_t i = first; i < first + packed && i < p->elements; ++i) store(*p, i);
      }
    }
  }

 private:
  TUTTI_HOST_DEVICE std::byte* at(const pull_place& p) const {
    const auto which = static_cast<std::size_t>(p.which);
    if (p.memory == pull_memory::arena) return memory.arena[which] + p.offset * sizeof(T);
    if (p.memory == pull_memory::output) return memory.output + (which * memory.output_block + p.offset) * sizeof(T);
    return const_cast<std::byte*>(memory.input) + (which * memory.input_block + p.offset) * sizeof(T);
  }
  TUTTI_HOST_DEVICE const T* operand(const pull& p, std::uint32_t k) const {
    return reinterpret_cast<const T*>(at(operands[p.first + k]));
  }
  TUTTI_HOST_DEVICE bool all_aligned(const pull& p) const {
    std::uintptr_t bits = reinterpret_cast<std::uintptr_t>(at(p.target));
    for (std::uint32_t k = 0; k < p.count; ++k) bits |= reinterpret_cast<std::uintptr_t>(operand(p, k));
    return bits % 16 == 0;
  }

  TUTTI_HOST_DEVICE void store(const pull& p, std::size_t i) const {
    T* target = reinterpret_cast<T*>(at(p.target));
    if constexpr (folds) {
      if (p.count > 1) {
        auto sum = static_cast<wide<T, Op>>(operand(p, 0)[i]);
        for (std::uint32_t k = 1; k < p.count; ++k) sum = op(sum, static_cast<wide<T, Op>>(operand(p, k)[i]));
        target[i] = static_cast<T>(sum);
        return;
      }
    }
    target[i] = operand(p, 0)[i];
  }

  TUTTI_HOST_DEVICE static pack load(const T* from) { return *reinterpret_cast<const pack*>(from); }
  TUTTI_HOST_DEVICE void whole(const pull& p, std::size_t first) const {
    pack result = load(operand(p, 0) + first);
    if constexpr (folds) {
      if (p.count > 1) {
        wide<T, Op> sum[packed];
        for (std::size_t j = 0; j < packed; ++j) sum[j] = static_cast<wide<T, Op>>(result.of[j]);
        for (std::uint32_t k = 1; k < p.count; ++k) {
          const pack next = load(operand(p, k) + first);
          for (std::size_t j = 0; j < packed; ++j) sum[j] = op(sum[j], static_cast<wide<T, Op>>(next.of[j]));
        }
        for (std::size_t j = 0; j < packed; ++j) result.of[j] = static_cast<T>(sum[j]);
      }
    }
    *reinterpret_cast<pack*>(reinterpret_cast<T*>(at(p.target)) + first) = result;
  }
};

}  // namespace tutti
