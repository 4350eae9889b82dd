#include <tutti/base/indexed.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

#include <tutti/base/numbers.hpp>
#include <tutti/base/operations.hpp>

using namespace tutti;

namespace {

// Bit for bit: a NaN is the same NaN, and −0 is not +0.
template <class T>
bool same(const indexed<T>& a, const indexed<T>& b) {
  if constexpr (std::is_same_v<T, float>) return std::bit_cast<std::uint32_t>(a.value) == std::bit_cast<std::uint32_t>(b.value) && a.index == b.index;
  else if constexpr (std::is_same_v<T, half>) return a.value.bits == b.value.bits && a.index == b.index;
  else return a == b;
}

template <class T>
std::vector<indexed<T>> awkward() {
  std::vector<indexed<T>> all;
  std::int64_t index = 0;
  for (int v : {3, 1, 2, 3, 1, 7, 7}) all.push_back({static_cast<T>(static_cast<float>(v)), 100 - index++});
  if constexpr (std::numeric_limits<T>::has_infinity) {
    const T infinite = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
    for (T v : {infinite, static_cast<T>(-infinite), nan, static_cast<T>(-0.f), nan, infinite}) all.push_back({v, 100 - index++});
  } else {
    for (T v : {std::numeric_limits<T>::max(), std::numeric_limits<T>::lowest(), std::numeric_limits<T>::max()}) all.push_back({v, 100 - index++});
  }
  return all;
}

template <class Op, class T>
void any_order_will_do() {
  const auto all = awkward<T>();
  int wrong = 0;
  for (const auto& a : all)
    for (const auto& b : all) {
      if (!same(Op{}(a, b), Op{}(b, a))) ++wrong;
      for (const auto& c : all)
        if (!same(Op{}(Op{}(a, b), c), Op{}(a, Op{}(b, c)))) ++wrong;
    }
  for (const auto& a : all) {
    if (!same(Op{}(a, Op::template identity<indexed<T>>()), a)) ++wrong;
    if (!same(Op{}(Op::template identity<indexed<T>>(), a), a)) ++wrong;
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE_TEMPLATE("operands may be grouped and exchanged as one likes, and the identity changes nothing", T, int, std::uint8_t,
                   float, half) {
  static_assert(reduction<arg_min, indexed<T>> && is_commutative<arg_min>);
  static_assert(reduction<arg_max, indexed<T>> && is_commutative<arg_max>);
  any_order_will_do<arg_min, T>();
  any_order_will_do<arg_max, T>();
}

TEST_CASE("the value decides, and between equals the lower index") {
  static_assert(arg_min{}(indexed<int>{3, 1}, indexed<int>{2, 9}) == indexed<int>{2, 9});
  static_assert(arg_max{}(indexed<int>{3, 1}, indexed<int>{2, 9}) == indexed<int>{3, 1});
  static_assert(arg_min{}(indexed<int>{2, 9}, indexed<int>{2, -4}) == indexed<int>{2, -4});
  static_assert(arg_max{}(indexed<int>{2, 9}, indexed<int>{2, -4}) == indexed<int>{2, -4});
  // Equal, though their bits differ.
  CHECK(same(arg_min{}(indexed<float>{0.f, 1}, indexed<float>{-0.f, 2}), {0.f, 1}));
  CHECK(same(arg_max{}(indexed<float>{0.f, 2}, indexed<float>{-0.f, 1}), {-0.f, 1}));
}

TEST_CASE("a NaN wins over every number, the lowest index over other NaNs") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinite = std::numeric_limits<float>::infinity();
  for (float number : {-infinite, -1.f, 0.f, infinite}) {
    CHECK(arg_min{}(indexed<float>{number, 1}, indexed<float>{nan, 9}).index == 9);
    CHECK(arg_max{}(indexed<float>{nan, 9}, indexed<float>{number, 1}).index == 9);
  }
  CHECK(arg_min{}(indexed<float>{nan, 9}, indexed<float>{nan, 4}).index == 4);
  CHECK(arg_max{}(indexed<float>{nan, 4}, indexed<float>{nan, 9}).index == 4);
}

TEST_CASE("a value at the end of its range wins over the identity") {
  constexpr int top = std::numeric_limits<int>::max();
  static_assert(arg_min{}(arg_min::identity<indexed<int>>(), indexed<int>{top, 5}) == indexed<int>{top, 5});
  static_assert(arg_max{}(arg_max::identity<indexed<int>>(), indexed<int>{-top - 1, 5}) == indexed<int>{-top - 1, 5});
}
