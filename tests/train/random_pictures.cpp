#include <tutti/train/random_pictures.hpp>

#include <doctest/doctest.h>

#include <algorithm>

#include "stripes.hpp"

using namespace tutti;

TEST_CASE("random pictures fit their network, and the first of many are those of few") {
  const dataset few = random_pictures(stripes::small_network(), 20, 7), many = random_pictures(stripes::small_network(), 50, 7);
  CHECK(few.sample_size() == 36);
  CHECK(few.pixels.size() == 20 * 36);
  CHECK(few.classes == 3);
  CHECK(std::equal(few.pixels.begin(), few.pixels.end(), many.pixels.begin()));
  CHECK(std::equal(few.labels.begin(), few.labels.end(), many.labels.begin()));
  CHECK(*std::max_element(many.labels.begin(), many.labels.end()) == 2);
  CHECK(few.pixels != random_pictures(stripes::small_network(), 20, 8).pixels);
  const dataset deep = random_pictures(network({{"channels", 2}, {"depth", 3}, {"height", 4}, {"width", 5}}).flatten().dense("d", {.units = 4}), 6, 1);
  CHECK(deep.depth == 3);
  CHECK(deep.pixels.size() == 6 * 2 * 3 * 4 * 5);
}
