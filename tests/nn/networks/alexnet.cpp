#include <tutti/nn/networks/alexnet.hpp>

#include <doctest/doctest.h>

#include <tutti/nn/parameter.hpp>

using namespace tutti;

TEST_CASE("AlexNet has the published parameters, and dense layers read 256 channels of 6 by 6") {
  CHECK(learned_numbers(alexnet()) == 60'965'224);
  const std::vector<parameter> all = parameters_of(alexnet());
  CHECK(all[2].dims == shape{{"filters", 256}, {"channels", 48}, {"down", 5}, {"across", 5}});
  CHECK(all[10].dims == shape{{"units", 4096}, {"features", 256 * 6 * 6}});
  CHECK_THROWS_WITH_AS((void)shapes_of(alexnet(cifar_pictures), 1), "layer 'pool5' reads 3 places along a height of 1 with padding; up to here pictures need a height of 63 or more", error);
}
