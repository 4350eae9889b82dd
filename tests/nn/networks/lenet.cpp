#include <tutti/nn/networks/lenet.hpp>

#include <doctest/doctest.h>

#include <tutti/nn/parameter.hpp>

using namespace tutti;

TEST_CASE("LeNet's shapes and parameters") {
  static_assert(shapes_of(lenet(), 9).back() == shape{{"batch", 9}, {"features", 10}});
  static_assert(shapes_of(lenet(), 9)[4] == shape{{"batch", 9}, {"channels", 32}, {"height", 10}, {"width", 10}});
  static_assert(learned_numbers(lenet()) == 16 * 26 + 32 * 401 + 128 * 801 + 10 * 129);
  CHECK(shapes_of(lenet(cifar_pictures), 1).back().of("features") == 10);
}

TEST_CASE("LeNet-5 has the published number of parameters, on 28 places padded as on 32") {
  static_assert(learned_numbers(lenet5()) == 61'706);
  static_assert(learned_numbers(lenet5({.channels = 1, .height = 32, .width = 32})) == 61'706);
  static_assert(shapes_of(lenet5(), 9)[4] == shape{{"batch", 9}, {"channels", 16}, {"height", 10}, {"width", 10}});
  CHECK(shapes_of(lenet5(cifar_pictures), 1).back().of("features") == 10);
}
