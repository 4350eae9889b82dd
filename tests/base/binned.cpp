#include <tutti/base/binned.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <type_traits>
#include <vector>

#include <tutti/base/operations.hpp>

#include "summands.hpp"

using namespace tutti;
using namespace summands;

namespace {

template <class T, int Fold = 3>
std::uint64_t sum_bits(std::initializer_list<T> all) {
  binned<T, Fold> sum;
  for (T x : all) sum.add(x);
  return bits_of(sum.value());
}

template <class T, int Fold>
bool same(const binned<T, Fold>& a, const binned<T, Fold>& b) {
  return std::memcmp(&a, &b, sizeof a) == 0 && a == b && bits_of(a.value()) == bits_of(b.value());
}

template <class T>
constexpr int least_fold = std::is_same_v<T, double> ? 3 : 2;

template <class T>
constexpr std::uint64_t quiet_nan = infinite<T> | std::uint64_t{1} << (fraction<T> - 1);

// In another order, cut into groups, each added one by one or in spans, and the
// groups merged in another order yet.
template <class T, int Fold>
binned<T, Fold> spread(std::vector<T> all, summands::random& dice) {
  std::shuffle(all.begin(), all.end(), dice);
  std::vector<binned<T, Fold>> groups(1 + dice() % 9);
  for (std::size_t i = 0; i < all.size();) {
    const std::size_t n = std::min<std::size_t>(all.size() - i, dice() % 3 ? dice() % 40 : dice() % 1500);
    auto& group = groups[dice() % groups.size()];
    if (dice() % 2) group.add(span<const T>(all.data() + i, n));
    else for (std::size_t k = i; k < i + n; ++k) group.add(all[k]);
    i += n;
  }
  while (groups.size() > 1) {
    std::swap(groups[dice() % groups.size()], groups.back());
    const auto last = groups.back();
    groups.pop_back();
    auto& other = groups[dice() % groups.size()];
    other = dice() % 2 ? plus{}(other, last) : plus{}(last, other);
  }
  return groups[0];
}

template <class T, int Fold>
void check_multisets(std::uint64_t seed) {
  CAPTURE(seed);
  CAPTURE(Fold);
  summands::random dice(seed);
  for (kind what : every_kind)
    for (std::size_t n : {1u, 2u, 3u, 10u, 700u, 3000u}) {
      CAPTURE(static_cast<int>(what));
      CAPTURE(n);
      const std::vector<T> all = make<T>(dice, what, n);
      binned<T, Fold> one_by_one, at_once;
      for (T x : all) one_by_one.add(x);
      at_once.add(span<const T>(all));
      CHECK(same(one_by_one, at_once));
      for (int again = 0; again < 6; ++again) CHECK(same(one_by_one, spread<T, Fold>(all, dice)));
      const T sum = one_by_one.value();
      if ((bits_of(sum) & infinite<T>) != infinite<T>) CHECK(within_the_bound(all, sum, 40 * (Fold - 1)));
      else CHECK(what != kind::subnormal);
    }
}

}  // namespace

TEST_CASE_TEMPLATE("the same summands give the same bytes in any order and any grouping, within the bound", T, double, float, half, bfloat16) {
  for (std::uint64_t seed : {1u, 2u, 3u}) {
    check_multisets<T, least_fold<T>>(seed);
    check_multisets<T, 3>(seed + 10);
    check_multisets<T, 5>(seed + 20);
  }
}

TEST_CASE("a compiler comes to the same sum as a program") {
  constexpr binned<double> sum = [] {
    binned<double> b;
    for (double x : {1.0, 0x1p-60, 0x1.8p300, -1.0, -0x1.8p300}) b.add(x);
    return b;
  }();
  static_assert(sum.value() == 0);  // 2^300 pushed out what was below 2^220
  static_assert(binned<float>(1.5f).value() == 1.5f && static_cast<float>(binned<half>(half(0.5f)).value()) == 0.5f);
  CHECK(bits_of(sum.value()) == sum_bits<double>({-0x1.8p300, 1.0, 0x1p-60, -1.0, 0x1.8p300}));
  static_assert(sizeof(binned<double>) == 56 && sizeof(binned<float, 2>) == 40);
  static_assert(std::is_trivially_copyable_v<binned<double>> && std::has_unique_object_representations_v<binned<double>>);
  static_assert(reduction<plus, binned<float>>);
}

TEST_CASE_TEMPLATE("one number sums to itself", T, double, float, half, bfloat16) {
  summands::random dice(5);
  int wrong = 0;
  for (kind what : every_kind)
    for (T x : make<T>(dice, what, 2000))
      if ((bits_of(x) & ~sign<T>) != 0 && (bits_of(binned<T>(x).value()) != bits_of(x) || bits_of(binned<T, least_fold<T>>(x).value()) != bits_of(x))) ++wrong;
  for (std::uint64_t bits : {std::uint64_t{1}, infinite<T> - 1, infinite<T>, std::uint64_t{1} << fraction<T>, (std::uint64_t{1} << fraction<T>)-1})
    for (std::uint64_t s : {std::uint64_t{0}, sign<T>})
      if (bits_of(binned<T>(of_bits<T>(bits | s)).value()) != (bits | s)) ++wrong;
  CHECK(wrong == 0);
}

