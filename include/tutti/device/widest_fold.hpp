#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <tutti/base/config.hpp>
#include <tutti/base/operations.hpp>
#include <tutti/device/copy.hpp>

// Folds in vectors of 64 bytes, which are chosen at run time. Compilers make such of a
// loop only where they are told for which processor, and then fuse multiplications and
// additions, so that results would depend on where a program runs: here are the
// operations that have nothing to fuse, written in vectors.

namespace tutti::detail {

template <class Op>
inline constexpr bool chooses_one = std::is_same_v<Op, minimum> || std::is_same_v<Op, maximum>;
template <class Op>
inline constexpr bool works_on_bits = std::is_same_v<Op, bit_and> || std::is_same_v<Op, bit_or> || std::is_same_v<Op, bit_xor>;
template <class T>
inline constexpr bool is_in_vectors = std::is_arithmetic_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, long double>;

/// Whether an operation is one of these.
template <class T, class Op>
inline constexpr bool folds_in_widest = is_in_vectors<T> && (std::is_same_v<Op, plus> || std::is_same_v<Op, multiplies> || chooses_one<Op> ||
                                                             (works_on_bits<Op> && std::is_integral_v<T>));

#if TUTTI_ON_X86_64
template <class T, bool Signed>
struct lane {
  using type = T;
};
template <class T>
struct lane<T, false> {
  using type = std::make_unsigned_t<T>;
};

/// `targets[t][i]` = `sources[0][i]` ∘ `sources[1][i]` ∘ …, in the bytes from `begin` on up to
/// `end`, which are whole vectors; of the sources after the first so many go on the left of
/// what there is. `streamed`: so many targets, the first, get theirs past the caches, and
/// begin at a line there. `Sources`, `Targets`: how many, where that is known; else 0.
template <class T, class Op, std::size_t Sources, std::size_t Targets>
TUTTI_TARGET_AVX512 inline void fold_widest(const void* const* sources, std::size_t source_count, std::size_t lefts, void* const* targets,
                                            std::size_t target_count, std::size_t streamed, std::size_t begin, std::size_t end) {
  // Sums and products of integers are the same bits with a sign or without, and may overflow without.
  using element = typename lane<T, std::is_floating_point_v<T> || chooses_one<Op>>::type;
  typedef element vector __attribute__((vector_size(64)));
  const std::size_t several = Sources > 0 ? Sources : source_count, outputs = Targets > 0 ? Targets : target_count;
  [[maybe_unused]] const std::byte* from[Sources > 0 ? Sources : 1];
  [[maybe_unused]] std::byte* to[Targets > 0 ? Targets : 1];
  if constexpr (Sources > 0)
    for (std::size_t k = 0; k < Sources; ++k) from[k] = static_cast<const std::byte*>(sources[k]);
  if constexpr (Targets > 0)
    for (std::size_t t = 0; t < Targets; ++t) to[t] = static_cast<std::byte*>(targets[t]);
  for (std::size_t i = begin; i < end; i += sizeof(vector)) {
    vector so_far, next;
    std::memcpy(&so_far, (Sources > 0 ? from[0] : static_cast<const std::byte*>(sources[0])) + i, sizeof so_far);
    TUTTI_UNROLL(8)
    for (std::size_t k = 1; k < several; ++k) {
      std::memcpy(&next, (Sources > 0 ? from[Sources > 0 ? k : 0] : static_cast<const std::byte*>(sources[k])) + i, sizeof next);
      if constexpr (std::is_same_v<Op, plus>) so_far += next;
      else if constexpr (std::is_same_v<Op, multiplies>) so_far *= next;
      else if constexpr (std::is_same_v<Op, bit_and>) so_far &= next;
      else if constexpr (std::is_same_v<Op, bit_or>) so_far |= next;
      else if constexpr (std::is_same_v<Op, bit_xor>) so_far ^= next;
      else {
        // Of a NaN, and of two zeros, the side decides.
        const vector a = k <= lefts ? next : so_far, b = k <= lefts ? so_far : next;
        if constexpr (std::is_same_v<Op, minimum>) so_far = b < a ? b : a;
        else so_far = a < b ? b : a;
      }
    }
    if (streamed == 0) {
      TUTTI_UNROLL(8)
      for (std::size_t t = 0; t < outputs; ++t) std::memcpy((Targets > 0 ? to[Targets > 0 ? t : 0] : static_cast<std::byte*>(targets[t])) + i, &so_far, sizeof so_far);
      continue;
    }
    for (std::size_t t = 0; t < outputs; ++t) {
      std::byte* const place = static_cast<std::byte*>(targets[t]) + i;
      if (t < streamed) _mm512_stream_si512(reinterpret_cast<__m512i*>(place), reinterpret_cast<const __m512i&>(so_far));
      else std::memcpy(place, &so_far, sizeof so_far);
    }
  }
}

/// The same, of as many as there are.
template <class T, class Op>
inline void fold_widest(const void* const* sources, std::size_t source_count, std::size_t lefts, void* const* targets, std::size_t target_count,
                        std::size_t streamed, std::size_t begin, std::size_t end) {
  const auto all = [&]<std::size_t Sources, std::size_t Targets>(std::integral_constant<std::size_t, Sources>, std::integral_constant<std::size_t, Targets>) {
    fold_widest<T, Op, Sources, Targets>(sources, source_count, lefts, targets, target_count, streamed, begin, end);
  };
  const auto of = [&]<std::size_t Sources>(std::integral_constant<std::size_t, Sources> n) {
    if (target_count == 1) all(n, std::integral_constant<std::size_t, 1>());
    else if (target_count == 2) all(n, std::integral_constant<std::size_t, 2>());
    else if (target_count == Sources) all(n, n);
    else all(n, std::integral_constant<std::size_t, 0>());
  };
  if (source_count == 2) of(std::integral_constant<std::size_t, 2>());
  else if (source_count == 4) of(std::integral_constant<std::size_t, 4>());
  else if (source_count == 8) of(std::integral_constant<std::size_t, 8>());
  else all(std::integral_constant<std::size_t, 0>(), std::integral_constant<std::size_t, 0>());
}
#endif

/// Whether the processor has such vectors, and does not slow down for them.
template <class T, class Op>
inline bool can_fold_in_widest() {
  if constexpr (TUTTI_ON_X86_64 && folds_in_widest<T, Op>) return best_vectors() == vectors::widest;
  else return false;
}

}  // namespace tutti::detail
