#include <tutti/mesh/move_bill.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <vector>

#include <tutti/mesh/resharding.hpp>

#include "../comm/thread_ranks.hpp"
#include "../kernel/data.hpp"
#include "worlds.hpp"

using namespace tutti;

namespace {

// A bill is a constant where the moves are.
constexpr std::size_t words_of_first() {
  const mesh on{{"p", 3}};
  const shape whole{{"batch", 6}, {"features", 9}};
  const placement rows = placement{}.sharded(0, 0), columns = placement{}.sharded(1, 0);
  return bill(plan_moves(whole, rows, columns, on), whole, rows, on, {0}, 4, least_bytes{on}).sent().bytes / 4;
}
static_assert(words_of_first() == 2 * 9 * 2 / 3);

}  // namespace

TEST_CASE("the bill of moves has the bytes and messages of each, and the memory of all") {
  const mesh on{{"p", 2}, {"q", 2}};
  const shape whole{{"batch", 8}, {"features", 6}};
  // A sum over p of columns cut by q becomes rows cut by p.
  const placement from = placement{}.sharded(1, 1).with_partial(0);
  const std::vector<move> moves{{.what = move_kind::reduce_scatter, .axis = 0, .to = 0}, {.what = move_kind::all_gather, .axis = 1, .from = 1}};
  const move_bill b = bill(moves, whole, from, on, {3}, 4, least_bytes{on});
  REQUIRE(b.moves.size() == 2);
  CHECK(b.moves[0] == traffic{.messages = 1, .bytes = 4 * 4 * 3});
  CHECK(b.moves[1] == traffic{.messages = 1, .bytes = 4 * 4 * 3});
  CHECK(b.sent() == traffic{.messages = 2, .bytes = 96});
  // Columns that arrive are unpacked.
  CHECK(b.memory == 4 * (8 * 3 + 4 * 3 + 4 * 6 + 4 * 6));
  const move_bill none = bill(std::vector<move>{}, whole, from, on, {0}, 4, least_bytes{on});
  CHECK(none.sent() == traffic{});
  CHECK(none.memory == 2 * 4 * 8 * 3);
}

TEST_CASE("between any two placements every rank sends the bytes and holds the memory that the bill says") {
  const shape tensor{{"batch", 5}, {"features", 3}};
  std::atomic<std::size_t> cases{0}, unbilled{0}, unheld{0};
  for (const mesh& m : worlds::meshes())
    thread_ranks::run(m.size(), [&](communicator& world) {
      process_mesh on(world, m);
      auto sent = [&] {
        std::size_t bytes = 0;
        for (int axis = 0; axis < m.axes(); ++axis) bytes += on.along(axis).counters().sent().bytes;
        return bytes;
      };
      const std::vector<placement> all = worlds::placements(2, m);
      for (const placement& from : all)
        for (const placement& to : all) {
          const std::vector<move> moves = plan_moves(tensor, from, to, m, {.element = sizeof(float)});
          const move_bill says = bill(moves, tensor, from, m, on.rank(), sizeof(float), chosen_by_ranks{&on});
          resharding<float> it(on, tensor, from, to);
          std::vector<float> in(block_of(tensor, from, m, on.rank()).elements()), out(block_of(tensor, to, m, on.rank()).elements());
          const std::size_t before = sent();
          it(span<const float>(in.data(), in.size()), out);
          unbilled += sent() - before != says.sent().bytes || says.moves.size() != moves.size();
          unheld += it.bytes() + (in.size() + out.size()) * sizeof(float) != says.memory;
          cases += world.rank() == 0;
        }
    });
  CHECK(unbilled == 0);
  CHECK(unheld == 0);
  MESSAGE("pairs of placements: " << cases.load());
}