TEST_CASE("what is exact comes out exactly, and is rounded once") {
  auto is = [](std::initializer_list<double> all, double want) { CHECK(sum_bits<double>(all) == bits_of(want)); };
  is({1e16, 1.0, -1e16}, 1.0);
  is({0x1p60, 0x1p30, -0x1p60, 0x1p-1}, 0x1p30 + 0.5);
  // Ties to even, and the least that breaks one.
  is({1.0, 0x1p-53}, 1.0);
  is({1.0 + 0x1p-52, 0x1p-53}, 1.0 + 0x1p-51);
  is({1.0, 0x1p-53, 0x1p-80}, 1.0 + 0x1p-52);
  is({-1.0, -0x1p-53, -0x1p-80}, -1.0 - 0x1p-52);
  is({1.0, 0x1p-53, -0x1p-80}, 1.0);
  // A carry out of the fraction.
  is({0x1.fffffffffffffp0, 0x1p-53}, 2.0);
  CHECK(sum_bits<float>({0x1.fffffep0f, 0x1p-24f}) == bits_of(2.0f));
  CHECK(sum_bits<half>({half(2048.f), half(1.f), half(1.f)}) == half(2050.f).bits);
}

TEST_CASE("subnormal numbers, and the step up from them") {
  CHECK(sum_bits<double>({of_bits<double>(1), of_bits<double>(1)}) == 2);
  CHECK(sum_bits<double>({of_bits<double>((std::uint64_t{1} << 52) - 1), of_bits<double>(1)}) == std::uint64_t{1} << 52);
  CHECK(sum_bits<double>({of_bits<double>(std::uint64_t{1} << 52), of_bits<double>(sign<double> | 1)}) == (std::uint64_t{1} << 52) - 1);
  CHECK(sum_bits<float>({of_bits<float>(sign<float> | 3), of_bits<float>(1)}) == (sign<float> | 2));
  CHECK(sum_bits<double, 4>({0x1p-1000, of_bits<double>(5), -0x1p-1000}) == 5);
}

TEST_CASE("a sum beyond the range is infinite only if it stays there") {
  const double most = std::numeric_limits<double>::max();
  CHECK(sum_bits<double>({most, most, -most}) == bits_of(most));
  CHECK(sum_bits<double>({most, most}) == infinite<double>);
  CHECK(sum_bits<double>({-most, -most}) == (infinite<double> | sign<double>));
  // The middle between the largest number and 2^1024 rounds up, what is below it down.
  CHECK(sum_bits<double>({most, 0x1p970}) == infinite<double>);
  CHECK(sum_bits<double>({most, 0x1p970, -0x1p950}) == bits_of(most));
  CHECK(sum_bits<float>({3e38f, 3e38f, -3e38f}) == bits_of(3e38f));
  CHECK(sum_bits<half>({half(65504.f), half(16.f)}) == infinite<half>);
  CHECK(sum_bits<half>({half(65504.f), half(8.f)}) == half(65504.f).bits);
}

TEST_CASE("zero is +0, whatever it is made of") {
  const double minus_zero = of_bits<double>(sign<double>);
  CHECK(sum_bits<double>({}) == 0);
  CHECK(sum_bits<double>({minus_zero}) == 0);
  CHECK(sum_bits<double>({minus_zero, minus_zero, 0.0}) == 0);
  CHECK(sum_bits<double>({-3.0, 3.0}) == 0);
  binned<double> none;
  none.add(span<const double>());
  CHECK(same(none, binned<double>()));
}

TEST_CASE_TEMPLATE("infinities and NaNs, in any order", T, double, float, half, bfloat16) {
  const T inf = of_bits<T>(infinite<T>), minus_inf = of_bits<T>(infinite<T> | sign<T>);
  const T odd_nan = of_bits<T>(infinite<T> | sign<T> | 1), one = of_bits<T>(infinite<T> / 2 & ~((std::uint64_t{1} << fraction<T>) - 1));
  struct {
    std::vector<T> all;
    std::uint64_t want;
  } const cases[] = {{{inf, one, inf}, infinite<T>},
                     {{one, minus_inf}, infinite<T> | sign<T>},
                     {{inf, one, minus_inf}, quiet_nan<T>},
                     {{one, odd_nan}, quiet_nan<T>},
                     {{odd_nan, inf, one}, quiet_nan<T>},
                     {{of_bits<T>(infinite<T> - 1), minus_inf, of_bits<T>(infinite<T> - 1)}, infinite<T> | sign<T>}};
  summands::random dice(9);
  for (const auto& c : cases)
    for (int again = 0; again < 20; ++again) CHECK(bits_of(spread<T, 3>(c.all, dice).value()) == c.want);
}

TEST_CASE("more summands than the primary words hold: 2^80 of each") {
  for (double x : {0x1.fffffffffffffp-1, -0x1.fffffffffffffp-1, 0x1p0, 0x1.23456789abcdep7}) {
    binned<double> sum(x), opposite(-x);
    double want = x;
    for (int doubled = 0; doubled < 80; ++doubled) {
      sum += binned<double>(sum);
      opposite += binned<double>(opposite);
      want *= 2;
      CHECK(bits_of(sum.value()) == bits_of(want));
    }
    CHECK(bits_of((sum + opposite).value()) == 0);
    CHECK(bits_of((sum + opposite + binned<double>(1.5)).value()) == bits_of(1.5));
  }
}

TEST_CASE("what is dropped does not depend on when") {
  // Many small ones carry beyond their bin; a large one comes late or early.
  const double small = 0x1.fffffffffp-81, large = 0x1p40;
  binned<double> late, early(large), once(small);
  for (int doubled = 0; doubled < 40; ++doubled) once += binned<double>(once);
  late += once;
  late.add(large);
  early += once;
  CHECK(same(late, early));
}
