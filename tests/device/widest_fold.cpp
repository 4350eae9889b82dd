#include <tutti/device/widest_fold.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

using namespace tutti;

namespace {

struct sum_of_squares {
  float operator()(float a, float b) const { return a * a + b * b; }
};

// Values where sides, signs and overflows show.
template <class T>
T some(std::mt19937& random) {
  if constexpr (std::is_floating_point_v<T>) {
    const T odd[] = {T(0), -T(0), std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity(), std::numeric_limits<T>::max(), T(1) / 3};
    return random() % 3 == 0 ? odd[random() % 6] : static_cast<T>(static_cast<int>(random() % 2001) - 1000) / 7;
  } else {
    return static_cast<T>(static_cast<std::uint64_t>(random()) << 32 | random());
  }
}

#if TUTTI_ON_X86_64
// Bit for bit what one after the other gives, into all targets and nowhere else. Of
// overflows, what the same bits without a sign give.
template <class T, class Op>
void check(std::mt19937& random) {
  static_assert(detail::folds_in_widest<T, Op>);
  if (!detail::can_fold_in_widest<T, Op>()) return;
  constexpr std::size_t lanes = 64 / sizeof(T);
  for (std::size_t sources : {2u, 3u, 4u, 7u, 8u, 9u})
    for (std::size_t targets : {1u, 2u, 3u, 4u, 8u})
      for (std::size_t streamed : {std::size_t{0}, std::size_t{1}, targets})
        for (std::size_t lefts : {std::size_t{0}, std::size_t{1}, sources - 1}) {
          const std::size_t vectors = random() % 4, skew = streamed ? 0 : random() % 3, n = (vectors + 2) * lanes + 3;
          std::vector<std::vector<T>> in(sources);
          for (auto& one : in)
            for (std::size_t i = 0; i < n; ++i) one.push_back(some<T>(random));
          struct alignas(64) line { T of[lanes]; };
          std::vector<std::vector<line>> out(targets, std::vector<line>(vectors + 3));
          for (auto& one : out) std::memset(static_cast<void*>(one.data()), 0x5a, one.size() * sizeof(line));
          std::vector<const void*> from;
          std::vector<void*> to;
          for (auto& one : in) from.push_back(one.data() + skew);
          for (auto& one : out) to.push_back(reinterpret_cast<T*>(one.data()) + skew);
          detail::fold_widest<T, Op>(from.data(), sources, lefts, to.data(), targets, streamed, 64, 64 * (vectors + 1));
          end_streaming();
          CAPTURE(sources);
          CAPTURE(targets);
          CAPTURE(streamed);
          CAPTURE(lefts);
          std::size_t wrong = 0;
          for (auto& one : out) {
            const T* const got = reinterpret_cast<const T*>(one.data()) + skew;
            for (std::size_t i = 0; i < (vectors + 2) * lanes; ++i) {
              T expected;
              std::memset(static_cast<void*>(&expected), 0x5a, sizeof expected);
              if (i >= lanes && i < (vectors + 1) * lanes) {
                expected = in[0][i + skew];
                for (std::size_t k = 1; k < sources; ++k) {
                  const T next = in[k][i + skew];
                  if constexpr (std::is_signed_v<T> && std::is_integral_v<T> && !detail::chooses_one<Op>) {
                    using bits = std::make_unsigned_t<T>;
                    expected = static_cast<T>(Op{}(static_cast<bits>(expected), static_cast<bits>(next)));
                  } else {
                    expected = k <= lefts ? Op{}(next, expected) : Op{}(expected, next);
                  }
                }
              }
              // Which of two NaNs comes out of a sum is the processor's choice.
              const bool both_nan = expected != expected && got[i] != got[i];
              wrong += !both_nan && std::memcmp(&expected, &got[i], sizeof(T)) != 0;
            }
          }
          CHECK(wrong == 0);
        }
}
#endif

}  // namespace

TEST_CASE("which operations are done in the widest vectors") {
  CHECK(detail::folds_in_widest<float, plus>);
  CHECK(detail::folds_in_widest<std::uint8_t, bit_xor>);
  CHECK_FALSE(detail::folds_in_widest<float, sum_of_squares>);  // a multiplication and an addition
  CHECK_FALSE(detail::folds_in_widest<bool, plus>);
  CHECK_FALSE(detail::folds_in_widest<long double, plus>);
  CHECK_FALSE(detail::can_fold_in_widest<float, sum_of_squares>());
#if TUTTI_ON_X86_64
  CHECK(detail::can_fold_in_widest<float, plus>() == (detail::best_vectors() == detail::vectors::widest));
#endif
}

#if TUTTI_ON_X86_64
TEST_CASE_TEMPLATE("folds in the widest vectors give what one after the other gives", T, std::int8_t, std::uint8_t, std::int16_t, std::uint16_t,
                   std::int32_t, std::uint32_t, std::int64_t, std::uint64_t, float, double) {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  if (detail::best_vectors() != detail::vectors::widest) {
    MESSAGE("skipped: this processor has no vectors of 64 bytes that do not slow it down");
    return;
  }
  check<T, plus>(random);
  check<T, multiplies>(random);
  check<T, minimum>(random);
  check<T, maximum>(random);
  if constexpr (std::is_integral_v<T>) {
    check<T, bit_and>(random);
    check<T, bit_or>(random);
    check<T, bit_xor>(random);
  }
}
#endif
