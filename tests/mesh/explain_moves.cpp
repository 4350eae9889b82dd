#include <tutti/mesh/explain_moves.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("moves are explained: each collective, over which axis, its bytes, and why it is there") {
  const mesh on{{"data", 2}, {"model", 2}};
  const shape whole{{"batch", 64}, {"features", 128}};
  const placement from = placement{}.sharded(0, 0).with_partial(1), to = placement{}.sharded(1, 0).sharded(0, 1);
  CHECK(explain(plan_moves(whole, from, to, on), whole, from, on, sizeof(float)) ==
        R"((batch:data 64, features 128), a sum over model → (batch:model 64, features:data 128) on data=2,model=2
  all_to_all over data: batch → features, 8.0 KiB: it is needed with all batch, and cut by features
  reduce_scatter over model: batch, 8.0 KiB: it is a sum over model, needed cut by batch
in all: 16.0 KiB in 2 messages, all ranks together 65536 B; 56.0 KiB of memory
)");
  // Pieces are uneven: the second rank has fewer, and sends fewer.
  const mesh three{{"p", 3}};
  const shape five{{"batch", 5}};
  const placement cut = placement{}.sharded(0, 0);
  CHECK(explain({{.what = move_kind::slice, .to = 0}, {.what = move_kind::all_gather, .from = 0}}, five, {}, three, 4) ==
        R"((batch 5) → (batch 5) on p=3
  slice over p: batch, 0 B: of it a part of batch is needed
  all_gather over p: batch, 16 B: it is needed with all batch
in all: 16 B in 2 messages, all ranks together 40 B; 48 B of memory
)");
  CHECK(explain({}, five, cut, three, 4) == "(batch:p 5) → (batch:p 5) on p=3\nin all: 0 B in 0 messages, all ranks together 0 B; 16 B of memory\n");
}

TEST_CASE("every kind of move has a reason") {
  const mesh on{{"p", 2}};
  const shape whole{{"batch", 4}, {"units", 6}};
  auto reason = [&](move m) { return reason_of(m, "x", whole, on); };
  CHECK(reason({.what = move_kind::all_gather, .from = 1}) == "x is needed with all units");
  CHECK(reason({.what = move_kind::all_to_all, .from = 1, .to = 0}) == "x is needed with all units, and cut by batch");
  CHECK(reason({.what = move_kind::all_reduce}) == "x is a sum over p, needed whole");
  CHECK(reason({.what = move_kind::reduce_scatter, .to = 1}) == "x is a sum over p, needed cut by units");
  CHECK(reason({.what = move_kind::slice, .to = 0}) == "of x a part of batch is needed");
  CHECK(reason({.what = move_kind::keep_on_first}) == "x is to be a sum over p");
  CHECK(reason({.what = move_kind::pad, .from = 0}) == "x is to be a sum over p");
}
