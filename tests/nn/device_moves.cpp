#include <tutti/nn/device_moves.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <vector>

#include <tutti/mesh/halo_exchange.hpp>
#include <tutti/mesh/resharding.hpp>

#include "../comm/thread_ranks.hpp"
#include "../kernel/data.hpp"
#include "../kernel/far_machine.hpp"
#include "../mesh/halo_cases.hpp"
#include "../mesh/world.hpp"
#include "../mesh/worlds.hpp"

using namespace tutti;

namespace device_moves_cases {

using backend = far_machine::far_backend<modular>;
using there = span<modular, backend::space>;
using seen = span<const modular, backend::space>;

// What a rank moves on its device.
struct moving_rank {
  backend::context c{};
  backend::groups groups{};
  device_mover<backend> mover{c, groups};

  buffer<modular, backend::space> put(const std::vector<modular>& values) {
    buffer<modular, backend::space> made(values.size());
    c.device().copy(made.data(), values.data(), values.size() * sizeof(modular), c.order());
    c.wait();
    return made;
  }
  std::vector<modular> get(const buffer<modular, backend::space>& from) {
    std::vector<modular> values(from.size());
    c.device().copy(values.data(), from.data(), values.size() * sizeof(modular), c.order());
    c.wait();
    return values;
  }
};

TEST_CASE("a part is copied from one block to another, and added, as the host does it, in up to five dimensions") {
  const random_stream random{.seed = 61};
  std::uint64_t next = 0;
  moving_rank m;
  for (const shape& whole : {shape{{"a", 9}}, shape{{"a", 4}, {"b", 5}}, shape{{"a", 3}, {"b", 2}, {"c", 5}, {"d", 4}}, shape{{"a", 3}, {"b", 2}, {"depth", 3}, {"c", 5}, {"d", 4}}})
    for (int round = 0; round < 30; ++round) {
      const block from = halo_cases::any_block(whole, random, next), into = halo_cases::any_block(whole, random, next), part = common(from, into);
      const std::vector<modular> values = some<modular>(from.elements(), static_cast<std::uint64_t>(round)), before = some<modular>(into.elements(), 99);
      std::vector<modular> copied = before, added = before;
      copy_block(part, from, values.data(), into, copied.data());
      for_each_run(part, from, into, [&](std::size_t a, std::size_t b, std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) added[b + i] = added[b + i] + values[a + i];
      });
      const auto x = m.put(values);
      auto y = m.put(before), z = m.put(before);
      m.mover.copy(part, from, seen(x.data(), x.size()), into, y);
      m.mover.add(part, from, seen(x.data(), x.size()), into, z);
      CHECK(m.get(y) == copied);
      CHECK(m.get(z) == added);
    }
  const shape deeper{{"a", 2}, {"b", 2}, {"c", 2}, {"d", 2}, {"e", 2}, {"f", 1}};
  CHECK_THROWS_WITH_AS(detail::region_of(block(deeper), block(deeper), block(deeper)), "on devices tensors of 5 dimensions are moved at most", error);
}

TEST_CASE("between placements ranks on devices get what those on hosts do") {
  const shape tensor{{"batch", 5}, {"features", 3}};
  const std::vector<modular> values = some<modular>(tensor.elements(), 50);
  std::size_t cases = 0;
  for (const mesh& on : worlds::meshes()) {
    if (on.size() > 4) continue;
    const std::vector<placement> all = worlds::placements(2, on);
    std::atomic<int> wrong{0};
    thread_ranks::run(on.size(), [&](communicator& world) {
      process_mesh mine(world, on);
      moving_rank m;
      std::uint64_t seed = 0, pairs = 0;  // of which every third will do
      const auto me = static_cast<std::size_t>(world.rank());
      for (const placement& from : all)
        for (const placement& to : all) {
          const world_tensor before = spread(tensor, from, on, values, ++seed);
          const std::vector<move> moves = plan_moves(tensor, from, to, on, {.element = sizeof(modular)});
          if (moves.empty() || ++pairs % 3 != 0) continue;
          world_tensor expected = before;
          for (const move& each : moves) apply(expected, each, on);
          device_resharding<backend> resharding(m.mover, mine, tensor, from, moves);
          const auto in = m.put(before.ranks[me]);
          auto out = m.put(std::vector<modular>(expected.ranks[me].size(), modular(99)));
          resharding(seen(in.data(), in.size()), out);
          wrong += m.get(out) != expected.ranks[me];
        }
    });
    cases += all.size() * all.size() / 3;
    CHECK(wrong == 0);
  }
  MESSAGE("pairs of placements, about: " << cases);
}

TEST_CASE("on devices everyone gets what it reads, and its gradient is summed where it came from, as on hosts, as often as it is done") {
  const shape whole{{"batch", 2}, {"channels", 2}, {"height", 7}, {"width", 3}};
  const std::vector<modular> values = some<modular>(whole.elements(), 1);
  const random_stream random{.seed = 62};
  std::uint64_t next = 0;
  for (int ranks = 1; ranks <= 4; ++ranks)
    for (int round = 0; round < 6; ++round) {
      const auto [owned, read] = halo_cases::drawn(whole, ranks, random, next);
      std::atomic<int> wrong{0};
      thread_ranks::run(ranks, [&](communicator& world) {
        const auto me = static_cast<std::size_t>(world.rank());
        const halo_parts parts{.owned = owned, .read = read, .here = me};
        moving_rank m;
        halo_exchange<modular> here(world, parts);
        device_halo<backend> away(m.mover, world, parts);
        for (std::uint64_t time = 0; time < 2; ++time) {
          std::vector<modular> own(owned[me].elements()), got(read[me].elements(), modular(5)), back(own.size(), modular(5));
          copy_block(owned[me], block(whole), values.data(), owned[me], own.data());
          const std::vector<modular> gradient = some<modular>(got.size(), 100 + 10 * time + me);
          const auto x = m.put(own), g = m.put(gradient);
          auto y = m.put(got), b = m.put(back);
          here.start(own, got), here.finish(got);
          away.start(seen(x.data(), x.size()), y), away.finish(y);
          wrong += m.get(y) != got;
          here.start_back(gradient, back), here.finish_back(back);
          away.start_back(seen(g.data(), g.size()), b), away.finish_back(b);
          wrong += m.get(b) != back;
        }
        barrier(world);
      });
      CHECK(wrong == 0);
    }
}

}  // namespace device_moves_cases
