#include <tutti/comm/board_round.hpp>

#include <doctest/doctest.h>

#include "../transport/boards.hpp"

using namespace tutti;

namespace {

struct three_boards : private boards {
  three_boards() : boards(3), each{of(0), of(1), of(2)} {}
  billboard each[3];
};

}  // namespace

TEST_CASE("a round ends when all have been seen, and says for whom it waits") {
  three_boards all;
  board_round rounds[3];
  const call what{.number = 4};
  const char said[] = {'a', 'b', 'c'};
  for (std::uint64_t mark : {5u, 6u, 7u}) {
    auto start = [&](std::size_t r) { rounds[r].start(all.each[r], {{reinterpret_cast<const std::byte*>(&said[r]), 1}}, {.fingerprint = mark, .what = &what}); };
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
  mine.start(all.each[0], {}, {.fingerprint = 1, .what = &here});
  all.each[1].show({}, {.fingerprint = 2, .what = &there});
  all.each[2].show({}, {.fingerprint = 1, .what = &here});
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
