#include <tutti/nn/networks.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("networks have names") {
  static_assert(network_called("lenet").make(mnist_pictures) == lenet());
  for (const known_network& each : known_networks) {
    CHECK((network_called(each.label).make == each.make));
    const network net = each.make(each.usual);
    CHECK(net.sample == each.usual.sample());
    CHECK(shapes_of(net, 1).back() == shape{{"batch", 1}, {"features", each.usual.classes}});
  }
  CHECK_THROWS_WITH_AS((void)network_called("resnet"),
                       "no network is called 'resnet'; there are lenet, alexnet, vgg16, resnet18, resnet34, resnet50, resnet101, resnet152",
                       error);
}
