#include <tutti/base/operations.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <type_traits>

#include <tutti/base/numbers.hpp>

namespace {

using namespace tutti;

/// Folding the identity in, on either side, changes nothing.
template <class Op, class T>
void identity_changes_nothing(std::initializer_list<T> values) {
  for (T value : values) {
    CAPTURE(Op::name);
    CHECK(Op{}(Op::template identity<T>(), value) == value);
    CHECK(Op{}(value, Op::template identity<T>()) == value);
  }
}

template <class Op>
void identities_of_numbers() {
  constexpr float inf = std::numeric_limits<float>::infinity();
  identity_changes_nothing<Op, int>({0, 1, -7, std::numeric_limits<int>::max(), std::numeric_limits<int>::min()});
  identity_changes_nothing<Op, std::uint8_t>({0, 1, 255});
  identity_changes_nothing<Op, float>({0.f, -1.5f, std::numeric_limits<float>::max(), inf, -inf});
  identity_changes_nothing<Op, half>({half(0.f), half(-1.5f), half(65504.f), half(inf), half(-inf)});
  identity_changes_nothing<Op, bfloat16>({bfloat16(0.f), bfloat16(-1.5f), bfloat16(inf), bfloat16(-inf)});
  identity_changes_nothing<Op, fp8_e4m3>({fp8_e4m3(0.f), fp8_e4m3(-1.5f), fp8_e4m3(448.f), fp8_e4m3(-448.f)});
  constexpr fp8_e5m2 infinite = std::numeric_limits<fp8_e5m2>::infinity();
  // Sums and products are made of floats, which do not become infinite.
  if constexpr (std::is_same_v<Op, minimum> || std::is_same_v<Op, maximum>) identity_changes_nothing<Op, fp8_e5m2>({fp8_e5m2(2.f), infinite, -infinite});
}

TEST_CASE("the identity of each operation changes nothing") {
  identities_of_numbers<plus>();
  identities_of_numbers<multiplies>();
  identities_of_numbers<minimum>();
  identities_of_numbers<maximum>();
  identity_changes_nothing<bit_and, unsigned>({0u, 5u, ~0u});
  identity_changes_nothing<bit_or, unsigned>({0u, 5u, ~0u});
  identity_changes_nothing<bit_xor, unsigned>({0u, 5u, ~0u});
  identity_changes_nothing<bit_and, std::int8_t>({0, 5, -128});
}

TEST_CASE("each operation does what its name says") {
  static_assert(plus{}(2, 3) == 5 && multiplies{}(2, 3) == 6 && minimum{}(2, 3) == 2 && maximum{}(2, 3) == 3);
  static_assert(bit_and{}(6, 3) == 2 && bit_or{}(6, 3) == 7 && bit_xor{}(6, 3) == 5);
  // Narrow types wrap as their own type does, not as int.
  static_assert(plus{}(std::uint8_t{200}, std::uint8_t{100}) == std::uint8_t{44});
  // In a constant expression an overflow of int would be an error.
  static_assert(multiplies{}(std::uint16_t{65535}, std::uint16_t{65535}) == std::uint16_t{1});
  static_assert(multiplies{}(std::uint8_t{200}, std::uint8_t{2}) == std::uint8_t{144});
  static_assert(multiplies{}(std::int16_t{-300}, std::int16_t{100}) == std::int16_t{-30000});
  static_assert(multiplies{}(~std::uint64_t{0}, ~std::uint64_t{0}) == 1);
  static_assert(static_cast<float>(plus{}(half(1.f), half(2.f))) == 3.f);
  CHECK(std::string(plus::name) == "sum");
  CHECK(std::string(minimum::name) == "min");
}

struct concatenate {
  std::uint64_t operator()(std::uint64_t a, std::uint64_t b) const { return a * 10 + b; }
};
struct says_so {
  static constexpr bool commutative = true;
  int operator()(int a, int b) const { return a + b; }
};
struct denies {
  static constexpr bool commutative = false;
  int operator()(int a, int) const { return a; }
};
struct no_result {
  void operator()(int, int) const {}
};

TEST_CASE("only a functor that says so may have its operands exchanged") {
  static_assert(is_commutative<plus> && is_commutative<bit_xor> && is_commutative<says_so>);
  static_assert(!is_commutative<concatenate> && !is_commutative<denies>);
  auto lambda = [](int a, int b) { return a + b; };
  static_assert(!is_commutative<decltype(lambda)>);
  static_assert(reduction<decltype(lambda), int> && reduction<concatenate, std::uint64_t>);
  static_assert(!reduction<no_result, int> && !reduction<bit_and, float>);
  CHECK(lambda(1, 2) == 3);
}

}  // namespace
