#pragma once
#include <type_traits>
#include <utility>

#include <tutti/base/accumulation.hpp>
#include <tutti/base/binned.hpp>
#include <tutti/base/operations.hpp>
#include <tutti/comm/collectives.hpp>

namespace tutti {

/// A sum that is bitwise the same for the same summands, however they are
/// ordered and whatever the algorithm, the link and how messages are cut:
/// `all_reduce(c, x, reproducible_plus<float>())`, and in every other reduction,
/// blocking or not. T is the element; see `binned` for its error and for `Fold`.
/// Cost: a reduction of 16 Fold + 8 bytes an element, 56 by default.
template <binnable T, int Fold = 3>
constexpr auto reproducible_plus() {
  return accumulate_in<binned<T, Fold>>(plus{});
}

namespace detail {
template <class T>
constexpr void check_binnable() {
  static_assert(binnable<T>,
                "tutti: a reproducible sum is of float, double, half or bfloat16; sums of integers are exact already, by "
                "plus");
}
}  // namespace detail

/// The sum over all ranks, element by element, left with all: out[i] = in_0[i] +
/// in_1[i] + …, the same bits whichever rank held which summand. `in` and `out`:
/// (n), of T = float, double, half or bfloat16; they may be the same. Errors as
/// `all_reduce`. Cost: that of `all_reduce` on 56 bytes an element.
template <class In, class Out>
  requires requires(Out& out) { out.data(); }
void reproducible_sum(communicator& c, const In& in, Out&& out, call_options options = {}) {
  using T = detail::output_value<Out>;
  detail::check_binnable<T>();
  if constexpr (binnable<T>) all_reduce(c, in, out, reproducible_plus<T>(), options);
}

/// The sum of a distributed array, returned on all ranks: of all elements that
/// any rank holds, the same bits however they are spread over however many
/// ranks. `mine`: (n_r), n_r may differ from rank to rank and be 0; the sum of
/// nothing is +0. Errors as `all_reduce`, of one element of 56 bytes. Error of
/// the sum: see `binned`. Cost: two passes over `mine`, and that call.
template <class Range>
[[nodiscard]] auto reproducible_sum(communicator& c, const Range& mine, call_options options = {}) {
  using T = detail::value_of<const Range>;
  detail::check_binnable<T>();
  if constexpr (binnable<T>) {
    c.need_result_at_once("reproducible_sum");
    const span<const T> summands = detail::input_of<T>(mine);
    detail::need_memory(c, collective::all_reduce, summands);
    binned<T> sum;
    sum.add(summands);
    all_reduce(c, span<binned<T>>(&sum, 1), plus{}, options);
    return sum.value();
  } else {
    return T{};
  }
}

}  // namespace tutti
