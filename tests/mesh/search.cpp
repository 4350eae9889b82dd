#include <tutti/mesh/search.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace tutti;

namespace {

constexpr window three{.size = 3, .pad_low = 1, .pad_high = 1}, two{.size = 2, .stride = 2};

operation_list small_network(std::size_t batch, std::size_t units) {
  operation_list n({{"batch", batch}, {"channels", 3}, {"height", 16}, {"width", 16}});
  n.convolution("conv1", 8, three, three);
  n.pointwise("relu1");
  n.pool("pool1", two, two);
  n.convolution("conv2", 8, three, three);
  n.flatten("flatten");
  n.dense("dense1", units);
  n.pointwise("relu2");
  return n;
}

double seconds(const operation_list& net, const mesh& on, const std::string& rules) {
  return step_seconds(net.all(), plan_network(net, std::string_view(rules), on), on);
}

}  // namespace

TEST_CASE("the layout that is found costs what it says, and no other way to cut each layer costs less") {
  for (const mesh& on : {mesh{{"p", 2}}, mesh{{"p", 4}}})
    for (const operation_list& net : {small_network(8, 16), small_network(64, 10), small_network(2, 2048)}) {
      const found_layout found = search_layout(net.all(), on);
      CHECK(found.seconds == doctest::Approx(seconds(net, on, found.rules)).epsilon(1e-9));
      double least = -1;
      const auto &first = net.all()[0], &second = net.all()[3], &third = net.all()[5];
      for (const placement& a : detail::busy_cuts(first, on))
        for (const placement& b : detail::busy_cuts(second, on))
          for (const placement& c : detail::busy_cuts(third, on)) {
            const std::string rules = detail::rules_of(first, a, on) + "," + detail::rules_of(second, b, on) + "," + detail::rules_of(third, c, on);
            const double cost = seconds(net, on, rules);
            if (least < 0 || cost < least) least = cost;
          }
      CHECK(found.seconds == doctest::Approx(least).epsilon(1e-9));
    }
}

TEST_CASE("a large dense layer is cut by its units, and convolutions by the batch") {
  const found_layout found = search_layout(small_network(64, 4096).all(), mesh{{"p", 4}});
  CHECK(found.rules.find("conv1/batch:p") != std::string::npos);
  CHECK(found.rules.find("dense1/units:p") != std::string::npos);
}

TEST_CASE("what is no chain is refused") {
  operation_list n({{"batch", 2}, {"features", 3}});
  const std::size_t one = n.dense("a", 3);
  n.dense("b", 3);
  n.sum("c", one, 2);
  CHECK_THROWS_WITH_AS(search_layout(n.all(), mesh{{"p", 2}}),
                       "layer 'c' takes other than what the layer before makes: layouts are searched in chains", error);
}
