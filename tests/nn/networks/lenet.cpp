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
