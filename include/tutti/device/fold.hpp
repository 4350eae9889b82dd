#pragma once
#include <cstddef>
#include <type_traits>

#include <tutti/base/config.hpp>
#include <tutti/base/operations.hpp>
#include <tutti/device/copy.hpp>
#include <tutti/device/widest_fold.hpp>

namespace tutti {

namespace detail {

// The inner loop has a constant length, so that it becomes vectors at -O2 too.
template <class T, class Op>
[[gnu::always_inline]] inline void fold_loop(T* out, const T* left, const T* right, std::size_t n, const Op& op) {
  constexpr std::size_t block = sizeof(T) >= 64 ? 1 : 64 / sizeof(T);
  std::size_t i = 0;
  if constexpr (block > 1 && std::is_default_constructible_v<T>)
    for (; i + block <= n; i += block) {
      T result[block];
      for (std::size_t j = 0; j < block; ++j) result[j] = static_cast<T>(op(left[i + j], right[i + j]));
      for (std::size_t j = 0; j < block; ++j) out[i + j] = result[j];
    }
  for (; i < n; ++i) out[i] = static_cast<T>(op(left[i], right[i]));
}

// Wider vectors, and nothing else: with fused multiply-add an operation that
// multiplies and adds would round otherwise than in the narrow loop, and the
// result depend on how a message was cut.
template <class T, class Op>
TUTTI_TARGET_AVX2 inline void fold_wide(T* out, const T* left, const T* right, std::size_t n, const Op& op) {
  fold_loop(out, left, right, n, op);
}

}  // namespace detail

/// out[i] = left[i] ∘ right[i] for n elements of host memory. `out` may be
/// `left` or `right`, but must not overlap them otherwise.
///
/// The same operands give the same bits for every n, unless the compiler is told
/// to fuse multiply and add (`-march=native`) and the operation does both: then
/// say `-ffp-contract=off` too.
template <class T, class Op>
  requires reduction<Op, T>
void fold(T* out, const T* left, const T* right, std::size_t n, const Op& op) {
#if TUTTI_ON_X86_64
  if constexpr (detail::folds_in_widest<T, Op>)
    if (n * sizeof(T) >= 1024 && detail::can_fold_in_widest<T, Op>()) {
      const std::size_t whole = n - n % (64 / sizeof(T));
      const void* const sources[] = {left, right};
      void* const targets[] = {out};
      detail::fold_widest<T, Op, 2, 1>(sources, 2, 0, targets, 1, 0, 0, whole * sizeof(T));
      return detail::fold_loop(out + whole, left + whole, right + whole, n - whole, op);
    }
#endif
  if (n * sizeof(T) >= 256 && detail::has_wide_vectors())
    detail::fold_wide(out, left, right, n, op);
  else
    detail::fold_loop(out, left, right, n, op);
}

struct fold_operands;

/// How elements that are folded in another type than they travel in are converted.
struct widening {
  std::size_t element = 0;  ///< bytes, as it is folded
  void (*widen)(void* wide, const void* narrow, std::size_t elements) = nullptr;
  void (*narrow)(void* narrow, const void* wide, std::size_t elements) = nullptr;
};

/// Which memories of a fold hold elements as they are folded, where that is not
/// as they travel.
struct wide_memories {
  bool out = false, left = false, right = false;
};

/// A fold whose types are forgotten, as an executor carries it: of two operands, and
/// of several (`fold_all`); the operation as a pointer that the call keeps alive,
/// `wider` null where elements are folded as they travel.
struct fold_function {
  void (*apply)(void* out, const void* left, const void* right, std::size_t elements, const void* op) = nullptr;
  const void* op = nullptr;
  void (*all)(const fold_operands&, std::size_t elements, const void* op) = nullptr;
  const widening* wider = nullptr;

  void operator()(void* out, const void* left, const void* right, std::size_t elements) const {
    apply(out, left, right, elements, op);
  }

  /// `narrow`: bytes of an element as it travels.
  void operator()(std::byte* out, const std::byte* left, const std::byte* right, std::size_t elements, std::size_t narrow,
                  wide_memories wide) const {
    if (!wider) return apply(out, left, right, elements, op);
    constexpr std::size_t block_bytes = 2048;
    alignas(64) std::byte of_left[block_bytes], of_right[block_bytes], of_out[block_bytes];
    const std::size_t block = block_bytes / wider->element;
    auto widened = [&](std::byte* into, const std::byte* from, bool is_wide, std::size_t first, std::size_t n) -> const std::byte* {
      if (is_wide) return from + first * wider->element;
      wider->widen(into, from + first * narrow, n);
      return into;
    };
    for (std::size_t first = 0; first < elements; first += block) {
      const std::size_t n = elements - first < block ? elements - first : block;
      std::byte* const to = wide.out ? out + first * wider->element : of_out;
      apply(to, widened(of_left, left, wide.left, first, n), widened(of_right, right, wide.right, first, n), n, op);
      if (!wide.out) wider->narrow(out + first * narrow, to, n);
    }
  }
};

template <class T, class Op>
[[gnu::noinline]] void apply_fold_of_many(T* out, const T* left, const T* right, std::size_t n, const Op& op) { fold(out, left, right, n, op); }

template <class T, class Op>
void apply_fold(void* out, const void* left, const void* right, std::size_t n, const void* op) {
  T* const to = static_cast<T*>(out);
  const T *const l = static_cast<const T*>(left), *const r = static_cast<const T*>(right);
  const Op& with = *static_cast<const Op*>(op);
  // What leads to vectors takes longer than few elements do.
  if (n > 2) return apply_fold_of_many(to, l, r, n, with);
  if (n > 0) to[0] = static_cast<T>(with(l[0], r[0]));
  if (n > 1) to[1] = static_cast<T>(with(l[1], r[1]));
}

}  // namespace tutti
