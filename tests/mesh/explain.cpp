#include <tutti/mesh/explain.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace tutti;

namespace {

std::string explained(const operation_list& net, const char* rules, const mesh& on) {
  const network_plan plan = plan_network(net, rules, on);
  return explain(net, plan, on, bill(net, plan, on, {0}, 4, least_bytes{on}));
}

}  // namespace

TEST_CASE("a plan is explained: what is cut, each exchange, its bytes, and why") {
  operation_list net({{"batch", 4}, {"channels", 2}, {"height", 4}, {"width", 4}});
  net.convolution("conv1", 4, {.size = 3, .pad_low = 1, .pad_high = 1}, {.size = 1});
  net.batch_norm("norm1");
  net.pointwise("relu1");
  net.flatten("flatten");
  net.dense("dense1", 6);
  CHECK(explained(net, "conv1/height:data,relu1/batch:data,dense1/features:data", mesh{{"data", 2}}) == "");
}

TEST_CASE("blocks that do the same are named, not repeated") {
  operation_list net({{"batch", 4}, {"channels", 2}, {"height", 4}, {"width", 4}});
  for (const char* label : {"a", "b", "c", "d"}) {
    net.convolution(name(std::string_view(std::string(label) + ".conv")), 2, {.size = 3, .pad_low = 1, .pad_high = 1}, {.size = 1});
    net.pointwise(name(std::string_view(std::string(label) + ".relu")));
  }
  CHECK(explained(net, "*.conv/height:rows", mesh{{"rows", 2}}) == "");
}

TEST_CASE("a bill is a table") {
  operation_list net({{"batch", 4}, {"features", 8}});
  net.dense("dense1", 8);
  net.pointwise("relu1");
  net.dense("dense2", 6);
  const mesh on{{"data", 2}, {"model", 2}};
  const network_plan plan = plan_network(net, "batch:data,dense*/units:model", on);
  CHECK(bill_table(net, on, bill(net, plan, on, {0}, 4, least_bytes{on})) == "");
}
