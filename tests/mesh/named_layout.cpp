#include <tutti/mesh/named_layout.hpp>

#include <doctest/doctest.h>

using namespace tutti;

namespace {

constexpr window three{.size = 3, .pad_low = 1, .pad_high = 1};

constexpr operation_list small_network(std::size_t groups = 1) {
  operation_list n({{"batch", 4}, {"channels", 6}, {"height", 5}, {"width", 4}});
  n.convolution("conv1", 6, three, three);
  const std::size_t skip = n.batch_norm("norm1");
  n.convolution("conv2", 6, three, three, operation_list::last, {.groups = groups, .bias = false});
  n.sum("sum", n.batch_norm("norm2"), skip);
  n.average_pool("pool", {.size = 5, .stride = 5}, {.size = 4, .stride = 4});
  n.flatten("flatten");
  n.dense("dense", 5);
  return n;
}

constexpr mesh one{{"ranks", 3}}, grid{{"data", 2}, {"model", 2}}, square{{"rows", 2}, {"columns", 2}};
constexpr mesh cube{{"rows", 2}, {"data", 2}, {"columns", 2}};

std::string of(const char* name, const mesh& on, std::size_t groups = 1) { return layout_called(name, small_network(groups), on).text(); }

}  // namespace

TEST_CASE("named layouts, on one axis, on two, and on others") {
  CHECK(of("data", one) == "conv*/batch:ranks,dense/batch:ranks");
  CHECK(of("tensor", one) == "conv*/filters:ranks,dense/units:ranks");
  CHECK(of("spatial", one) == "conv*/height:ranks,pool/channels:ranks,dense/units:ranks");
  CHECK(of("hybrid", one) == "conv*/batch:ranks,dense/units:ranks");
  CHECK(of("data", grid) == "conv*/batch:data+model,dense/batch:data+model");
  CHECK(of("tensor", grid) == "conv*/batch:data,conv*/filters:model,dense/batch:data,dense/units:model");
  CHECK(of("spatial", grid) == "conv*/batch:data,conv*/height:model,pool/channels:model,dense/batch:data,dense/units:model");
  CHECK(of("hybrid", grid) == "conv*/batch:data+model,dense/batch:data,dense/units:model");
  CHECK(of("tensor", square) == "conv*/filters:rows+columns,dense/units:rows+columns");
  CHECK(of("spatial", square) == "conv*/height:rows,conv*/width:columns,pool/channels:rows+columns,dense/units:rows+columns");
  CHECK(of("hybrid", cube) == "conv*/batch:rows+data+columns,dense/batch:data,dense/units:rows+columns");
  CHECK(of("tensor", mesh{{"data", 2}}) == "conv*/filters:data,dense/units:data");
  CHECK(of("batch:rows", square) == "batch:rows");
  CHECK(of("", one).empty());
}

TEST_CASE("filters whose groups do not come out even are cut by the batch") {
  CHECK(of("tensor", one, 3) == "conv*/filters:ranks,dense/units:ranks");
  CHECK(of("tensor", one, 2) == "conv1/filters:ranks,conv2/batch:ranks,dense/units:ranks");
}

TEST_CASE("the compiler knows named layouts, and the planner takes them") {
  static_assert(layout_called("hybrid", small_network(), grid).rules().size() == 3);
  static_assert(plan_network(small_network(), layout_called("spatial", small_network(), grid), grid).operations.size() == 8);
  for (const mesh& on : {one, grid, square, mesh{{"ranks", 7}}})
    for (const char* each : {"data", "tensor", "spatial", "hybrid", "auto"}) {
      CHECK_NOTHROW((void)plan_network(small_network(), layout_called(each, small_network(), on), on));
    }
}

TEST_CASE("what cannot be is refused in a sentence") {
  CHECK_THROWS_WITH_AS((void)of("datas", one),
                       "no layout is called 'datas'; there are data, tensor, spatial, hybrid and auto, and rules such as "
                       "batch:data,conv*/filters:model",
                       error);
  CHECK_THROWS_WITH_AS((void)of("spatial", mesh{{"a", 2}, {"b", 2}, {"c", 2}}),
                       "the layout 'spatial' cuts height and width, and the mesh a=2,b=2,c=2 has 3 axes for them: 2 can be, and one called 'data' for the batch", error);
  operation_list dense({{"batch", 4}, {"features", 6}});
  dense.dense("dense", 5);
  CHECK_THROWS_WITH_AS((void)layout_called("spatial", dense, one),
                       "the layout 'spatial' cuts height and width, and the network has no convolutions: 'data' and 'tensor' cut it", error);
}
