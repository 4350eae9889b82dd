#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include <tutti/base/config.hpp>
#include <tutti/device/copy.hpp>
#include <tutti/device/fold.hpp>

namespace tutti {

/// What an n-ary fold reads and writes: at least two sources, one after the other,
/// and the targets that all get the result. Any two overlap only where they are
/// the same.
struct fold_operands {
  const void* const* sources = nullptr;
  std::size_t source_count = 0, lefts = 0;  ///< of those after the first so many go on the left of what there is, the others on its right
  void* const* targets = nullptr;
  std::size_t target_count = 0;
  bool streams = false;  ///< results go past the caches; `end_streaming` has them seen
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

// The sum of one line. Where the number of sources is a constant it stays in registers.
template <class T, class Op, std::size_t... Later>
[[gnu::always_inline]] inline void fold_line(T* sum, const T* const* from, std::size_t at, const Op& op, std::index_sequence<Later...>) {
  for (std::size_t j = 0; j < elements_a_line<T>; ++j) {
    T v = from[0][at + j];
    ((v = fold_next(v, from[Later + 1][at + j], false, op)), ...);
    sum[j] = v;
  }
}
struct some_sources {
  std::size_t count, lefts;
};
template <class T, class Op>
[[gnu::always_inline]] inline void fold_line(T* sum, const T* const* from, std::size_t at, const Op& op, some_sources all) {
  for (std::size_t j = 0; j < elements_a_line<T>; ++j) sum[j] = fold_next(from[0][at + j], from[1][at + j], all.lefts > 0, op);
  for (std::size_t k = 2; k < all.count; ++k)
    for (std::size_t j = 0; j < elements_a_line<T>; ++j) sum[j] = fold_next(sum[j], from[k][at + j], k <= all.lefts, op);
}

template <bool Wide, class T, class Op, class Sources>
[[gnu::always_inline]] inline void fold_lines(const fold_operands& o, std::size_t begin, std::size_t end, const Op& op, Sources sources) {
  const auto* from = reinterpret_cast<const T* const*>(o.sources);
  for (std::size_t i = begin; i < end; i += elements_a_line<T>) {
    alignas(line_bytes) T sum[elements_a_line<T>];
    fold_line(sum, from, i, op, sources);
    for (std::size_t t = 0; t < o.target_count; ++t) {
      auto* const to = reinterpret_cast<std::byte*>(static_cast<T*>(o.targets[t]) + i);
      const auto* const line = reinterpret_cast<const std::byte*>(sum);
      if (!o.streams) std::memcpy(to, line, line_bytes);
      else stream_line<Wide>(to, line);
    }
  }
}

template <class T, class Op, class Sources>
TUTTI_TARGET_AVX2 inline void fold_lines_wide(const fold_operands& o, std::size_t begin, std::size_t end, const Op& op, Sources sources) {
  fold_lines<true, T>(o, begin, end, op, sources);
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
    for (std::size_t t = 0; t < o.target_count; ++t) o.streams &= beyond_line(t) == beyond_line(0) && beyond_line(t) % sizeof(T) == 0;
    std::size_t begin = o.streams ? (line - beyond_line(0) / sizeof(T)) % line : 0;
    if (begin > n) begin = n;
    const std::size_t end = n - (n - begin) % line;
    one_by_one(0, begin);
    const detail::some_sources all{o.source_count, o.lefts};
    if (!detail::has_wide_vectors()) detail::fold_lines<false, T>(o, begin, end, op, all);
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
