#include <tutti/train/examine.hpp>

#include <doctest/doctest.h>

#include <tutti/nn/networks/lenet.hpp>

using namespace tutti;

TEST_CASE("a picture that cannot be written is refused with its path") {
  CHECK(!examination{}.any());
  CHECK_THROWS_WITH_AS(detail::write_file("no/such/folder/drawn.svg", ""), "no/such/folder/drawn.svg: cannot be written: No such file or directory", error);
}

TEST_CASE("what is explained begins with the layout, how much is learned, and what a step costs") {
  const operation_list net = operations_of(lenet(), 4);
  const layout rules = "batch:r";
  const mesh on{{"r", 2}};
  const std::string text = detail::shown(net, plan_network(net, rules, on), rules, on, learned_numbers(lenet()), {.explain = true});
  CHECK(text.find("layout batch:r\n117066 parameters, ") == 0);
}
