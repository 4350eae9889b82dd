#include <tutti/nn/network.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("a network is a value: layers in a row, each with a name, and where it takes its operands") {
  constexpr auto make = [] {
    network net({{"channels", 2}, {"height", 6}, {"width", 5}});
    net.convolution("conv1", {.filters = 4, .kernel = 3, .padding = 1, .bias = false}).batch_norm("norm1").relu();
    return net.from("input").convolution("skip", {.filters = 4}).sum("sum", "relu1").relu();
  };
  static_assert(make().layers[5].label == name("relu2"));
  const network net = make();
  CHECK(net.layers[0].through == net.layers[0].across);
  CHECK(net.layers[3].from == name("input"));
  CHECK(net.layers[4].from == name());
  CHECK(net.layers[4].other == name("relu1"));
  CHECK(net == make());
  network shorter = net;
  shorter.layers.pop_back();
  CHECK(!(shorter == net));
}
