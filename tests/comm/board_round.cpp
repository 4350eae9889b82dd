#include <tutti/comm/board_round.hpp>

#include <doctest/doctest.h>

#include <tutti/device/buffer.hpp>

using namespace tutti;

namespace {

struct three_boards {
  three_boards() {
    std::vector<slot_memory> places;
    for (int r = 0; r < 3; ++r) {
      memory.emplace_back(billboard::places.footprint());
      places.push_back({memory.back().data(), billboard::places});
      places.back().initialise();
    }
    for (int r = 0; r < 3; ++r) boards.emplace_back(r, places, std::vector<doorbell*>{});
  }
  std::vector<buffer<std::byte>> memory;
  std::vector<billboard> boards;
};

}  // namespace

TEST_CASE("a round ends when all have been seen, and says for whom it waits") {
  three_boards all;
  board_round rounds[3];
  const call what{.number = 4};
  const char said[] = {'a', 'b', 'c'};
  for (std::uint64_t mark : {5u, 6u, 7u}) {
    auto start = [&](std::size_t r) { rounds[r].start(all.boards[r], {{reinterpret_cast<const std::byte*>(&said[r]), 1}}, {.fingerprint = mark, .what = &what}); };
    start(1);
    CHECK_FALSE(rounds[1].progress());
    CHECK(rounds[1].waits_for() == 2);
    start(2);
    CHECK(rounds[1].progress());
    CHECK(rounds[1].waits_for() == 0);
    CHECK_FALSE(rounds[1].done());
    start(0);
    for (board_round& r : rounds) {
      CHECK(r.progress());
      CHECK(r.done());
      CHECK(r.waits_for() == -1);
      for (int member = 0; member < 3; ++member) CHECK(static_cast<char>(*r.shown_by(member)) == said[member]);
    }
  }
}

TEST_CASE("who shows something of another call is a stranger") {
  three_boards all;
  board_round mine;
  const call here{.number = 4}, there{.number = 9};
  mine.start(all.boards[0], {}, {.fingerprint = 1, .what = &here});
  all.boards[1].show({}, {.fingerprint = 2, .what = &there});
  all.boards[2].show({}, {.fingerprint = 1, .what = &here});
  mine.progress();
  CHECK(mine.met().met);
  CHECK(mine.met().peer == 1);
  CHECK(mine.met().what.number == 9);
  CHECK_FALSE(mine.progress());
  CHECK_FALSE(mine.done());
}

TEST_CASE("a rank alone has nobody to wait for") {
  buffer<std::byte> memory(billboard::places.footprint());
  const slot_memory places{memory.data(), billboard::places};
  places.initialise();
  billboard alone(0, {places}, {});
  board_round r;
  const call what;
  r.start(alone, {}, {.fingerprint = 1, .what = &what});
  CHECK(r.done());
}
