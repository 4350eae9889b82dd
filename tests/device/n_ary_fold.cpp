#include <tutti/device/n_ary_fold.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <tutti/base/numbers.hpp>

using namespace tutti;

namespace {

// Neither associative nor commutative: the result tells in which order.
struct weigh {
  template <class T>
  T operator()(const T& a, const T& b) const {
    return static_cast<T>(static_cast<T>(a * 3) - b);
  }
};

struct two_words {  // fill a line, eight of them, but no vector has such elements
  std::uint32_t a = 0, b = 0;
};
struct three_bytes {  // fill none
  std::uint8_t a = 0, b = 0, c = 0;
};
struct join {
  two_words operator()(two_words x, two_words y) const { return {x.a * 5 + y.b, x.b ^ y.a}; }
  three_bytes operator()(three_bytes x, three_bytes y) const {
    return {static_cast<std::uint8_t>(x.a * 3 + y.c), static_cast<std::uint8_t>(x.b ^ y.a), static_cast<std::uint8_t>(x.c - y.b)};
  }
};

template <class T>
T element(std::size_t i, std::size_t source) {
  const auto v = static_cast<std::uint8_t>((i * 7 + source * 5) % 11 + 1);
  if constexpr (std::is_same_v<T, two_words>) return {v, static_cast<std::uint32_t>(v * 1000u)};
  else if constexpr (std::is_same_v<T, three_bytes>) return {v, static_cast<std::uint8_t>(v + 1), static_cast<std::uint8_t>(v * 2)};
  else if constexpr (std::is_same_v<T, double>) return i % 5 == source % 5 ? std::numeric_limits<double>::quiet_NaN() : v % 2 ? -0.0 : 0.0;
  else return static_cast<T>(static_cast<float>(v));
}

// What a plain loop gives, in every target and nowhere else; from one element off
// a line on, all targets alike and one of them otherwise.
template <class T, class Op>
void check(const Op& op) {
  for (std::size_t sources : {2u, 3u, 4u, 5u, 8u, 9u})
    for (std::size_t targets : {1u, 2u, 8u})
      for (std::size_t n : {std::size_t{0}, std::size_t{1}, 64 / sizeof(T) - 1, 64 / sizeof(T), 64 / sizeof(T) + 1, std::size_t{1009}})
        for (std::size_t offset : {0u, 1u, 3u})
          for (std::size_t skew : {0u, 1u})
            for (std::size_t streamed : {std::size_t{0}, std::size_t{1}, targets}) {
              const std::size_t lefts = (sources * targets + n + offset) % sources;
              CAPTURE(sources);
              CAPTURE(lefts);
              CAPTURE(targets);
              CAPTURE(n);
              CAPTURE(offset);
              CAPTURE(skew);
              CAPTURE(streamed);
              constexpr std::size_t around = 40;
              std::vector<std::vector<T>> in(sources, std::vector<T>(n + around)), out(targets, std::vector<T>(n + around, element<T>(3, 3)));
              std::vector<const void*> from;
              std::vector<void*> to;
              for (std::size_t k = 0; k < sources; ++k) {
                for (std::size_t i = 0; i < in[k].size(); ++i) in[k][i] = element<T>(i, k);
                from.push_back(in[k].data() + offset);
              }
              for (std::size_t t = 0; t < targets; ++t) to.push_back(out[t].data() + offset + (t == 1 ? skew : 0));
              apply_fold_all<T, Op>({.sources = from.data(), .source_count = sources, .lefts = lefts, .targets = to.data(),
                                     .target_count = targets, .streamed = streamed},
                                    n, &op);
              end_streaming();
              std::size_t wrong = 0;
              for (std::size_t t = 0; t < targets; ++t)
                for (std::size_t i = 0; i < out[t].size(); ++i) {
                  const std::size_t begin = offset + (t == 1 ? skew : 0);
                  T want = element<T>(3, 3);
                  if (i >= begin && i < begin + n) {
                    const std::size_t at = i - begin + offset;
                    want = in[0][at];
                    for (std::size_t k = 1; k < sources; ++k) want = static_cast<T>(k <= lefts ? op(in[k][at], want) : op(want, in[k][at]));
                  }
                  wrong += std::memcmp(&out[t][i], &want, sizeof want) != 0;  // NaN is not itself
                }
              CHECK(wrong == 0);
            }
}

}  // namespace

TEST_CASE("several sources are folded one after the other into all targets") {
  check<float>(weigh{});
  check<double>(maximum{});
  check<std::int32_t>(weigh{});
  check<std::uint8_t>(weigh{});
  check<half>(plus{});
  check<bfloat16>(plus{});
  check<fp8_e4m3>(plus{});
  check<two_words>(join{});
  check<three_bytes>(join{});
}

TEST_CASE("a target may be a source") {
  std::vector<float> a(300), b(300), want(300);
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = element<float>(i, 0);
    b[i] = element<float>(i, 1);
    want[i] = weigh{}(a[i], b[i]);
  }
  const std::array<const void*, 2> from{a.data(), b.data()};
  const std::array<void*, 2> to{a.data(), b.data()};
  fold_all<float>({.sources = from.data(), .source_count = 2, .targets = to.data(), .target_count = 2}, a.size(), weigh{});
  CHECK(a == want);
  CHECK(b == want);
}

TEST_CASE("what an operation throws comes out") {
  struct fails {
    int operator()(int, int) const { throw std::string("no"); }
  };
  std::vector<int> x(40);
  const std::array<const void*, 2> from{x.data(), x.data()};
  void* to = x.data();
  CHECK_THROWS_AS(fold_all<int>({.sources = from.data(), .source_count = 2, .targets = &to, .target_count = 1}, x.size(), fails{}), std::string);
}
