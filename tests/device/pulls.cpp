#include <tutti/device/pulls.hpp>

#include <doctest/doctest.h>

#include "pulled.hpp"

using namespace tutti;

namespace {

std::vector<pull_program> programs(collective what, algorithm how, int ranks, std::size_t count, bool in_place = false) {
  std::vector<schedule> team_schedules;
  for (int r = 0; r < ranks; ++r) team_schedules.push_back(make_schedule(what, how, {.size = ranks}, {r}));
  return pull_programs(team_schedules, what, {0}, count, 4, in_place);
}

}  // namespace

TEST_CASE("one shot takes one wait, two shots two, a ring one for each hop") {
  for (int p = 2; p <= 9; ++p) {
    CAPTURE(p);
    CHECK(programs(collective::all_reduce, algorithm::one_shot, p, 100)[0].phases() == 2);
    CHECK(programs(collective::all_reduce, algorithm::two_shot, p, 100)[0].phases() == 3);
    CHECK(programs(collective::all_reduce, algorithm::ring, p, 100)[0].phases() == 2 * (p - 1) + 1);
    CHECK(programs(collective::all_gather, algorithm::pairwise, p, 100)[0].phases() == 2);
    CHECK(programs(collective::reduce_scatter, algorithm::pairwise, p, 100)[0].phases() == 2);
    CHECK(programs(collective::all_to_all, algorithm::pairwise, p, 100)[0].phases() == 2);
  }
}

TEST_CASE("one shot folds all ranks' operands at once, in their order") {
  for (int p = 1; p <= 9; ++p) {
    const auto all = programs(collective::all_reduce, algorithm::one_shot, p, 100);
    for (const pull_program& mine : all) {
      const pull& last = mine.pulls.back();
      CHECK(last.count == static_cast<std::uint32_t>(p));
      CHECK(last.elements == 100);
      CHECK(last.target.memory == pull_memory::output);
      for (int r = 0; r < p; ++r) {
        const pull_place& from = mine.operands[last.first + static_cast<std::uint32_t>(r)];
        if (from.memory == pull_memory::arena) CHECK(from.which == r);
        else CHECK(&mine == &all[static_cast<std::size_t>(r)]);  // its own, where the caller has it
      }
    }
  }
}

TEST_CASE("two shots move what is least: each rank copies in what others fold, and copies no more than its own block twice") {
  const auto all = programs(collective::all_reduce, algorithm::two_shot, 4, 1600);
  for (const pull_program& mine : all) {
    CHECK(mine.arena == 2000);  // four blocks brought along, of which its own is used in place only, and its sum
    std::size_t written = 0;
    for (const pull& p : mine.pulls) written += p.elements;
    CHECK(written == 3 * 400 + 400 + 400 + 3 * 400);
  }
}

TEST_CASE("what stands in arenas begins at whole grains, and nothing overlaps") {
  for (const repertoire_entry& entry : repertoire) {
    if (entry.what == collective::barrier) continue;
    for (int p = 1; p <= 7; ++p)
      for (const pull_program& mine : programs(entry.what, entry.how, p, 53)) {
        std::vector<bool> taken(mine.arena);
        for (const pull& one : mine.pulls) {
          if (one.target.memory != pull_memory::arena) continue;
          CHECK(one.target.offset % 4 == 0);
          for (std::size_t i = 0; i < one.elements; ++i) {
            REQUIRE(one.target.offset + i < mine.arena);
            CHECK_FALSE(taken[one.target.offset + i]);
            taken[one.target.offset + i] = true;
          }
        }
      }
  }
}

TEST_CASE("a schedule in which a rank waits for what nobody sends is refused") {
  schedule one, other;
  one.recv({1}, chunk{0});
  CHECK_THROWS_WITH_AS(pull_programs({one, other}, collective::broadcast, {1}, 8, 4, false),
                       "rank 0 waits in step 0 for what nobody sends", error);
}
