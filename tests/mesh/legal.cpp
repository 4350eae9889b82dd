#include <tutti/mesh/legal.hpp>

#include <doctest/doctest.h>

#include "worlds.hpp"

using namespace tutti;

static_assert(legal_program<worlds::small_network, "batch:data,conv*/filters:model", "data=2,model=2", 4>);
static_assert(!legal(worlds::small_network(), "batch:data,conv*/filters:data", mesh{{"data", 2}}));
static_assert(why_illegal(worlds::small_network(), "batch:data", mesh{{"model", 2}}).view() ==
              "the layout puts 'batch' on the axis 'data', and the mesh has model=2");

TEST_CASE("the compiler's sentence is the one that is thrown") {
  constexpr sentence refused = why_illegal(worlds::small_network(), "flatten/channels:p", mesh{{"p", 2}});
  CHECK_THROWS_WITH_AS(plan_network(worlds::small_network(), "flatten/channels:p", mesh{{"p", 2}}), refused.text().c_str(), error);
  CHECK(refused.text() == "layer 'flatten' can cut 3 channels only into pieces of equal size: the ranks that cut them must divide 3");
}

TEST_CASE("a sum is no operand of what is not linear") {
  const mesh on{{"data", 2}, {"model", 2}};
  const shape whole{{"batch", 4}, {"units", 6}};
  CHECK(why_not_whole(whole, placement{}.sharded(0, 0), on).empty());
  CHECK(why_not_whole(whole, placement{}.sharded(0, 0).with_partial(1), on).text() ==
        "(batch 4, units 6) is a sum over 'model': what is not linear needs it added up first");
}

TEST_CASE("a mesh has as many ranks as there are") {
  CHECK(why_not_ranks(mesh{{"data", 2}}, 2).empty());
  CHECK(why_not_ranks(mesh{{"data", 3}}, 2).text() == "the mesh 'data=3' has 3 ranks, and there are 2; the sizes of its axes must multiply to 2");
}
