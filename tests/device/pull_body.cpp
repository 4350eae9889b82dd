#include <tutti/device/pull_body.hpp>

#include <doctest/doctest.h>

#include "../comm/cases.hpp"
#include "../kernel/modular.hpp"
#include "pulled.hpp"

using namespace tutti;

namespace {

template <class T, class Make>
std::vector<std::vector<T>> filled(const pulled::call& c, bool inputs, Make make) {
  std::vector<std::vector<T>> all;
  for (int r = 0; r < c.ranks; ++r) {
    all.emplace_back();
    const std::size_t blocks = inputs ? pulled::input_blocks(c, r) : pulled::output_blocks(c, r);
    for (std::size_t i = 0; i < blocks * c.block; ++i) all.back().push_back(inputs ? make(r, i) : make(-1, i));
  }
  return all;
}

// Equality with the definition, whatever turns threads take.
template <class T, class Op, class Make>
bool right(const pulled::call& c, const Op& op, Make make, std::size_t threads, std::mt19937& random) {
  const auto in = filled<T>(c, true, make), out = filled<T>(c, false, make);
  auto want = pulled::answer(c, in, out, op);
  if (c.in_place && c.what == collective::exclusive_scan) want[0] = in[0];
  return pulled::run(c, in, out, op, threads, random) == want;
}

struct three_bytes {
  std::uint8_t a = 0, b = 0, c = 0;
  friend bool operator==(three_bytes, three_bytes) = default;
};
struct join_three {
  constexpr three_bytes operator()(three_bytes x, three_bytes y) const {
    return {static_cast<std::uint8_t>(x.a + y.a), static_cast<std::uint8_t>(x.b ^ y.b), static_cast<std::uint8_t>(x.c + y.c)};
  }
};

template <class Body>
void for_every_call(Body body) {
  for (const repertoire_entry& entry : repertoire) {
    if (entry.what == collective::barrier) continue;
    for (int p = 1; p <= 8; ++p)
      for (int root : {0, p - 1}) {
        if (root > 0 && !rooted(entry.what)) continue;
        const int most = p <= 4 || p == 7 ? 2 : 1;
        for (int k = 0; k < most; ++k) {
          pulled::call c{.what = entry.what, .how = entry.how, .ranks = p, .root = root};
          c.block = k == 0 ? 53 : 3;
          c.count = k == 0 ? 32 : 3;
          for (bool in_place : {false, true}) {
            // At the root only, or between one memory and another's block.
            if (in_place && (rooted(entry.what) || entry.what == collective::all_gather || entry.what == collective::reduce_scatter)) continue;
            c.in_place = in_place;
            c.shift = in_place ? 0 : static_cast<std::size_t>(k);
            CAPTURE(name_of(c.what));
            CAPTURE(name_of(c.how));
            CAPTURE(p);
            CAPTURE(root);
            CAPTURE(in_place);
            CAPTURE(c.block);
            body(entry, c);
          }
        }
      }
  }
}

}  // namespace

TEST_CASE("every algorithm of every collective, over a prime field, does by pulls what the definition says") {
  std::mt19937 random(20261121);
  for_every_call([&](const repertoire_entry&, const pulled::call& c) {
    CHECK(right<modular>(c, plus{}, [](int r, std::size_t i) { return modular(i * 1000003 + static_cast<std::size_t>(r + 1) * 7919); }, 3, random));
  });
}

TEST_CASE("operands keep the order of ranks wherever the schedule says so") {
  std::mt19937 random(1121);
  for_every_call([&](const repertoire_entry& entry, const pulled::call& c) {
    if (!reduces(c.what) || c.ranks > entry.ordered_up_to) return;
    CHECK(right<cases::affine>(c, cases::compose{}, [](int r, std::size_t i) { return cases::map_of(r + 1, i); }, 2, random));
  });
}

TEST_CASE("elements of no power of two, odd sizes, misaligned memory, more threads than elements") {
  std::mt19937 random(3);
  for (std::size_t block : {0u, 1u, 2u, 5u, 16u, 17u, 100u})
    for (std::size_t shift : {0u, 1u, 3u})
      for (std::size_t threads : {1u, 5u, 130u})
        for (algorithm how : {algorithm::one_shot, algorithm::two_shot}) {
          const pulled::call c{.how = how, .ranks = 3, .block = block, .count = block, .shift = shift};
          CAPTURE(block);
          CAPTURE(shift);
          CAPTURE(threads);
          auto bytes = [](int r, std::size_t i) {
            return three_bytes{static_cast<std::uint8_t>(r * 50 + 7), static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i * 3 + 1)};
          };
          CHECK(right<three_bytes>(c, join_three{}, bytes, threads, random));
          CHECK(right<std::uint8_t>(c, plus{}, [](int r, std::size_t i) { return static_cast<std::uint8_t>(r * 91 + static_cast<int>(i)); }, threads, random));
          CHECK(right<double>(c, maximum{}, [](int r, std::size_t i) { return static_cast<double>((i * 7 + static_cast<std::size_t>(r + 1) * 5) % 11); }, threads, random));
        }
}

TEST_CASE("short floats are added up in float, and rounded once") {
  std::mt19937 random(4);
  for (algorithm how : {algorithm::one_shot, algorithm::two_shot})
    for (std::size_t shift : {0u, 1u}) {
      const pulled::call c{.how = how, .ranks = 5, .block = 99, .count = 99, .shift = shift};
      // 2048 + 1 is 2048 in half: one at a time, nothing would be added.
      auto value = [](int r, std::size_t i) { return half(r == 0 ? 2048.0f + static_cast<float>(2 * (i % 5)) : 1.0f); };
      CHECK(right<half>(c, plus{}, value, 4, random));
      const auto in = filled<half>(c, true, value);
      const auto out = pulled::run(c, in, filled<half>(c, false, value), plus{}, 2, random);
      CHECK(static_cast<float>(out[3][0]) == 2052.0f);
      CHECK(right<bfloat16>(c, plus{}, [](int r, std::size_t i) { return bfloat16(static_cast<float>(r) + static_cast<float>(i) / 3); }, 4, random));
      // 16 + 1 is 16 in e4m3; 16 bytes are 16 elements.
      auto little = [](int r, std::size_t i) { return fp8_e4m3(r == 0 ? 16.0f + static_cast<float>(2 * (i % 5)) : 1.0f); };
      CHECK(right<fp8_e4m3>(c, plus{}, little, 4, random));
      const auto made = pulled::run(c, filled<fp8_e4m3>(c, true, little), filled<fp8_e4m3>(c, false, little), plus{}, 2, random);
      CHECK(static_cast<float>(made[3][0]) == 20.0f);
      CHECK(right<fp8_e5m2>(c, plus{}, [](int r, std::size_t i) { return fp8_e5m2(static_cast<float>(r) - static_cast<float>(i) / 3); }, 4, random));
    }
  static_assert(std::is_same_v<wide<half, plus>, float> && std::is_same_v<wide<fp8_e5m2, plus>, float> && std::is_same_v<wide<float, plus>, float>);
}
