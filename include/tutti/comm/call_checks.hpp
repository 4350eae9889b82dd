#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <tutti/base/names.hpp>
#include <tutti/base/operations.hpp>
#include <tutti/base/span.hpp>
#include <tutti/comm/communicator.hpp>
#include <tutti/comm/conversion.hpp>
#include <tutti/device/buffer.hpp>

// What every call looks at before it sends anything, and how it says what it is.

namespace tutti::detail {

template <class Range>
auto span_of(Range&& range) {
  return span(range);
}

template <class T>
constexpr void check_element() {
  static_assert(std::is_trivially_copyable_v<T>,
                "tutti: elements travel as bytes, so their type must be trivially copyable; send what the objects "
                "hold instead, for example their numbers in a vector");
  static_assert(alignof(T) <= memory<host>::alignment,
                "tutti: elements aligned to more than 64 bytes cannot be folded where they arrive; align the type to "
                "64 bytes or less");
}

template <class T, class Op>
constexpr void check_operation() {
  check_element<T>();
  check_travel<T, Op>();
  using sum = typename travel<T, Op>::sum;
  check_element<typename travel<T, Op>::type>();
  check_element<sum>();
  static_assert(reduction<typename travel<T, Op>::fold, sum>,
                "tutti: the operation must take two elements and return one, as in op(a, b) -> T, and be callable "
                "when const");
}

/// The name that an error gives to a call.
struct called {
  const char* name;
  called(collective what) : name(name_of(what)) {}  // NOLINT: its usual name
  called(const char* other) : name(other) {}        // NOLINT
};

inline void need(bool holds, const communicator& c, called what, const char* rule, std::size_t one, std::size_t other) {
  if (!holds)
    throw error(errc::invalid_argument, format("rank %d: %s: %s (%zu and %zu)", c.world_rank(), what.name, rule, one, other),
                c.world_rank());
}

/// Whether `whole` is a block of `part` elements for each rank; their product
/// might be more than a number holds.
inline bool holds_blocks(const communicator& c, std::size_t whole, std::size_t part) {
  std::size_t product;
  return !__builtin_mul_overflow(part, static_cast<std::size_t>(c.size()), &product) && product == whole;
}

[[noreturn]] inline void refuse_overlap(const communicator& c, called what) {
  throw error(errc::invalid_argument, format("rank %d: %s: input and output overlap, but are not in place", c.world_rank(), what.name), c.world_rank());
}

// `in_place`: where the output may begin as well, though the two overlap.
template <class In, class Out>
[[gnu::always_inline]] inline void need_apart(const communicator& c, called what, In in, Out out, const void* in_place) {
  const auto in_begin = reinterpret_cast<std::uintptr_t>(in.data()), out_begin = reinterpret_cast<std::uintptr_t>(out.data());
  const std::uintptr_t in_end = in_begin + in.size() * sizeof(*in.data()), out_end = out_begin + out.size() * sizeof(*out.data());
  if (in.empty() || out.empty() || in_end <= out_begin || out_end <= in_begin || out.data() == in_place) return;
  refuse_overlap(c, what);
}

inline void need_root(const communicator& c, called what, int root) {
  if (root < 0 || root >= c.size())
    throw error(errc::invalid_argument,
                format("rank %d: %s: root %d is not a rank from 0 to %d", c.world_rank(), what.name, root, c.size() - 1),
                c.world_rank());
}

[[noreturn]] inline void refuse_null(const communicator& c, called what, std::size_t elements) {
  throw error(errc::invalid_argument, format("rank %d: %s: a null pointer with %zu elements", c.world_rank(), what.name, elements), c.world_rank());
}

template <class T>
[[gnu::always_inline]] inline void need_memory(const communicator& c, called what, span<T> s) {
  if (s.data() == nullptr && s.size() > 0) refuse_null(c, what, s.size());
  need(s.size() <= static_cast<std::size_t>(-1) / sizeof(T), c, what, "no memory holds so many elements of so many bytes", s.size(), sizeof(T));
}

template <class T>
call_shape shape_of(collective what, std::size_t count, int root, const call_options& options) {
  return {.what = what, .count = count, .element = sizeof(T), .root = root, .type = type_name<T>,
          .algorithm = options.algorithm};
}

template <class T, class Op>
call_shape shape_of(collective what, std::size_t count, int root, const call_options& options) {
  call_shape c = shape_of<T>(what, count, root, options);
  c.commutative = is_commutative<Op>;
  c.operation = operation_name<Op>;
  return c;
}

/// Stands for a collective of such types: by where it lies. Nobody writes to it, but what
/// is constant might be put in one place with others.
template <collective What, bool Keep, class... Types>
inline char kind_of = 0;

/// Of a call that is made with `options`, or null where its shape has more in it.
template <collective What, bool Keep, class... Types>
const void* kind_with(const call_options& options) {
  return options.algorithm == algorithm::automatic ? &kind_of<What, Keep, Types...> : nullptr;
}

/// Issues a call that moves elements and combines none.
template <collective What, bool Keep, class T>
[[gnu::always_inline]] inline operation& issue_move(communicator& c, std::size_t count, int root, const call_options& options, const T* in, T* out) {
  const call_key key{kind_with<What, Keep, T>(options), count, root};
  if (operation* const again = c.issue_again(key, in, out, nullptr)) return *again;
  return c.issue(shape_of<T>(What, count, root, options), {.input = in, .output = out, .waits = !Keep, .kind = key.kind});
}

/// Issues a reduction: as the last call was, or by its shape (see comm/conversion.hpp).
template <collective What, bool Keep, class T, class Op>
[[gnu::always_inline]] inline operation& issue_reduction(communicator& c, std::size_t count, int root, const call_options& options, span<const T> in,
                                                         span<T> out, std::size_t offset, const Op& op) {
  const void* kind = nullptr;
  if constexpr (folds_as_given<T, Op>) {
    kind = kind_with<What, Keep, T, Op>(options);
    if (operation* const again = c.issue_again({kind, count, root}, in.data(), out.data(), &op)) return *again;
  }
  return issue_reduction<Keep>(c, shape_of<T, Op>(What, count, root, options), in, out, offset, op, kind);
}

template <class Range>
concept has_elements_in_memory = requires(Range& range) { *range.data(); };

/// What a range's `data()` points to.
template <class Range, bool InMemory = has_elements_in_memory<Range>>
struct pointed_at {
  using type = typename decltype(span_of(std::declval<Range&>()))::element_type;
};
template <class Range>
struct pointed_at<Range, false> {
  static_assert(sizeof(Range) == 0,
                "tutti: take something with data() and size(), such as std::vector, std::array or tutti::span; the "
                "elements of std::vector<bool> are bits and have no address");
  using type = unsigned char;
};
template <class Range>
using value_of = std::remove_const_t<typename pointed_at<Range>::type>;

template <class Range>
struct written {
  using type = typename pointed_at<Range>::type;
  static_assert(!std::is_const_v<type>, "tutti: the output's elements are const, and a call writes there; pass memory that may change");
};
/// Of an output.
template <class Range>
using output_value = std::remove_const_t<typename written<Range>::type>;

template <class T, class Range>
span<const T> input_of(const Range& range) {
  if constexpr (std::is_same_v<value_of<const Range>, T>) {
    auto s = span(range);
    return {s.data(), s.size()};
  } else {
    static_assert(sizeof(Range) == 0,
                  "tutti: input and output hold elements of different types; give both one type, and say send_as or "
                  "accumulate_in where another is to travel or to be added up in");
    return {};
  }
}

}  // namespace tutti::detail
