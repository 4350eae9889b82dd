#include <tutti/kernel/channels_last_lanes.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

namespace cl = tutti::channels_last;

namespace {
template <class T>
std::size_t lanes(std::size_t channels, const T* data) {
  std::size_t found = 0;
  cl::by_lanes<T>(channels, [&]<std::size_t Lanes>(std::integral_constant<std::size_t, Lanes>) { found = Lanes; }, data);
  return found;
}
struct three {
  std::uint8_t of[3];
};
}  // namespace

TEST_CASE("threads take 16 bytes at once where rows and data begin at multiples of that, and else one element") {
  alignas(16) static const std::uint16_t narrow[32] = {};
  alignas(16) static const float floats[8] = {};
  CHECK(lanes(64, narrow) == 8);
  CHECK(lanes(64, narrow + 8) == 8);
  CHECK(lanes(64, narrow + 1) == 1);
  CHECK(lanes(12, narrow) == 1);
  CHECK(lanes(12, floats) == 4);
  CHECK(lanes(0, floats) == 4);
  CHECK(lanes<three>(16, nullptr) == 1);
}

TEST_CASE("lanes are loaded and stored as they stand") {
  alignas(16) double from[8] = {1, 2, 3, 4, 5, 6, 7, 8}, into[8] = {};
  double taken[8];
  cl::load_lanes(taken, from);
  cl::store_lanes(into, taken);
  for (std::size_t i = 0; i < 8; ++i) CHECK(into[i] == from[i]);
}

TEST_CASE("strips take every channel of every row once") {
  auto check = []<std::size_t Lanes>(std::integral_constant<std::size_t, Lanes>, std::size_t rows, std::size_t channels) {
    std::set<std::pair<std::size_t, std::size_t>> seen;
    for (std::size_t i = 0; i < cl::strip<Lanes>::threads(rows, channels); ++i) {
      const cl::strip<Lanes> at(i, rows, channels);
      for (std::size_t k = 0; k < cl::rows_at_once; ++k)
        for (std::size_t j = 0; j < Lanes; ++j)
          if (at.row + k * at.step < rows) CHECK(seen.insert({at.row + k * at.step, at.channel + j}).second);
    }
    CHECK(seen.size() == rows * channels);
  };
  for (std::size_t rows : {0u, 1u, 3u, 4u, 5u, 11u, 16u})
    for (std::size_t channels : {8u, 24u}) {
      check(std::integral_constant<std::size_t, 1>{}, rows, channels);
      check(std::integral_constant<std::size_t, 8>{}, rows, channels);
    }
}
