#pragma once
#include <limits>
#include <type_traits>

#include <tutti/base/numbers.hpp>
#include <tutti/base/operations.hpp>

namespace tutti {

/// An operation that is done, and whose operands travel, in another type than
/// the elements of the call: see `accumulate_in` and `send_as`.
template <class Other, class Op>
struct accumulating {
  using type = Other;
  Op op;
  static constexpr bool commutative = is_commutative<Op>;
};
template <class Other, class Op>
struct sending {
  using type = Other;
  Op op;
  static constexpr bool commutative = is_commutative<Op>;
};

namespace detail {
template <class Op>
inline constexpr bool is_converting = false;
template <class Other, class Op>
inline constexpr bool is_converting<accumulating<Other, Op>> = true;
template <class Other, class Op>
inline constexpr bool is_converting<sending<Other, Op>> = true;
template <class Op>
inline constexpr bool is_sending = false;
template <class Other, class Op>
inline constexpr bool is_sending<sending<Other, Op>> = true;
template <class Op>
inline constexpr bool is_accumulating = false;
template <class Other, class Op>
inline constexpr bool is_accumulating<accumulating<Other, Op>> = true;

// A short number is made of a float; what is wider is rounded to that first.
template <class To, class From>
constexpr To converted(const From& x) {
  if constexpr (is_short_float<To> && std::is_arithmetic_v<From>)
    return To(static_cast<float>(x));
  else return static_cast<To>(x);
}
}  // namespace detail

/// The operation done in a wider type: `accumulate_in<float>(plus{})` converts
/// each rank's elements, `half` for example, to float, reduces those, and rounds
/// the result once. `Wide`: any trivially copyable type with a `static_cast`
/// from and to the element. Cost: as much as the call on `Wide`, whose bytes
/// travel, unless `send_as` names another type for that, and scratch memory for them.
template <class Wide, class Op = plus>
constexpr accumulating<Wide, Op> accumulate_in(Op op = {}) {
  static_assert(!detail::is_converting<Op>,
                "tutti: one type travels and one is accumulated in; name each once, as in "
                "send_as<bfloat16>(accumulate_in<float>(plus{}))");
  return {op};
}

/// The operation done on narrower operands, to halve the bytes, or quarter them: by
/// `send_as<bfloat16>(plus{})` each rank's elements, floats for example, are
/// rounded to bfloat16, and so is every sum of two of them; the result, the same
/// bits on all ranks, is converted back. So a sum over p ranks holds at most
/// 2p − 1 roundings. Cost: as much as the call on `Narrow`, and scratch memory
/// for it.
///
/// `send_as<bfloat16>(accumulate_in<float>(plus{}))` folds in float: rounded to
/// bfloat16 are each rank's elements, whatever sum a rank sends on, and the
/// result, but none that it folds with more before. An average is divided as it
/// is accumulated. Of a sum over p ranks these are p roundings of elements and at
/// most p − 1 of sums, or 1 where a rank folds what all sent (`one_shot`,
/// `two_shot`, `pairwise`). Both types are numbers, the accumulator as exact as
/// what travels or more.
template <class Narrow, class Op = plus>
constexpr sending<Narrow, Op> send_as(Op op = {}) {
  static_assert(!detail::is_sending<Op>,
                "tutti: one type travels and one is accumulated in; name each once, as in "
                "send_as<bfloat16>(accumulate_in<float>(plus{}))");
  return {op};
}

}  // namespace tutti
