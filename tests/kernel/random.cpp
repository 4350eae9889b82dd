#include <tutti/kernel/random.hpp>

#include <doctest/doctest.h>

using tutti::philox;
using tutti::random_stream;
using words = std::array<std::uint32_t, 4>;

TEST_CASE("Philox gives the values that its authors publish") {
  // kat_vectors of Random123: philox4x32, 10 rounds.
  static_assert(philox({0, 0, 0, 0}, {0, 0}) == words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  static_assert(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
                words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  static_assert(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
                words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
  CHECK(philox({0, 0, 0, 0}, {0, 0})[0] == 0x6627e8d5);
}

TEST_CASE("Seed and purpose each make another stream, and bounds hold") {
  constexpr random_stream a{.seed = 1, .purpose = 1}, b{.seed = 2, .purpose = 1}, c{.seed = 1, .purpose = 2};
  static_assert(a.at(0) != b.at(0) && a.at(0) != c.at(0) && a.at(0) != a.at(1) &&
                a.at(0) != a.at(std::uint64_t{1} << 32));
  for (std::uint64_t i = 0; i < 1000; ++i) {
    REQUIRE(a.uniform(i) >= 0);
    REQUIRE(a.uniform(i) < 1);
    for (std::uint64_t bound : {std::uint64_t{1}, std::uint64_t{7}, std::uint64_t{0xffffffff}}) {
      REQUIRE(a.below(i, bound) < bound);
      // Exactly ⌊bits · bound / 2⁶⁴⌋.
      REQUIRE(a.below(i, bound) == static_cast<std::uint64_t>(static_cast<unsigned __int128>(a.at(i)) * bound >> 64));
    }
  }
}
