#include <tutti/mesh/tensor_operation.hpp>

#include <doctest/doctest.h>

using namespace tutti;

namespace {
constexpr operation_list two_layers() {
  operation_list n({{"batch", 2}, {"channels", 3}, {"height", 8}, {"width", 6}});
  n.convolution("conv1", 4, {.size = 3}, {.size = 3, .stride = 2, .pad_low = 1});
  n.flatten("flatten");
  n.dense("dense1", 10);
  return n;
}
}  // namespace

static_assert(two_layers().shape_of(1) == shape{{"batch", 2}, {"filters", 4}, {"height", 6}, {"width", 3}});
static_assert(two_layers().all()[0].over() == shape{{"batch", 2}, {"filters", 4}, {"height", 6}, {"width", 3}, {"channels", 3}});
static_assert(two_layers().all()[1].over() == shape{{"batch", 2}, {"channels", 4}});
static_assert(two_layers().all()[2].parameters[0] == shape{{"units", 10}, {"features", 72}});

TEST_CASE("what one operation calls filters or units, the next calls channels or features") {
  operation_list n = two_layers();
  CHECK(n.all()[1].x == shape{{"batch", 2}, {"channels", 4}, {"height", 6}, {"width", 3}});
  n.pointwise("relu");
  CHECK(n.all()[3].x == shape{{"batch", 2}, {"features", 10}});
  n.loss("loss");
  CHECK(n.all()[4].x == shape{{"batch", 2}, {"classes", 10}});
}

TEST_CASE("an operation can take a tensor made before") {
  operation_list n({{"batch", 2}, {"channels", 3}, {"height", 8}, {"width", 6}});
  const std::size_t one = n.pointwise("one"), other = n.pointwise("other", 0);
  n.sum("sum", one, other);
  CHECK(n.all()[1].inputs == std::vector<std::size_t>{0});
  CHECK(n.all()[2].inputs == std::vector<std::size_t>{1, 2});
  const std::size_t small = n.pool("pool", {.size = 2, .stride = 2}, {.size = 2, .stride = 2});
  CHECK_THROWS_WITH_AS(n.sum("wrong", one, small),
                       "layer 'wrong' adds (batch 2, channels 3, height 8, width 6) and (batch 2, channels 3, height 4, width 3), which 'one' and 'pool' make: they must be alike", error);
}

TEST_CASE("filters in groups read the channels of their group only, and what cannot be is refused in a sentence") {
  operation_list n({{"batch", 2}, {"channels", 4}, {"height", 8}, {"width", 6}});
  n.convolution("grouped", 6, {.size = 3}, {.size = 3}, operation_list::last, {.groups = 2, .bias = false});
  const tensor_operation& o = n.all()[0];
  CHECK(o.parameters == std::vector<shape>{{{"filters", 6}, {"channels", 2}, {"down", 3}, {"across", 3}}});
  CHECK(!o.has_bias());
  CHECK(o.over() == o.y);
  CHECK_THROWS_WITH_AS(n.convolution("wrong", 6, {}, {}, operation_list::last, {.groups = 4}),
                       "layer 'wrong' has 4 groups, which must divide its 6 channels and its 6 filters", error);
  CHECK_THROWS_WITH_AS(n.dropout("drop", 1), "layer 'drop' drops 1 of its elements; a part is at least 0 and below 1", error);
}

TEST_CASE("a batch norm has a scale and a shift for each channel, or for each feature") {
  operation_list n({{"batch", 2}, {"channels", 3}, {"height", 8}, {"width", 6}});
  n.batch_norm("norm");
  n.average_pool("all", {.size = 8}, {.size = 6});
  CHECK(n.all()[0].parameters == std::vector<shape>(2, {{"channels", 3}}));
  CHECK(n.shape_of(2) == shape{{"batch", 2}, {"channels", 3}, {"height", 1}, {"width", 1}});
  n.flatten("flatten");
  n.dropout("drop", 0.5);
  n.batch_norm("norm2");
  CHECK(n.all().back().parameters == std::vector<shape>(2, {{"features", 3}}));
}
