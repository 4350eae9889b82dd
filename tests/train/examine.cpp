#include <tutti/train/examine.hpp>

#include <doctest/doctest.h>

#include <cstdio>
#include <string>
#include <string_view>

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

TEST_CASE("a layout stands beside those that have a name, with its time and its bytes, or why one cannot be") {
  const operation_list net = operations_of(lenet(), 4);
  const mesh on{{"r", 3}};
  const layout found = layout_called("auto", net, on);
  const std::string text = detail::beside_named_layouts(net, plan_network(net, found, on), on);
  INFO(text);
  const auto ratio_of = [&](const char* label) {
    double seconds = 0, ratio = 0;
    std::size_t most = 0, all = 0;
    const std::size_t at = text.find(std::string("\n") + label + " ");
    REQUIRE(at != std::string::npos);
    REQUIRE(std::sscanf(text.c_str() + at + 1 + std::string_view(label).size(), " %lf s %lf %zu B %zu B", &seconds, &ratio, &most, &all) == 4);
    CHECK(seconds > 0);
    CHECK(all > most);
    CHECK(3 * most >= all);
    return ratio;
  };
  CHECK(ratio_of("this") == 1);
  for (const char* named : {"data", "tensor", "spatial", "hybrid"}) CHECK(ratio_of(named) >= 1);
  operation_list dense({{"batch", 4}, {"features", 6}});
  dense.dense("dense", 5);
  CHECK(detail::beside_named_layouts(dense, plan_network(dense, "", on), on)
            .find("\nspatial      cannot be: the layout 'spatial' cuts height and width, and the network has no convolutions: 'data' and 'tensor' cut it\n") != std::string::npos);
}

TEST_CASE("of a layout that was searched the next best cut of each layer is said") {
  const operation_list net = operations_of(lenet(), 4);
  const mesh on{{"r", 2}};
  const found_layout found = search_layout(net.all(), on);
  const std::string text = detail::shown(net, plan_network(net, found.rules, on), found.rules, on, 0, {.explain = true, .searched = found});
  INFO(text);
  for (std::size_t i : {0u, 3u, 7u, 9u})
    CHECK(text.find(net.all()[i].label.text() + ": " + cut_text(net.all()[i], found.runners_up[i].cut, on) + "; next best " +
                    cut_text(net.all()[i], found.runners_up[i].next, on)) != std::string::npos);
}

TEST_CASE("a long layout is broken into lines where a comma is") {
  CHECK(detail::broken_at_commas("", 5).empty());
  CHECK(detail::broken_at_commas("a:b", 2) == "a:b");
  CHECK(detail::broken_at_commas("a:b,c:d,e:f,g:h", 10) == "a:b,c:d,\n  e:f,g:h");
}
