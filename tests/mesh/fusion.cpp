#include <tutti/mesh/fusion.hpp>

#include <doctest/doctest.h>

using namespace tutti;

namespace {

constexpr window three{.size = 3, .pad_low = 1, .pad_high = 1};

/// A convolution and a ReLU; `skips`: a sum needs what the convolution makes as well.
constexpr operation_list bent(bool skips) {
  operation_list net({{"batch", 4}, {"channels", 2}, {"height", 6}, {"width", 6}});
  const std::size_t made = net.convolution("a", 2, three, three);
  const std::size_t relu = net.pointwise("relu");
  if (skips) net.sum("sum", relu, made);
  return net;
}
constexpr bool fused(const operation_list& net, const char* rules) {
  const mesh on{{"p", 2}};
  return fuses_relu(net, plan_network(net, rules, on), 0);
}

static_assert(fused(bent(false), "batch:p"));
static_assert(fused(bent(false), "a/filters:p"));

}  // namespace

TEST_CASE("a ReLU is done by the kernel before it where nobody else sees what it bends and nothing is moved") {
  CHECK(!fused(bent(true), "batch:p"));
  CHECK(!fused(bent(false), "a/channels:p"));  // a sum is owed before
  const operation_list net = bent(false);
  const network_plan plan = plan_network(net, "", mesh{});
  CHECK(fuses_relu(net, plan, 0));
  CHECK(!fuses_relu(net, plan, 1));  // nothing follows
}
