#include <tutti/mesh/halo_exchange.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <vector>

#include "../comm/thread_ranks.hpp"
#include "../kernel/data.hpp"
#include "halo_cases.hpp"

using namespace tutti;

namespace {

std::vector<modular> part_of(const block& part, const shape& whole, const std::vector<modular>& values) {
  std::vector<modular> got(part.elements());
  copy_block(part, block(whole), values.data(), part, got.data());
  return got;
}

}  // namespace

TEST_CASE("everyone gets what it reads, wherever it lies, and its gradient is summed where it came from") {
  const shape whole{{"batch", 2}, {"channels", 2}, {"height", 7}, {"width", 3}};
  const std::vector<modular> values = some<modular>(whole.elements(), 1);
  const random_stream random{.seed = 60};
  std::uint64_t next = 0;
  for (int ranks = 1; ranks <= 5; ++ranks)
    for (int round = 0; round < 20; ++round) {
      const auto [owned, read] = halo_cases::drawn(whole, ranks, random, next);
      std::vector<modular> gradient(whole.elements());  // summed over all readers
      for (int r = 0; r < ranks; ++r) {
        const block& mine = read[static_cast<std::size_t>(r)];
        const std::vector<modular> of_it = some<modular>(mine.elements(), static_cast<std::uint64_t>(100 + r));
        for_each_run(mine, mine, block(whole), [&](std::size_t from, std::size_t into, std::size_t n) {
          for (std::size_t i = 0; i < n; ++i) gradient[into + i] = gradient[into + i] + of_it[from + i];
        });
      }
      std::atomic<int> wrong{0};
      thread_ranks::run(ranks, [&](communicator& world) {
        const auto me = static_cast<std::size_t>(world.rank());
        const halo_parts parts{.owned = owned, .read = read, .here = me};
        halo_exchange<modular> exchange(world, parts);
        std::size_t given = 0, taken = 0;
        for (std::size_t r = 0; r < owned.size(); ++r) {
          given += r == me ? 0 : common(owned[me], read[r]).elements();
          taken += r == me ? 0 : common(owned[r], read[me]).elements();
        }
        const std::vector<modular> own = part_of(owned[me], whole, values);
        std::vector<modular> got(read[me].elements(), modular(5)), back(own.size(), modular(5));
        const std::size_t before = world.counters().sent().bytes;
        exchange.start(own, got), exchange.finish(got);
        wrong += world.counters().sent().bytes - before != given * sizeof(modular);
        wrong += got != part_of(read[me], whole, values);
        exchange.start_back(some<modular>(read[me].elements(), 100 + me), back), exchange.finish_back(back);
        wrong += world.counters().sent().bytes - before != (given + taken) * sizeof(modular);
        wrong += back != part_of(owned[me], whole, gradient);
      });
      CHECK(wrong == 0);
    }
}

TEST_CASE("an exchange that nobody finishes is over before its memory is used again, or gone") {
  const shape whole{{"height", 2}};
  const halo_parts rows{.owned = {block(whole), block(whole)}, .read = {block(whole), block(whole)}, .here = 0};
  for (bool again : {false, true}) {
    CAPTURE(again);
    std::atomic<bool> begun{false};
    std::atomic<int> wrong{0};
    thread_ranks::run(2, [&](communicator& world) {
      halo_parts parts = rows;
      parts.here = static_cast<std::size_t>(world.rank());
      for (std::size_t r : {0u, 1u}) parts.owned[r][0] = {.first = r, .count = 1};
      const std::vector<modular> own{modular(1)};
      std::vector<modular> all(2);
      if (world.rank() == 1)
        while (!begun) {}
      {
        halo_exchange<modular> exchange(world, parts);
        exchange.start(own, all);
        begun = true;
        if (again) {
          exchange.start_back(all, all);
          const std::vector<operation_record> recent = world.recent();
          wrong += recent[recent.size() - 2].is != operation_record::state::done;
        }
      }
      wrong += world.recent().back().is != operation_record::state::done;
    });
    CHECK(wrong == 0);
  }
}
