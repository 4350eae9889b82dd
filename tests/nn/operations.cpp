#include <tutti/nn/operations.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("a network's layers are operations of the same shapes, parameters and names") {
  const network net = lenet();
  const operation_list all = operations_of(net, 4);
  const std::vector<shape> shapes = shapes_of(net, 4);
  REQUIRE(all.all().size() == net.layers.size());
  for (std::size_t t = 0; t < shapes.size(); ++t) {
    REQUIRE(all.shape_of(t).rank() == shapes[t].rank());
    for (std::size_t d = 0; d < shapes[t].rank(); ++d) CHECK(all.shape_of(t)[d].size == shapes[t][d].size);
  }
  CHECK(all.all()[0].label == name("conv1"));
  CHECK(all.all()[0].parameters[0] == shape{{"filters", 16}, {"channels", 1}, {"down", 5}, {"across", 5}});
}
