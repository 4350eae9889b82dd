#include <tutti/train/augmentation.hpp>

#include <cstdlib>

#include <doctest/doctest.h>

using namespace tutti;

static_assert(variation_of({}, 1, 2, 3) == variation{}, "nothing asked for, nothing done");

TEST_CASE("flips and shifts take every value about equally often, and depend on seed, epoch and sample") {
  const augmentation how{.flip = true, .crop = 2};
  int mirrored = 0, at[5][5] = {}, moved[3] = {};
  const int samples = 10000;
  for (std::size_t i = 0; i < samples; ++i) {
    const variation v = variation_of(how, 1, 3, i);
    mirrored += v.mirrored;
    REQUIRE((v.down >= -2 && v.down <= 2 && v.across >= -2 && v.across <= 2));
    ++at[v.down + 2][v.across + 2];
    moved[0] += !(v == variation_of(how, 2, 3, i));
    moved[1] += !(v == variation_of(how, 1, 4, i));
    moved[2] += !(v == variation_of(how, 1, 3, i + 1));
  }
  // Within five standard deviations of what chance gives: √(n p (1 − p)).
  CHECK(std::abs(mirrored - samples / 2) < 250);
  for (const auto& row : at)
    for (int times : row) CHECK(std::abs(times - samples / 25) < 98);
  for (int times : moved) CHECK(std::abs(times - samples * 49 / 50) < 70);
}
