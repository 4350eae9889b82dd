#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <type_traits>
#include <utility>

#include <tutti/base/config.hpp>
#include <tutti/device/copy.hpp>
#include <tutti/device/fold.hpp>
#include <tutti/device/widest_fold.hpp>

namespace tutti {

/// What an n-ary fold reads and writes: at least two sources, one after the other,
/// and the targets that all get the result. Any two overlap only where they are
/// the same.
struct fold_operands {
  const void* const* sources = nullptr;
  std::size_t source_count = 0, lefts = 0;  ///< of those after the first so many go on the left of what there is, the others on its right
  void* const* targets = nullptr;
  std::size_t target_count = 0;
  std::size_t streamed = 0;  ///< so many targets, the first, get the result past the caches; `end_streaming` has it seen
};

namespace detail {

inline constexpr std::size_t line_bytes = 64;

/// Elements that fill a line, or 1 where none do.
template <class T>
inline constexpr std::size_t elements_a_line =
    line_bytes % sizeof(T) == 0 && std::is_default_constructible_v<T> ? line_bytes / sizeof(T) : 1;

// What the first k sources make, and one more. (Even of a commutative operation the
// sides matter: to a NaN, say, in a maximum.)
template <class T, class Op>
[[gnu::always_inline]] inline T fold_next(const T& so_far, const T& next, bool on_left, const Op& op) {
  return static_cast<T>(on_left ? op(next, so_far) : op(so_far, next));
}

// Operations that give the same bits either way, but for which NaN they pass on.
template <class Op>
inline constexpr bool has_no_sides = std::is_same_v<Op, plus>;

// The sum of one line, one source after the other in loops that are not unrolled
// before they have become vectors, whatever the operation.
template <class T, class Op>
[[gnu::always_inline]] inline void fold_into(T* sum, const T* so_far, const T* next, bool on_left, const Op& op) {
  TUTTI_UNROLL(1)
  for (std::size_t j = 0; j < elements_a_line<T>; ++j) sum[j] = fold_next(so_far[j], next[j], on_left, op);
}
template <class T, class Op, std::size_t First, std::size_t... Later>
[[gnu::always_inline]] inline void fold_line(T* sum, const T* const* from, std::size_t at, const Op& op, std::index_sequence<First, Later...>) {
  fold_into(sum, from[0] + at, from[1] + at, false, op);
  (fold_into(sum, sum, from[Later + 1] + at, false, op), ...);
}
struct some_sources {
  std::size_t count, lefts;
};
template <class T, class Op>
[[gnu::always_inline]] inline void fold_line(T* sum, const T* const* from, std::size_t at, const Op& op, some_sources all) {
  fold_into(sum, from[0] + at, from[1] + at, all.lefts > 0, op);
  for (std::size_t k = 2; k < all.count; ++k) fold_into(sum, sum, from[k] + at, k <= all.lefts, op);
}

// A line in as many vectors as it takes: copied as such it need not go through
// memory, as bytes it would.
typedef unsigned char narrow_vector __attribute__((vector_size(16)));
typedef unsigned char wide_vector __attribute__((vector_size(32)));
template <bool Wide>
struct line_in_vectors {
  using vector = std::conditional_t<Wide, wide_vector, narrow_vector>;
  vector parts[line_bytes / sizeof(vector)];

