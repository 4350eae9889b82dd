#include <tutti/train/training_checks.hpp>

#include <doctest/doctest.h>

#include "stripes.hpp"

using namespace tutti;

TEST_CASE("pictures are no logits, though there are as many of them as classes") {
  const dataset data = stripes::pictures(4, 1);
  const shape sample = stripes::small_network().sample;
  CHECK_THROWS_WITH_AS(detail::need_classes(network(sample).convolution("c", {.filters = 3, .kernel = 6}), data),
                       "the network gives (batch 1, channels 3, height 1, width 1), and the data have 3 classes", error);
}

TEST_CASE("pictures with depth are no pictures without, though there are as many pixels") {
  dataset data = stripes::pictures(4, 1);
  data.height = 3, data.depth = 2;
  CHECK_THROWS_WITH_AS(detail::need_pictures(stripes::small_network(), data),
                       "the network takes (channels 1, height 6, width 6), and the data are 1×2×3×6", error);
  detail::need_pictures(network({{"channels", 1}, {"depth", 2}, {"height", 3}, {"width", 6}}), data);
}

TEST_CASE("a schedule needs an optimiser with a learning rate, and a period") {
  struct plain {
    void update(std::size_t, std::size_t) {}
  };
  struct adjustable : plain {
    void set_learning_rate(double) {}
  };
  detail::need_rate<plain>({});
  detail::need_rate<adjustable>({.rate = learning_rate{}});
  CHECK_THROWS_WITH_AS(detail::need_rate<plain>({.rate = learning_rate{}}),
                       "a learning rate is given for each step, and the optimiser has none that can be set", error);
  CHECK_THROWS_WITH_AS(detail::need_rate<adjustable>({.rate = learning_rate{.period = 0}}),
                       "a learning rate that decays in a period of 0 steps: at least 1 is needed", error);
}
