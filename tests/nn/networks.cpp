#include <tutti/nn/networks.hpp>

#include <doctest/doctest.h>

#include <tutti/mesh/named_layout.hpp>
#include <tutti/nn/operations.hpp>

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
                       "no network is called 'resnet'; there are lenet, lenet5, alexnet, vgg16, resnet18, resnet34, resnet50, resnet101, resnet152, voxnet",
                       error);
}

TEST_CASE("the planner takes every network under every layout that has a name, and the compiler knows it of small ones") {
  const mesh grid{{"data", 2}, {"model", 3}};
  for (const char* layout : {"data", "tensor", "spatial", "hybrid", "auto"})
    for (const known_network& each : known_networks) {
      CAPTURE(layout);
      CAPTURE(each.label);
      const operation_list net = operations_of(each.make(each.usual), 6);
      for (const mesh& on : {mesh{{"ranks", 5}}, grid}) {
        const network_plan plan = plan_network(net, layout_called(layout, net, on), on);
        bool cut = false;
        for (const operation_plan& o : plan.operations) cut |= !(o.cut == placement{});
        CHECK(cut);
      }
    }
  // Compilers give up after so many steps, each assertion on its own.
  constexpr auto operations = [](const char* layout) {
    constexpr mesh line{{"ranks", 2}};
    const operation_list net = operations_of(lenet(), 4);
    return plan_network(net, layout_called(layout, net, line), line).operations.size();
  };
  static_assert(operations("data") == 10);
  static_assert(operations("tensor") == 10);
  static_assert(operations("spatial") == 10);
  static_assert(operations("hybrid") == 10);
}