  [[gnu::always_inline]] explicit line_in_vectors(const void* line) {
    for (std::size_t i = 0; i < std::size(parts); ++i) std::memcpy(&parts[i], static_cast<const std::byte*>(line) + i * sizeof(vector), sizeof(vector));
  }
  [[gnu::always_inline]] void store(void* to) const {
    for (std::size_t i = 0; i < std::size(parts); ++i) std::memcpy(static_cast<std::byte*>(to) + i * sizeof(vector), &parts[i], sizeof(vector));
  }
};

// `Sources`, `Targets`: how many, where that is a constant, and both stay in
// registers; else `some_sources` and none.
template <bool Wide, class T, class Op, class Sources, std::size_t... Targets>
[[gnu::always_inline]] inline void fold_lines(const fold_operands& o, const T* const* from, std::size_t begin, std::size_t end, const Op& op,
                                              Sources sources, std::index_sequence<Targets...>) {
  T* const to[] = {static_cast<T*>(o.targets[Targets])..., nullptr};
  for (std::size_t i = begin; i < end; i += elements_a_line<T>) {
    alignas(line_bytes) T sum[elements_a_line<T>];
    fold_line(sum, from, i, op, sources);
    if (o.streamed > 0) {
      for (std::size_t t = 0; t < o.streamed; ++t)
        stream_line<Wide>(reinterpret_cast<std::byte*>(static_cast<T*>(o.targets[t]) + i), reinterpret_cast<const std::byte*>(sum));
      for (std::size_t t = o.streamed; t < o.target_count; ++t) std::memcpy(static_cast<T*>(o.targets[t]) + i, sum, line_bytes);
      continue;
    }
    const line_in_vectors<Wide> line(sum);
    if constexpr (sizeof...(Targets) > 0) (line.store(to[Targets] + i), ...);
    else
      for (std::size_t t = 0; t < o.target_count; ++t) line.store(static_cast<T*>(o.targets[t]) + i);
  }
}

template <class T, class Op>
TUTTI_TARGET_AVX2 inline void fold_lines_wide(const fold_operands& o, std::size_t begin, std::size_t end, const Op& op, some_sources sources) {
  fold_lines<true>(o, reinterpret_cast<const T* const*>(o.sources), begin, end, op, sources, std::index_sequence<>());
}
template <class T, class Op, std::size_t... Later>
TUTTI_TARGET_AVX2 inline void fold_lines_wide(const fold_operands& o, std::size_t begin, std::size_t end, const Op& op, std::index_sequence<Later...> later) {
  const T* const from[] = {static_cast<const T*>(o.sources[0]), static_cast<const T*>(o.sources[Later + 1])...};
  if (o.target_count == 1) fold_lines<true>(o, from, begin, end, op, later, std::index_sequence<0>());
  else if (o.target_count == 2) fold_lines<true>(o, from, begin, end, op, later, std::index_sequence<0, 1>());
  else if (o.target_count == std::size(from)) fold_lines<true>(o, from, begin, end, op, later, std::make_index_sequence<sizeof...(Later) + 1>());
  else fold_lines<true>(o, from, begin, end, op, later, std::index_sequence<>());
}

}  // namespace detail

/// Every target[i] = source[0][i] ∘ source[1][i] ∘ …, one source after the other,
/// for n elements of host memory, each of which is read and written once.
template <class T, class Op>
  requires reduction<Op, T>
void fold_all(fold_operands o, std::size_t n, const Op& op) {
  constexpr std::size_t line = detail::elements_a_line<T>;
  const auto* from = reinterpret_cast<const T* const*>(o.sources);
  auto one_by_one = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      T sum = detail::fold_next(from[0][i], from[1][i], o.lefts > 0, op);
      for (std::size_t k = 2; k < o.source_count; ++k) sum = detail::fold_next(sum, from[k][i], k <= o.lefts, op);
      for (std::size_t t = 0; t < o.target_count; ++t) static_cast<T*>(o.targets[t])[i] = sum;
    }
  };
  if (line == 1 || n < line) return one_by_one(0, n);
  if constexpr (line > 1) {
    auto beyond_line = [&](std::size_t t) { return reinterpret_cast<std::uintptr_t>(o.targets[t]) % detail::line_bytes; };
    for (std::size_t t = 0; t < o.streamed; ++t)
      if (beyond_line(t) != beyond_line(0) || beyond_line(t) % sizeof(T) != 0) o.streamed = 0;
    std::size_t begin = o.streamed > 0 ? (line - beyond_line(0) / sizeof(T)) % line : 0;
    if (begin > n) begin = n;
    const std::size_t end = n - (n - begin) % line;
    one_by_one(0, begin);
    const detail::some_sources all{o.source_count, o.lefts};
#if TUTTI_ON_X86_64
    if constexpr (detail::folds_in_widest<T, Op>)
      if (detail::can_fold_in_widest<T, Op>()) {
        detail::fold_widest<T, Op>(o.sources, o.source_count, o.lefts, o.targets, o.target_count, o.streamed, begin * sizeof(T), end * sizeof(T));
        return one_by_one(end, n);
      }
#endif
    if (!detail::has_wide_vectors()) detail::fold_lines<false>(o, from, begin, end, op, all, std::index_sequence<>());
    else if (o.lefts > 0 && !detail::has_no_sides<Op>) detail::fold_lines_wide<T>(o, begin, end, op, all);
    else if (o.source_count == 2) detail::fold_lines_wide<T>(o, begin, end, op, std::make_index_sequence<1>());
    else if (o.source_count == 4) detail::fold_lines_wide<T>(o, begin, end, op, std::make_index_sequence<3>());
    else if (o.source_count == 8) detail::fold_lines_wide<T>(o, begin, end, op, std::make_index_sequence<7>());
    else detail::fold_lines_wide<T>(o, begin, end, op, all);
    one_by_one(end, n);
  }
}

template <class T, class Op>
void apply_fold_all(const fold_operands& o, std::size_t n, const void* op) {
  fold_all<T>(o, n, *static_cast<const Op*>(op));
}

/// The folds of an operation, which the caller keeps alive.
template <class T, class Op>
fold_function fold_function_of(const Op& op) {
  return {.apply = apply_fold<T, Op>, .op = &op, .all = apply_fold_all<T, Op>};
}

}  // namespace tutti
