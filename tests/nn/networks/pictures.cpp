#include <tutti/nn/networks/pictures.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("a sample is one picture") {
  static_assert(imagenet_pictures.sample() == shape{{"channels", 3}, {"height", 224}, {"width", 224}});
  CHECK(pictures{} == cifar_pictures);
}
