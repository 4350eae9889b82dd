#include <tutti/mesh/explain_product.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("a product says how it is done, what it sends and why, and what else there was") {
  const mesh grid{{"r", 2}, {"c", 2}};
  const placement both = placement{}.sharded(0, 0).sharded(1, 1);
  const einsum e({{"batch", 64}, {"in", 128}}, {{"in", 128}, {"out", 32}}, {"batch", "out"});
  const einsum_plan summa = plan_einsum(e, placement{}.sharded(0, 0).sharded(2, 1), both, both, both, grid);
  const std::string text = explain(e, summa, grid, 32, sizeof(float), 1);
  CHECK(text.find("(batch 64, in 128) × (in 128, out 32) → (batch 64, out 32) on r=2,c=2\n"
                  "loops (batch:r 64, in 128, out:c 32): ") == 0);
  CHECK(text.find("  left   all_gather over c: in in 4 panels, 8.0 KiB: the loops need all in\n"
                  "  right  all_gather over r: in in 4 panels, 4.0 KiB: the loops need all in\n"
                  "in all: 12.0 KiB in 8 messages\n"
                  "instead (") != std::string::npos);
}
