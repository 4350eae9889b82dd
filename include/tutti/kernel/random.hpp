#pragma once
#include <array>
#include <cstdint>

namespace tutti {

/// Random bits as a pure function of a key and a counter, the same on every
/// rank and machine and in any order: Philox4x32-10 (Salmon, Moraes, Dror and
/// Shaw, Parallel random numbers: as easy as 1, 2, 3, 2011).
constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    std::uint64_t a = std::uint64_t{0xD2511F53u} * counter[0];
    std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// Which random numbers: those of a seed, for a purpose (the number of a
/// parameter, of an epoch). Number i of a stream is at(i).
struct random_stream {
  std::uint64_t seed = 0;
  std::uint64_t purpose = 0;

  constexpr std::uint64_t at(std::uint64_t i) const {
    auto bits = philox({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i >> 32),
                        static_cast<std::uint32_t>(purpose), static_cast<std::uint32_t>(purpose >> 32)},
                       {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
    return bits[0] | static_cast<std::uint64_t>(bits[1]) << 32;
  }

  /// Number i as a real one in [0, 1), a multiple of 2⁻⁵³.
  constexpr double uniform(std::uint64_t i) const { return static_cast<double>(at(i) >> 11) * 0x1p-53; }

  /// Number i as a whole one in [0, bound), bound > 0 and below 2³²: the upper
  /// half of a product, uneven by less than bound/2⁶⁴.
  constexpr std::uint64_t below(std::uint64_t i, std::uint64_t bound) const {
    std::uint64_t bits = at(i);
    return ((bits >> 32) * bound + ((bits & 0xffffffffu) * bound >> 32)) >> 32;
  }
};

}  // namespace tutti
