#include <tutti/mesh/resharding.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <vector>

#include "../comm/thread_ranks.hpp"
#include "../kernel/data.hpp"
#include "world.hpp"
#include "worlds.hpp"

using namespace tutti;

TEST_CASE("between any two placements, ranks that exchange get what the moves' definitions say, and send what is billed") {
  const shape tensor{{"batch", 5}, {"features", 3}};
  const std::vector<modular> values = some<modular>(tensor.elements(), 50);
  std::size_t cases = 0;
  for (const mesh& on : worlds::meshes()) {
    const std::vector<placement> all = worlds::placements(2, on);
    std::atomic<int> wrong{0}, unbilled{0};
    thread_ranks::run(on.size(), [&](communicator& world) {
      process_mesh mine(world, on);
      std::uint64_t seed = 0;
      for (const placement& from : all)
        for (const placement& to : all) {
          const world_tensor before = spread(tensor, from, on, values, ++seed);
          world_tensor expected = before;
          std::size_t billed = 0;
          for (const move& m : plan_moves(tensor, from, to, on, {.element = sizeof(modular)})) {
            billed += sends_of(m, tensor, expected.at, on, mine.rank(), sizeof(modular), chosen_by_ranks{&mine}).bytes;
            apply(expected, m, on);
          }
          resharding<modular> moves(mine, tensor, from, to);
          auto sent = [&] {
            std::size_t bytes = 0;
            for (int axis = 0; axis < on.axes(); ++axis) bytes += mine.along(axis).counters().sent().bytes;
            return bytes;
          };
          const std::size_t sent_before = sent();
          const auto me = static_cast<std::size_t>(world.rank());
          std::vector<modular> found(expected.ranks[me].size(), modular(99));
          moves(span<const modular>(before.ranks[me].data(), before.ranks[me].size()), found);
          wrong += found != expected.ranks[me];
          unbilled += sent() - sent_before != billed;
        }
    });
    cases += all.size() * all.size();
    CHECK(wrong == 0);
    CHECK(unbilled == 0);
  }
  MESSAGE("pairs of placements: " << cases);
}
