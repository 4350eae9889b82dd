#include <tutti/mesh/step_exchanges.hpp>

#include <doctest/doctest.h>

#include "worlds.hpp"

using namespace tutti;

namespace {

constexpr window three{.size = 3, .pad_low = 1, .pad_high = 1};

}  // namespace

TEST_CASE("a step's exchanges are listed forward, then backward, each where it is done") {
  operation_list net({{"batch", 4}, {"channels", 2}, {"height", 8}, {"width", 8}});
  net.convolution("conv1", 4, three, three);
  net.batch_norm("norm1");
  net.convolution("conv2", 4, three, three);
  const mesh on{{"rows", 2}, {"model", 2}};
  const network_plan plan = plan_network(net, "conv*/height:rows,conv2/channels:model", on);
  std::vector<cause> causes;
  for (const step_exchange& e : exchanges_of(net, plan, on)) causes.push_back(e.why);
  CHECK(causes == std::vector<cause>{cause::halo, cause::inner, cause::operand, cause::halo, cause::result,  //
                                     cause::halo_gradient, cause::operand_gradient, cause::inner_gradient});
  // The pictures' own gradient is nobody's: the first halo is not given back.
}

TEST_CASE("gradients that are sums over the same axes are added up in one call, with what lies between") {
  operation_list net({{"batch", 4}, {"channels", 2}, {"height", 8}, {"width", 8}});
  net.convolution("conv1", 3, three, three);
  net.flatten("flatten");
  net.dense("dense1", 5);
  net.dense("dense2", 2);
  const mesh on{{"data", 2}, {"model", 2}};
  const network_plan plan = plan_network(net, "batch:data,dense1/units:data,dense1/batch:,conv1/height:model", on);
  const std::vector<gradient_sum> sums = gradient_sums(plan, on, {0}, 16);
  REQUIRE(sums.size() == 2);
  CHECK(sums[0].axes == 1);
  CHECK(sums[0].operation == 3);
  CHECK(sums[0].elements == 16 + 2);  // 10 weights, up to the next sixteen, and the bias
  CHECK(sums[1].axes == 3);
  CHECK(sums[1].last == 0);
  CHECK(sums[1].elements == 64 + 3);
}

TEST_CASE("what a rank gives to each in a move is what each gets from it") {
  const shape whole{{"batch", 5}, {"features", 7}};
  const mesh on{{"a", 2}, {"b", 3}};
  const placement from = placement{}.sharded(0, 1).sharded(1, 0);
  const move m{.what = move_kind::all_to_all, .axis = 1, .from = 0, .to = 1};
  for (rank r{0}; r.value < on.size(); ++r.value) {
    const move_parts mine = parts_of(m, whole, from, on, r);
    CHECK(mine.before == block_of(whole, from, on, r));
    for (int k = 0; k < 3; ++k) {
      const rank other = on.beside(r, 1, k);
      CHECK(mine.sent[static_cast<std::size_t>(k)] == parts_of(m, whole, from, on, other).got[static_cast<std::size_t>(on.coordinate(r, 1))]);
    }
  }
}
