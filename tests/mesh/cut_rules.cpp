#include <tutti/mesh/cut_rules.hpp>

#include <doctest/doctest.h>

using namespace tutti;

namespace {

constexpr operation_list named_network() {
  operation_list n({{"batch", 2}, {"channels", 3}, {"height", 4}, {"width", 4}});
  for (const char* label : {"conv1", "conv2", "conv3"}) n.convolution(label, 4, {}, {});
  n.pointwise("relu");
  n.flatten("flatten");
  n.dense("dense", 5);
  return n;
}

constexpr mesh on{{"a", 2}, {"b", 2}};
constexpr ruled_cut both{.cut = placement{}.sharded(0, 0).sharded(0, 1), .ruled = 1};
constexpr ruled_cut mixed{.cut = placement{}.sharded(0, 0).sharded(1, 1), .ruled = 3};
constexpr ruled_cut filters{.cut = placement{}.sharded(1, 0).sharded(1, 1), .ruled = 2};
constexpr ruled_cut whole{.cut = {}, .ruled = 1};

}  // namespace

TEST_CASE("what most layers of a kind have in common is said once, and the layout means what was to be written") {
  const operation_list net = named_network();
  const struct {
    std::vector<ruled_cut> cuts;
    const char* text;
  } cases[] = {
      {{both, both, both, {}, {}, both}, "conv*/batch:a+b,dense/batch:a+b"},
      {{both, mixed, both, {}, {}, filters}, "conv*/batch:a+b,conv2/batch:a,conv2/filters:b,dense/units:a+b"},
      {{filters, both, filters, whole, {}, both}, "conv*/filters:a+b,conv2/batch:a+b,conv2/filters:,relu/batch:,dense/batch:a+b"},
      {{filters, both, mixed, {}, {}, {}}, "conv1/filters:a+b,conv2/batch:a+b,conv3/batch:a,conv3/filters:b"},
      {{{}, {}, {}, {}, {}, {}}, ""},
  };
  for (const auto& each : cases) {
    CHECK(layout_of(net.all(), each.cuts, on).text() == each.text);
    const network_plan plan = plan_network(net, std::string_view(each.text), on);
    for (std::size_t i = 0; i < each.cuts.size(); ++i)
      if (contracts(net.all()[i].what)) CHECK(plan.operations[i].cut == each.cuts[i].cut);
  }
  static_assert(layout_of(named_network().all(), {both, both, mixed, {}, {}, {}}, on).rules().size() == 3);
}

TEST_CASE("a name that others begin with as well is no pattern") {
  operation_list n({{"batch", 2}, {"channels", 3}, {"height", 4}, {"width", 4}});
  n.convolution("conv1", 4, {}, {});
  n.pointwise("convex");
  n.convolution("conv2", 4, {}, {});
  CHECK(layout_of(n.all(), {both, {}, both}, on).text() == "conv1/batch:a+b,conv2/batch:a+b");
}

TEST_CASE("how layers are cut is said once for neighbours") {
  const operation_list net = named_network();
  CHECK(cuts_text(net, plan_network(net, "conv*/batch:a+b,conv3/batch:a,conv3/height:b", on), on) ==
        "conv1 to conv2 (2): batch:a+b\nconv3: batch:a,height:b\ndense: whole\n");
}
