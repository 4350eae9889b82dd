#pragma once
#include <cstddef>
#include <limits>
#include <new>
#include <type_traits>

#include <tutti/base/accumulation.hpp>
#include <tutti/base/operations.hpp>
#include <tutti/base/span.hpp>
#include <tutti/comm/call_shape.hpp>
#include <tutti/comm/communicator.hpp>
#include <tutti/comm/kept_functor.hpp>
#include <tutti/device/n_ary_fold.hpp>

namespace tutti::detail {

/// How elements T are reduced by Op: what travels in their place, what that is
/// folded in and by what, and whether the result is divided by the number of ranks.
template <class T, class Op>
struct travel {
  using type = T;
  using sum = T;
  using fold = Op;
  static constexpr bool averages = false;
  static constexpr const fold& fold_of(const Op& op) { return op; }
};
template <class T>
struct travel<T, average> {
  using type = T;
  using sum = T;
  using fold = plus;
  static constexpr bool averages = true;
  static constexpr fold fold_of(average) { return {}; }
};
template <class T, class Other, class Op>
struct travel<T, accumulating<Other, Op>> : travel<Other, Op> {
  static constexpr auto fold_of(const accumulating<Other, Op>& o) { return travel<Other, Op>::fold_of(o.op); }
};
template <class T, class Other, class Op>
struct travel<T, sending<Other, Op>> : travel<Other, Op> {
  using type = Other;
  static constexpr auto fold_of(const sending<Other, Op>& o) { return travel<Other, Op>::fold_of(o.op); }
};

template <class From, class To>
concept casts_both_ways = requires(const From& x, const To& y) { static_cast<To>(x); static_cast<From>(y); };

template <class T, class Op>
constexpr void check_travel() {
  using other = typename travel<T, Op>::type;
  using sum = typename travel<T, Op>::sum;
  static_assert(!(travel<T, Op>::averages && std::numeric_limits<T>::is_integer),
                "tutti: the average of integers is seldom an integer; reduce by plus and divide as you need it, or "
                "convert to float or double first");
  static_assert(!(travel<T, Op>::averages && is_short_float<sum> && sizeof(sum) == 1),
                "tutti: the sum behind an average does not fit into 8 bits; say accumulate_in<float>(average{})");
  if constexpr (is_converting<Op>) {
    static_assert(casts_both_ways<T, other> && casts_both_ways<T, sum>,
                  "tutti: accumulate_in and send_as convert every element there and back, so the type that they name "
                  "needs a static_cast from and to the element's");
    constexpr int given = std::numeric_limits<T>::digits, used = std::numeric_limits<other>::digits;
    static_assert(!is_accumulating<Op> || given == 0 || used == 0 || used >= given,
                  "tutti: accumulate_in names a type that is narrower than the element; say send_as where the loss is "
                  "meant");
    static_assert(is_accumulating<Op> || sizeof(other) <= sizeof(T),
                  "tutti: send_as names a type of more bytes than the element; say accumulate_in where that is meant");
    if constexpr (!std::is_same_v<other, sum>) {
      static_assert(std::numeric_limits<other>::is_specialized && std::numeric_limits<sum>::is_specialized,
                    "tutti: what is accumulated in another type than it travels in is rounded again and again, which only "
                    "numbers can be; name one type for both");
      static_assert(!std::numeric_limits<sum>::is_specialized || std::numeric_limits<sum>::digits >= std::numeric_limits<other>::digits,
                    "tutti: accumulate_in names a type that is narrower than the one that send_as sends");
    }
  }
}

template <class Narrow, class Wide>
inline constexpr widening widening_of{
    .element = sizeof(Wide),
    .widen = [](void* wide, const void* narrow, std::size_t n) {
      for (std::size_t i = 0; i < n; ++i) new (static_cast<Wide*>(wide) + i) Wide(converted<Wide>(static_cast<const Narrow*>(narrow)[i]));
    },
    .narrow = [](void* narrow, const void* wide, std::size_t n) {
      for (std::size_t i = 0; i < n; ++i) new (static_cast<Narrow*>(narrow) + i) Narrow(converted<Narrow>(static_cast<const Wide*>(wide)[i]));
    }};

/// Whether it is the caller's elements that travel and are folded, and no more.
template <class T, class Op>
inline constexpr bool folds_as_given = !is_converting<Op> && !travel<T, Op>::averages;

/// What a call does to its elements besides folding them: the functor that is
/// kept with the operation. Other elements than the caller's are folded in
/// memory of the operation's.
template <class T, class Op>
struct travelling {
  using other = typename travel<T, Op>::type;
  using sum = typename travel<T, Op>::sum;
  static constexpr bool converts = is_converting<Op>;

