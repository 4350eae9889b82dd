#include <tutti/nn/networks/resnet.hpp>

#include <doctest/doctest.h>

#include <tutti/nn/parameter.hpp>

using namespace tutti;

TEST_CASE("Residual networks have the published parameters and layers with weights") {
  const struct {
    network net;
    std::size_t depth, parameters;
  } all[] = {{resnet18(), 18, 11'689'512},
             {resnet34(), 34, 21'797'672},
             {resnet50(), 50, 25'557'032},
             {resnet101(), 101, 44'549'160},
             {resnet152(), 152, 60'192'808},
             {resnet18(cifar_pictures), 18, 11'173'962}};
  for (const auto& each : all) {
    CHECK(learned_numbers(each.net) == each.parameters);
    std::size_t with_weights = 0;
    for (const layer& o : each.net.layers) with_weights += o.has_weights() && o.label.view().back() != 's';
    CHECK(with_weights == each.depth);
  }
}

TEST_CASE("Stages halve the picture, and skips join where they began") {
  const network net = resnet50();
  const std::vector<shape> shapes = shapes_of(net, 1);
  const operation_list operations = operations_of(net, 1);
  std::vector<std::string> sums;
  for (std::size_t i = 0; i < net.layers.size(); ++i) {
    if (net.layers[i].kind != layer_kind::sum) continue;
    const std::vector<std::size_t>& operands = operations.all()[i].inputs;
    sums.push_back(format("%s+%s %zu %zu", net.layers[operands[0] - 1].label.text().c_str(), net.layers[operands[1] - 1].label.text().c_str(),
                          shapes[i + 1].of("channels"), shapes[i + 1].of("height")));
  }
  REQUIRE(sums.size() == 16);
  CHECK(sums[0] == "norm2_1c+norm2_1s 256 56");
  CHECK(sums[1] == "norm2_2c+relu4 256 56");
  CHECK(sums[3] == "norm3_1c+norm3_1s 512 28");
  CHECK(sums[15] == "norm5_3c+relu46 2048 7");
  CHECK(shapes_of(resnet18(cifar_pictures), 1)[1].of("height") == 32);
  static_assert(shapes_of(resnet({.blocks = {1, 1, 1, 1}}, cifar_pictures), 1).back().of("features") == 10);
}
