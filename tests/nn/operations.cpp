#include <tutti/nn/operations.hpp>

#include <doctest/doctest.h>

#include <tutti/nn/networks.hpp>
#include <tutti/nn/parameter.hpp>

using namespace tutti;

TEST_CASE("a network's layers are operations of the same operands, shapes and names") {
  for (const known_network& each : known_networks) {
    const network net = each.make(each.usual);
    const operation_list all = operations_of(net, 4);
    const std::vector<shape> shapes = shapes_of(net, 4);
    const std::vector<layer_operands> operands = operands_of(net);
    REQUIRE(all.all().size() == net.layers.size());
    for (std::size_t t = 0; t < shapes.size(); ++t) {
      REQUIRE(all.shape_of(t).rank() == shapes[t].rank());
      for (std::size_t d = 0; d < shapes[t].rank(); ++d) REQUIRE(all.shape_of(t)[d].size == shapes[t][d].size);
    }
    for (std::size_t i = 0; i < net.layers.size(); ++i) {
      const tensor_operation& o = all.all()[i];
      CHECK(o.label == net.layers[i].label);
      CHECK(o.inputs[0] == operands[i].x);
      if (net.layers[i].kind == layer_kind::sum) CHECK(o.inputs[1] == operands[i].other);
    }
  }
  CHECK(operations_of(lenet(), 4).all()[0].parameters[0] == shape{{"filters", 16}, {"channels", 1}, {"down", 5}, {"across", 5}});
}

TEST_CASE("what the planner cuts are the parameters that a network learns") {
  for (const known_network& each : known_networks) {
    const operation_list operations = operations_of(each.make(each.usual), 2);
    std::vector<shape> cut;
    for (const tensor_operation& o : operations.all())
      cut.insert(cut.end(), o.parameters.begin(), o.parameters.end());
    const std::vector<parameter> learned = parameters_of(each.make(each.usual));
    REQUIRE(cut.size() == learned.size());
    for (std::size_t i = 0; i < cut.size(); ++i) CHECK(cut[i] == learned[i].dims);
  }
}
