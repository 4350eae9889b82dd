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

/// A block whose skip is what it begins with, and one whose skip is projected.
operation_list normed_block(std::size_t channels, std::size_t places) {
  operation_list n({{"batch", 4}, {"channels", channels}, {"height", places}, {"width", places}});
  const std::size_t skip = n.convolution("a", channels, three, three, operation_list::last, {.bias = false});
  const std::size_t norm = n.batch_norm("norm");
  n.sum("sum", n.convolution("b", channels, three, three, norm), skip);
  return n;
}
operation_list projected_block(std::size_t channels, std::size_t places) {
  operation_list n({{"batch", 2}, {"channels", channels}, {"height", places}, {"width", 2}});
  const std::size_t skip = n.convolution("skip", 2 * channels, two, two);
  n.sum("sum", n.convolution("a", 2 * channels, two, two, 0), skip);
  n.pointwise("relu");
  return n;
}
operation_list dense_block(std::size_t batch, std::size_t features) {
  operation_list n({{"batch", batch}, {"features", features}});
  const std::size_t relu = n.pointwise("relu");
  n.sum("sum", n.dense("b", features, n.dense("a", 7)), relu);
  n.dropout("drop", 0.5);
  return n;
}

operation_list dense_skip(std::size_t batch, std::size_t features) {
  operation_list n({{"batch", batch}, {"features", features}});
  const std::size_t relu = n.pointwise("relu");
  n.sum("sum", n.dense("a", features), relu);
  return n;
}

/// Blocks that are alike, but for where they stand.
operation_list alike_blocks(std::size_t batch, std::size_t features, std::size_t blocks) {
  constexpr name labels[] = {"a", "b", "c", "d"};
  operation_list n({{"batch", batch}, {"features", features}});
  std::size_t at = 0;
  for (std::size_t i = 0; i < blocks; ++i) at = n.sum(i == 0 ? "sum1" : "sum2", n.dense(labels[i], features, at), at);
  return n;
}

double seconds(const operation_list& net, const mesh& on, const layout& rules, const step_costs& costs = {}) {
  return step_seconds(net.all(), plan_network(net, rules, on, costs.moves), on, costs);
}

/// The least of all combinations of cuts of all operations, each said in full; where one is
/// told how not to be cut, of all others.
double least_of_all(const operation_list& net, const mesh& on, const step_costs& costs, std::size_t& plans, std::size_t told = operation_list::last,
                    const placement& never = {}) {
  std::vector<layout> combinations(1);
  for (std::size_t i = 0; i < net.all().size(); ++i) {
    const tensor_operation& o = net.all()[i];
    std::vector<placement> cuts;
    for (const detail::cut_choice& c : detail::choices_of(o, on))
      if ((cuts.empty() || !(c.cut == cuts.back())) && !(i == told && c.cut == never)) cuts.push_back(c.cut);
    std::vector<layout> next;
    for (const layout& before : combinations)
      for (const placement& cut : cuts) {
        next.push_back(before);
        detail::add_rules(next.back(), o.label, o, {cut, (1u << o.over().rank()) - 1}, on);
      }
    combinations = next;
  }
  double least = -1;
  for (const layout& rules : combinations) {
    const double cost = seconds(net, on, rules, costs);
    if (least < 0 || cost < least) least = cost;
  }
  plans += combinations.size();
  return least;
}

}  // namespace

TEST_CASE("of blocks with skips, the layout that is found costs what it says, and no other way to cut everything costs less") {
  std::size_t plans = 0;
  for (double products_per_s : {1e7, 1e9, 1e11}) {
    const step_costs costs{.products_per_s = products_per_s};
    auto check = [&](const operation_list& net, const mesh& on) {
      const found_layout found = search_layout(net.all(), on, costs);
      CAPTURE(found.rules.text());
      CHECK(found.seconds == doctest::Approx(seconds(net, on, found.rules, costs)).epsilon(1e-9));
      CHECK(found.seconds == doctest::Approx(least_of_all(net, on, costs, plans)).epsilon(1e-9));
      CHECK(search_layout(net.all(), on, costs).rules.text() == found.rules.text());
      REQUIRE(found.runners_up.size() == net.all().size());
      for (std::size_t i = 0; i < net.all().size(); ++i) {
        const runner_up& r = found.runners_up[i];
        CHECK(r.any);
        CHECK(!(r.next == r.cut));
        CHECK(found.seconds + r.more_seconds == doctest::Approx(least_of_all(net, on, costs, plans, i, r.cut)).epsilon(1e-9));
      }
    };
    check(normed_block(3, 4), {{"p", 2}});
    check(normed_block(16, 1), {{"p", 3}});
    check(projected_block(2, 6), {{"p", 4}});
    check(dense_block(4, 6), {{"p", 2}});
    check(dense_block(3, 64), {{"p", 4}});
    check(alike_blocks(4, 6, 2), {{"p", 2}});
    check(alike_blocks(2, 64, 2), {{"p", 3}});
  }
  const operation_list net = dense_skip(4, 32);
  const mesh on{{"a", 2}, {"b", 2}};
  CHECK(search_layout(net.all(), on).seconds == doctest::Approx(least_of_all(net, on, {}, plans)).epsilon(1e-9));
  MESSAGE("plans compared: " << plans);
}

TEST_CASE("a large dense layer is cut by its units, and convolutions by the batch") {
  const found_layout found = search_layout(small_network(64, 4096).all(), mesh{{"p", 4}});
  CHECK(found.rules.text().find("conv*/batch:p") != std::string::npos);
  CHECK(found.rules.text().find("dense1/units:p") != std::string::npos);
}

TEST_CASE("on three axes as well, what is found costs what it says, and no more than the batch alone") {
  const mesh on{{"a", 2}, {"b", 2}, {"c", 2}};
  for (const operation_list& net : {small_network(64, 4096), normed_block(16, 8), alike_blocks(8, 64, 2)}) {
    const found_layout found = search_layout(net.all(), on);
    CAPTURE(found.rules.text());
    CHECK(found.seconds == doctest::Approx(seconds(net, on, found.rules)).epsilon(1e-9));
    for (const char* rules : {"batch:a+b+c", "batch:a+b", "batch:c+b+a"}) CHECK(found.seconds <= seconds(net, on, rules) * (1 + 1e-9));
  }
}

TEST_CASE("one rank has nothing to cut, and what has too many ways is refused") {
  CHECK(search_layout(small_network(2, 3).all(), mesh{}).rules.rules().empty());
  CHECK(search_layout({}, mesh{{"p", 2}}).seconds == 0);
  CHECK_THROWS_WITH_AS(search_layout(normed_block(8, 8).all(), mesh{{"a", 2}, {"b", 2}, {"c", 2}, {"d", 2}}),
                       "layouts are searched on meshes of at most three axes, and not on a=2,b=2,c=2,d=2", error);
  CHECK_THROWS_WITH_AS(search_layout(normed_block(8, 8).all(), mesh{{"p", 2}}, {}, 20),
                       "layer 'b' may be cut in 5 ways, with 8 of what comes behind it: too many to search", error);
}