  typename travel<T, Op>::fold op;
  span<const T> in;
  span<T> out;
  int ranks;

  sum operator()(const sum& a, const sum& b) const { return static_cast<sum>(op(a, b)); }

  static void before(void* staging, const void* self) {
    const travelling& me = *static_cast<const travelling*>(self);
    auto* to = static_cast<other*>(staging);
    for (std::size_t i = 0; i < me.in.size(); ++i) new (to + i) other(converted<other>(me.in[i]));
  }
  static void after(const void* result, const void* self) {
    const travelling& me = *static_cast<const travelling*>(self);
    const auto* from = static_cast<const other*>(result);
    for (std::size_t i = 0; i < me.out.size(); ++i) me.out[i] = me.finished(from[i]);
  }
  T finished(const other& result) const {
    const sum all = converted<sum>(result);
    // A division, not a product with 1/p, which has an error of its own.
    if constexpr (!travel<T, Op>::averages) return converted<T>(all);
    // The number of ranks may have more digits than a short float.
    else if constexpr (is_short_float<sum>)
      return converted<T>(converted<sum>(static_cast<float>(all) / static_cast<float>(ranks)));
    else if constexpr (requires { all / converted<sum>(1.0f); })
      return converted<T>(converted<sum>(all / converted<sum>(static_cast<float>(ranks))));
    else return converted<T>(converted<T>(all) / converted<T>(static_cast<float>(ranks)));
  }
};

/// Issues a reduction of `shape`, which is the caller's. `out` is what this rank
/// gets of the result; where it converts, the result comes to lie `offset`
/// elements behind the begin of what the input was converted to. `Keep`: whether
/// the operation must hold a copy of the functor, since the call returns before
/// it is done. `kind`: of the call's key.
template <bool Keep, class T, class Op>
operation& issue_reduction(communicator& c, call_shape shape, span<const T> in, span<T> out, std::size_t offset, const Op& op,
                           const void* kind = nullptr) {
  if constexpr (folds_as_given<T, Op>) {
    return c.issue(shape, {.input = in.data(), .output = out.data(), .alignment = alignof(T), .fold = fold_function_of<T>(op),
                           .keep = keep_functor<Op>, .waits = !Keep, .stateless = std::is_empty_v<Op>, .kind = kind});
  } else {
    using functor = travelling<T, Op>;
    using other = typename functor::other;
    const functor all{travel<T, Op>::fold_of(op), in, out, c.size()};
    call_memories m{.input = in.data(), .output = out.data(), .alignment = alignof(other),
                    .fold = fold_function_of<typename functor::sum>(all), .keep = keep_functor<functor>, .after = functor::after};
    if constexpr (functor::converts) {
      shape.element = sizeof(other);
      shape.staging = in.size() * sizeof(other);
      m.before = functor::before;
      m.staged_output = offset * sizeof(other);
      if constexpr (!std::is_same_v<other, typename functor::sum>) {
        shape.folded = sizeof(typename functor::sum);
        m.fold.wider = &widening_of<other, typename functor::sum>;
      }
    }
    return c.issue(shape, m);
  }
}

}  // namespace tutti::detail
