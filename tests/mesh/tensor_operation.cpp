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
                       "layer 'wrong' adds (batch 2, channels 3, height 8, width 6) and (batch 2, channels 3, height 4, width 3)", error);
}
