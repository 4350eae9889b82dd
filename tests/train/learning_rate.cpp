#include <tutti/train/learning_rate.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("learning rates grow linearly, then stay, fall in steps, or along a cosine") {
  CHECK(learning_rate{.base = 0.5}.at(1000) == 0.5);
  const learning_rate steps{.base = 8, .decay = rate_decay::steps, .period = 3, .factor = 0.5, .warm_up = 4};
  const double expected[] = {2, 4, 6, 8, 8, 8, 8, 4, 4, 4, 2};
  for (std::size_t i = 0; i < 11; ++i) CHECK(steps.at(i) == expected[i]);
  const learning_rate cosine{.base = 2, .decay = rate_decay::cosine, .period = 6, .warm_up = 1};
  CHECK(cosine.at(0) == 2);
  CHECK(cosine.at(1) == 2);
  CHECK(cosine.at(3) == doctest::Approx(1.5));  // cos 60° is a half
  CHECK(cosine.at(4) == doctest::Approx(1));
  CHECK(cosine.at(5) == doctest::Approx(0.5));
  CHECK(cosine.at(7) == 0);
  CHECK(cosine.at(100) == 0);
}
