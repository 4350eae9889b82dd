#include <tutti/train/training_checks.hpp>

#include <doctest/doctest.h>

#include "stripes.hpp"

using namespace tutti;

TEST_CASE("data that do not fit a network are refused in a sentence") {
  dataset data = stripes::pictures(4, 1);
  const network net = stripes::small_network();
  detail::need_pictures(net, data);
  detail::need_classes(net, data);
  detail::need_labels(data, 3);
  CHECK_THROWS_WITH_AS(detail::need_classes(network(net.sample).flatten().dense("d", {.units = 2}), data),
                       "the network gives (batch 1, features 2), and the data have 3 classes", error);
  CHECK_THROWS_WITH_AS(detail::need_classes(network(net.sample).convolution("c", {.filters = 3, .kernel = 6}), data),
                       "the network gives (batch 1, channels 3, height 1, width 1), and the data have 3 classes", error);
  data.labels[2] = 3;
  CHECK_THROWS_WITH_AS(detail::need_labels(data, 3), "label 3 of sample 2 is out of range: the network has 3 classes", error);
  data.height = 5;
  CHECK_THROWS_WITH_AS(detail::need_pictures(net, data),
                       "the network takes (channels 1, height 6, width 6), and the data are 1×5×6", error);
  data.height = 3, data.depth = 2;
  CHECK_THROWS_WITH_AS(detail::need_pictures(net, data),
                       "the network takes (channels 1, height 6, width 6), and the data are 1×2×3×6", error);
  detail::need_pictures(network({{"channels", 1}, {"depth", 2}, {"height", 3}, {"width", 6}}), data);
  data.height = 6, data.depth = 1, data.labels.pop_back();
  CHECK_THROWS_WITH_AS(detail::need_pictures(net, data), "4 samples are said to be in 3 labels and 144 pixels", error);
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
