#include <tutti/nn/networks/voxnet.hpp>

#include <doctest/doctest.h>

#include <tutti/nn/parameter.hpp>

using namespace tutti;

TEST_CASE("VoxNet has the published parameters, and is a network of flat pictures too") {
  static_assert(learned_numbers(voxnet()) == 921'736);
  CHECK(shapes_of(voxnet(), 2)[6] == shape{{"batch", 2}, {"channels", 32}, {"depth", 6}, {"height", 6}, {"width", 6}});
  CHECK(parameters_of(voxnet())[2].dims == shape{{"filters", 32}, {"channels", 32}, {"through", 3}, {"down", 3}, {"across", 3}});
  CHECK(shapes_of(voxnet(cifar_pictures), 2)[6] == shape{{"batch", 2}, {"channels", 32}, {"height", 6}, {"width", 6}});
}
