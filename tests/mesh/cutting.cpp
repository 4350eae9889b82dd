#include <tutti/mesh/cutting.hpp>

#include <doctest/doctest.h>

using namespace tutti;

namespace {
constexpr mesh on{{"a", 2}, {"b", 2}};
}

TEST_CASE("a cut says where operands, results and gradients lie") {
  operation_list net({{"batch", 4}, {"channels", 6}, {"height", 5}, {"width", 5}});
  net.convolution("conv", 8, {}, {});
  const tensor_operation& o = net.all()[0];  // over batch, filters, height, width, channels
  const placement cut = placement{}.sharded(1, 0).sharded(4, 1);
  const placement at = detail::operand_of(o, cut), made = detail::result_of(o, cut, at, on);
  CHECK(at == placement{}.sharded(1, 1));
  CHECK(made == placement{}.sharded(1, 0).with_partial(1));
  const placement dy = detail::gradient_needed(made, placement{}.sharded(1, 0), on);
  CHECK(dy == placement{}.sharded(1, 0));
  CHECK(detail::gradient_of(at, cut, made, dy, on) == placement{}.sharded(1, 1).with_partial(0));
  CHECK(detail::sums_taken(o, cut, on) == 0);
}

TEST_CASE("groups and features come in whole pieces") {
  operation_list net({{"batch", 4}, {"channels", 6}, {"height", 5}, {"width", 5}});
  net.convolution("conv", 9, {}, {}, operation_list::last, {.groups = 3});
  net.flatten("flatten");
  const tensor_operation &conv = net.all()[0], &flatten = net.all()[1];
  CHECK(detail::whole_pieces(conv, placement{}.sharded(0, 0), on));
  CHECK(!detail::whole_pieces(conv, placement{}.sharded(1, 0), on));
  CHECK(detail::whole_pieces(conv, placement{}.sharded(1, 0), mesh{{"a", 3}}));
  CHECK(!detail::whole_pieces(flatten, placement{}.sharded(1, 0), on));
  CHECK(detail::sums_taken(flatten, placement{}.sharded(0, 0), on) == 2);
  CHECK(detail::staying(flatten, {}, placement{}.sharded(1, 0).sharded(0, 1), 0, on) == placement{}.sharded(0, 1));
}
