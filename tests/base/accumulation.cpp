#include <tutti/base/accumulation.hpp>

#include <doctest/doctest.h>

#include <type_traits>

using namespace tutti;

namespace {
struct keeps_order {
  int operator()(int a, int) const { return a; }
};
}  // namespace

TEST_CASE("what converts keeps its operation, and whether that commutes") {
  static_assert(std::is_same_v<decltype(accumulate_in<float>(plus{}))::type, float>);
  static_assert(std::is_same_v<decltype(accumulate_in<float>()), accumulating<float, plus>>);
  static_assert(std::is_same_v<decltype(send_as<bfloat16>(maximum{})), sending<bfloat16, maximum>>);
  static_assert(std::is_same_v<decltype(send_as<half>(accumulate_in<float>())), sending<half, accumulating<float, plus>>>);
  static_assert(is_commutative<accumulating<float, plus>> && is_commutative<sending<half, average>>);
  static_assert(!is_commutative<accumulating<long, keeps_order>>);
  // Nothing that could be mistaken for an operation on the elements.
  static_assert(!reduction<accumulating<float, plus>, half> && !reduction<average, float>);
  int factor = 3;
  CHECK(accumulate_in<long>([factor](long a, long b) { return factor * (a + b); }).op(1, 2) == 9);
}

TEST_CASE("a number is rounded when it becomes a short one, and exact on the way back") {
  static_assert(detail::converted<half>(2049.0).bits == half(2048.f).bits);
  static_assert(detail::converted<double>(half(1.5f)) == 1.5);
  static_assert(detail::converted<float>(1.0 + 0x1p-40) == 1.0f);
  static_assert(detail::converted<bfloat16>(half(3.f)).bits == bfloat16(3.f).bits);
  static_assert(detail::converted<fp8_e4m3>(17.0).bits == fp8_e4m3(16.f).bits && detail::converted<double>(fp8_e5m2(-3.f)) == -3);
  static_assert(detail::converted<fp8_e5m2>(half(3.f)).bits == fp8_e5m2(3.f).bits && detail::converted<fp8_e4m3>(500).bits == 0x7e);
  CHECK(detail::converted<int>(2.75f) == 2);
}
