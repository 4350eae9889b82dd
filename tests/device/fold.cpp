#include <tutti/device/fold.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

#include <tutti/base/numbers.hpp>

using namespace tutti;

namespace {

// Around the vector block of 64 bytes and the switch to wider vectors at 256.
template <class T>
std::vector<std::size_t> sizes() {
  std::vector<std::size_t> all{0, 1, 2, 3};
  for (std::size_t bytes : {64u, 128u, 192u, 256u, 320u, 4096u})
    for (std::size_t around : {0u, 1u, 2u})
      if (bytes / sizeof(T) + around >= 1) all.push_back(bytes / sizeof(T) + around - 1);
  all.push_back(1009);
  return all;
}

template <class T>
T element(std::size_t i, int which) {
  return static_cast<T>(static_cast<float>((i * 7 + static_cast<std::size_t>(which) * 5) % 11 + 1));
}

// The result of a plain loop, element for element and bit for bit, with nothing
// around it touched: out of place, into the left operand, into the right one.
template <class T, class Op>
void check(const Op& op) {
  T guard;
  std::memset(static_cast<void*>(&guard), 0x5a, sizeof guard);
  for (std::size_t n : sizes<T>())
    for (std::size_t offset : {0u, 1u, 3u}) {
      CAPTURE(n);
      CAPTURE(offset);
      std::vector<T> left(n + 8, guard), right(n + 8, guard), out(n + 8, guard), want(n + 8, guard);
      for (std::size_t i = 0; i < n; ++i) {
        left[offset + i] = element<T>(i, 0);
        right[offset + i] = element<T>(i, 1);
        want[offset + i] = static_cast<T>(op(left[offset + i], right[offset + i]));
      }
      const std::vector<T> left_before = left, right_before = right;
      auto same = [&](const std::vector<T>& a, const std::vector<T>& b) { return std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0; };
      fold(out.data() + offset, left.data() + offset, right.data() + offset, n, op);
      CHECK(same(out, want));
      CHECK(same(left, left_before));
      CHECK(same(right, right_before));
      apply_fold<T, Op>(left.data() + offset, left.data() + offset, right.data() + offset, n, &op);
      CHECK(same(left, want));
      fold(right.data() + offset, left_before.data() + offset, right.data() + offset, n, op);
      CHECK(same(right, want));
    }
}

struct subtract {  // the order of operands shows
  template <class T>
  T operator()(const T& a, const T& b) const {
    return static_cast<T>(a - b);
  }
};

struct three_bytes {
  std::uint8_t a = 1, b = 2, c = 3;
};
struct join_three {
  three_bytes operator()(three_bytes x, three_bytes y) const {
    return {static_cast<std::uint8_t>(x.a * 3 + y.a), static_cast<std::uint8_t>(x.b ^ y.c), static_cast<std::uint8_t>(x.c - y.b)};
  }
};
struct large {
  std::int64_t numbers[25] = {};
};
struct join_large {
  large operator()(const large& x, const large& y) const {
    large z;
    for (int i = 0; i < 25; ++i) z.numbers[i] = 2 * x.numbers[i] - y.numbers[i];
    return z;
  }
};
struct without_default {
  explicit without_default(int v) : value(v) {}
  int value;
};

template <>
three_bytes element<three_bytes>(std::size_t i, int which) {
  return {static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i * 5 + 1), static_cast<std::uint8_t>(which)};
}
template <>
large element<large>(std::size_t i, int which) {
  large l;
  for (int k = 0; k < 25; ++k) l.numbers[k] = static_cast<std::int64_t>(i) * 100 + k * which;
  return l;
}

}  // namespace

TEST_CASE_TEMPLATE("every element type, at every size around a vector", T, std::int8_t, std::uint8_t, std::int16_t,
                   std::uint16_t, std::int32_t, std::uint32_t, std::int64_t, std::uint64_t, float, double, half, bfloat16, fp8_e4m3, fp8_e5m2) {
  check<T>(plus{});
  check<T>(multiplies{});
  check<T>(minimum{});
  check<T>(maximum{});
  check<T>(subtract{});
}

TEST_CASE_TEMPLATE("bits", T, std::uint8_t, std::int32_t, std::uint64_t) {
  check<T>(bit_and{});
  check<T>(bit_or{});
  check<T>(bit_xor{});
}

TEST_CASE("structures, of sizes that no vector has") {
  check<three_bytes>(join_three{});
  check<large>(join_large{});
}

TEST_CASE("an element need not have a default") {
  std::vector<without_default> a(100, without_default(3)), b(100, without_default(4)), c(100, without_default(0));
  fold(c.data(), a.data(), b.data(), 100, [](without_default x, without_default y) { return without_default(10 * x.value + y.value); });
  for (const without_default& v : c) CHECK(v.value == 34);
}

TEST_CASE("a functor's state is used, by reference") {
  struct counting {
    int* calls;
    int operator()(int a, int b) const { return ++*calls, a + b; }
  };
  int calls = 0;
  std::vector<int> a(131, 2), b(131, 3), c(131);
  const counting op{&calls};
  fold_function forgotten{apply_fold<int, counting>, &op};
  forgotten(c.data(), a.data(), b.data(), 131);
  CHECK(calls == 131);
  CHECK(c == std::vector<int>(131, 5));
}

TEST_CASE("what an operation throws comes out") {
  struct throws {
    int operator()(int a, int) const {
      if (a == 90) throw std::runtime_error("not today");
      return a;
    }
  };
  std::vector<int> a(200), b(200), c(200);
  for (int i = 0; i < 200; ++i) a[static_cast<std::size_t>(i)] = i;
  CHECK_THROWS_WITH(fold(c.data(), a.data(), b.data(), 200, throws{}), "not today");
}

TEST_CASE("a result does not depend on how many elements are folded at once") {
  // An operation that multiplies and adds: fused in one loop and not in the
  // other, it would round differently.
  struct complex {
    float re = 0, im = 0;
  };
  struct times {
    complex operator()(complex a, complex b) const { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
  };
  std::vector<complex> a, b, whole(1009), one(1009);
  for (int i = 0; i < 1009; ++i) {
    const float x = static_cast<float>(i);
    a.push_back({1 / (3 + x), 1 / (7 + x)});
    b.push_back({1.1f / (5 + x), 2 / (9 + x)});
  }
  fold(whole.data(), a.data(), b.data(), 1009, times{});
  for (std::size_t i = 0; i < 1009; ++i) fold(&one[i], &a[i], &b[i], 1, times{});
  CHECK(std::memcmp(whole.data(), one.data(), sizeof(complex) * 1009) == 0);
}
