#include <tutti/mesh/step_cost.hpp>

#include <doctest/doctest.h>

using namespace tutti;

namespace {

double seconds(const operation_list& net, const mesh& on, const char* rules, const step_costs& costs) {
  return step_seconds(net.all(), plan_network(net, rules, on), on, costs);
}

constexpr window three{.size = 3, .pad_low = 1, .pad_high = 1};
constexpr step_costs only_products{.moves = {.link = {.far_bytes_per_s = 1e300}}, .products_per_s = 1};

}  // namespace

TEST_CASE("what is multiplied is counted, of a group its own channels, forward and for both gradients") {
  operation_list net({{"batch", 4}, {"channels", 6}, {"height", 5}, {"width", 5}});
  net.convolution("a", 6, three, three, operation_list::last, {.groups = 2});
  CHECK(seconds(net, {}, "", only_products) == 3 * 4 * 6 * 25 * 9 * 3);
  CHECK(seconds(net, {{"p", 4}}, "batch:p", only_products) == 3 * 1 * 6 * 25 * 9 * 3);
  CHECK(seconds(net, {{"p", 2}}, "height:p", only_products) == 3 * 4 * 6 * 15 * 9 * 3);
}

TEST_CASE("what a batch norm adds up between ranks is counted, 2C + 1 values and 2C") {
  operation_list net({{"batch", 4}, {"channels", 6}, {"height", 5}, {"width", 5}});
  net.batch_norm("n");
  const step_costs only_bytes{.moves = {.link = {.far_bytes_per_s = 1}}, .products_per_s = 1e300};
  CHECK(seconds(net, {{"p", 2}}, "batch:p", only_bytes) == doctest::Approx(2 * 0.5 * 8 * (13 + 12)));
  CHECK(seconds(net, {{"p", 2}}, "channels:p", only_bytes) == doctest::Approx(0));
}

TEST_CASE("a gradient that is a sum over two axes is added up over both at once") {
  operation_list net({{"batch", 8}, {"features", 6}});
  net.dense("d", 10);
  const step_costs only_bytes{.moves = {.link = {.far_bytes_per_s = 1}}, .products_per_s = 1e300};
  CHECK(seconds(net, {{"a", 2}, {"b", 4}}, "batch:a+b", only_bytes) == doctest::Approx(2 * 7.0 / 8 * 4 * (60 + 10)));
}
