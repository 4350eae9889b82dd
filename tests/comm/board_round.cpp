#include <tutti/comm/board_round.hpp>

#include <doctest/doctest.h>

#include <vector>

#include "../transport/boards.hpp"

using namespace tutti;

namespace {

struct three_boards : boards {
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
  for (int r : {1, 2}) all.each[r].begin();
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
  buffer<std::byte> memory(board_memory::footprint());
  const board_memory places{memory.data()};
  places.initialise();
  billboard alone(0, {places}, {});
  board_round r;
  const call what;
  r.start(alone, {}, {.fingerprint = 1, .what = &what});
  CHECK(r.done());
}

namespace {
// What one of them does in turn: the rounds of a root that is rank 2.
struct rooted_rounds : three_boards {
  explicit rooted_rounds(round_kind k) : kind(k) {}
  void start(std::size_t r, std::uint64_t mark, const std::vector<char>& said = {}) {
    rounds[r].start(each[r], {{reinterpret_cast<const std::byte*>(said.data()), said.size()}}, {.fingerprint = mark, .what = &what}, kind, 2);
  }
  round_kind kind;
  const call what{.number = 4};
  board_round rounds[3];
};
}  // namespace

TEST_CASE("collectives with a root have rounds with one") {
  for (collective what : {collective::broadcast, collective::scatter}) CHECK(round_of(what) == round_kind::from_root);
  for (collective what : {collective::reduce, collective::gather}) CHECK(round_of(what) == round_kind::to_root);
  for (collective what : {collective::all_reduce, collective::barrier, collective::all_to_all, collective::scan}) CHECK(round_of(what) == round_kind::all);
}

TEST_CASE("a root waits for nobody but for room, and all others for it alone") {
  rooted_rounds all(round_kind::from_root);
  const std::vector<char> text(board_memory::longest, 'x');
  constexpr std::uint64_t ahead = board_memory::ring_bytes / board_memory::longest;
  all.start(0, 1);
  CHECK_FALSE(all.rounds[0].progress());
  CHECK(all.rounds[0].waits_for() == 2);
  for (std::uint64_t mark = 1; mark <= ahead; ++mark) {
    all.start(2, mark, text);
    CHECK(all.rounds[2].done());
    all.rounds[2].pass();
  }
  all.start(2, ahead + 1, text);
  CHECK_FALSE(all.rounds[2].done());
  CHECK(all.rounds[2].waits_for() == -1);
  CHECK(all.rounds[0].progress());
  CHECK(all.rounds[0].done());
  CHECK(static_cast<char>(*all.rounds[0].shown_by(2)) == 'x');
  CHECK_FALSE(all.rounds[2].progress());
  all.rounds[0].pass();
  CHECK_FALSE(all.rounds[2].progress());  // rank 1 has not come yet
  all.start(1, 1);
  CHECK(all.rounds[1].progress());
  CHECK_FALSE(all.rounds[2].progress());
  all.rounds[1].pass();
  CHECK(all.rounds[2].progress());
  CHECK(all.rounds[2].done());
}

TEST_CASE("a root that all send to waits for them, and they for room") {
  rooted_rounds all(round_kind::to_root);
  for (std::uint64_t mark = 1; mark <= board_memory::lines; ++mark) {
    all.start(0, mark, {'a'});
    CHECK(all.rounds[0].done());
  }
  const std::vector<char> later{'b'};  // stays until there is room for it
  all.start(0, board_memory::lines + 1, later);
  CHECK_FALSE(all.rounds[0].progress());
  all.start(2, 1);
  CHECK(all.rounds[2].progress());
  CHECK(all.rounds[2].waits_for() == 1);
  all.start(1, 1, {'c'});
  CHECK(all.rounds[1].done());
  CHECK(all.rounds[2].progress());
  CHECK(all.rounds[2].done());
  CHECK(static_cast<char>(*all.rounds[2].shown_by(0)) == 'a');
  CHECK(static_cast<char>(*all.rounds[2].shown_by(1)) == 'c');
  CHECK_FALSE(all.rounds[0].progress());
  all.rounds[2].pass();
  // Who passes says so only now and then.
  for (std::uint64_t mark = 2; mark <= 8; ++mark) {
    CHECK_FALSE(all.rounds[0].progress());
    all.start(2, mark);
    all.start(1, mark, {'c'});
    CHECK(all.rounds[2].progress());
    CHECK(all.rounds[2].done());
    all.rounds[2].pass();
  }
  CHECK(all.rounds[0].progress());
  CHECK(all.rounds[0].done());
}

TEST_CASE("a root of another call is a stranger, and who follows shows its own call once it has seen the root's") {
  rooted_rounds all(round_kind::from_root);
  all.start(0, 1);
  all.start(1, 2);
  all.start(2, 1);
  CHECK_FALSE(all.each[2].seen(0));
  CHECK(all.rounds[0].progress());
  CHECK(all.each[2].seen(0)->from.fingerprint == 1);
  CHECK_FALSE(all.rounds[1].progress());
  CHECK((all.rounds[1].met().met && all.rounds[1].met().peer == 2));
  CHECK_FALSE(all.each[2].seen(1));
}
