#include <tutti/transport/billboard.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sched.h>

#include "boards.hpp"

using namespace tutti;

namespace {

call numbered(std::uint64_t number) { return {.number = number}; }

}  // namespace

TEST_CASE("what is shown is seen in its round by all, with its call, and not before") {
  boards w(3);
  billboard each[3] = {w.of(0), w.of(1), w.of(2)};
  for (std::uint64_t round = 1; round <= 50; ++round)
    for (std::size_t bytes : {std::size_t{0}, std::size_t{7}, board_memory::carried, board_memory::carried + 1, std::size_t{1000}, billboard::most_bytes()}) {
      const call what = numbered(round);
      std::vector<std::byte> data(bytes, static_cast<std::byte>(round));
      for (billboard& b : each) b.begin();
      for (int me = 0; me < 3; ++me) {
        REQUIRE(each[me].has_room(bytes));
        each[me].show({{data.data(), bytes / 3}, {}, {data.data() + bytes / 3, bytes - bytes / 3}}, {.fingerprint = 10 * round, .what = &what});
        for (int peer = 0; peer < 3; ++peer) {
          const auto seen = each[me].seen(peer);
          REQUIRE(seen.has_value() == (peer <= me));
          if (!seen) continue;
          CHECK(seen->bytes == bytes);
          CHECK((bytes == 0 || std::memcmp(seen->data, data.data(), bytes) == 0));
          CHECK(seen->from.fingerprint == 10 * round);
          CHECK(seen->from.what->number == round);
        }
      }
      for (billboard& b : each) b.saw_all();
    }
}

TEST_CASE("who looks at nobody runs ahead as far as places last that all have passed") {
  constexpr std::uint64_t lines = board_memory::lines, ring = board_memory::ring_bytes;
  for (const auto& [bytes, ahead] : {std::pair<std::size_t, std::uint64_t>{7, lines}, {board_memory::carried + 1, lines}, {5000, ring / 5056}, {16384, ring / 16384}}) {
    CAPTURE(bytes);
    boards w(3);
    billboard root = w.of(0), others[2] = {w.of(1), w.of(2)};
    const call what = numbered(1);
    std::uint64_t round = 0;
    std::vector<std::byte> data(bytes);
    auto shows = [&] {
      if (!root.has_room(bytes)) return false;
      std::fill(data.begin(), data.end(), static_cast<std::byte>(round));
      root.show({{data.data(), bytes}}, {.fingerprint = round, .what = &what});
      root.begin();
      ++round;
      return true;
    };
    root.begin();
    while (round < ahead) REQUIRE(shows());
    CHECK_FALSE(shows());
    others[0].begin();
    others[0].pass();
    CHECK_FALSE(shows());  // not all
    others[1].begin();
    REQUIRE(others[1].seen(0));
    CHECK(*others[1].seen(0)->data == std::byte{0});
    others[1].pass();
    CHECK(shows());
    CHECK_FALSE(shows());
    // All that is still to be read is there, on and on around the ring.
    for (std::uint64_t k = 1; k < round; ++k) {
      others[1].begin();
      REQUIRE(others[1].seen(0));
      CHECK(others[1].seen(0)->from.fingerprint == k);
      CHECK(others[1].seen(0)->data[bytes - 1] == static_cast<std::byte>(k));
      others[1].pass();
      others[0].begin();
      others[0].pass();
      if (round < 200) CHECK(shows());
    }
  }
}

TEST_CASE("who passes often says so every eighth round, or where it was many bytes") {
  boards w(2);
  billboard root = w.of(0), reader = w.of(1);
  const call what = numbered(1);
  const std::vector<std::byte> data(6000);
  auto shows = [&](std::size_t bytes) {
    if (!root.has_room_next(bytes)) return false;
    root.begin(false);
    root.show({{data.data(), bytes}}, {.fingerprint = 1, .what = &what, .shape = 5});
    return true;
  };
  auto reads = [&] {
    CHECK(reader.shows_next(0, 1));
    CHECK_FALSE(reader.shows_next(0, 2));
    reader.begin(false);
    return reader.pass_soon(reader.part_of(0).size());
  };
  for (std::uint64_t round = 0; round < board_memory::lines; ++round) CHECK(shows(8));
  CHECK_FALSE(shows(8));
  for (int round = 1; round <= 64; ++round) {
    CHECK(reads() == (round % 8 == 0));
    if (round % 8 == 0)
      for (int more = 0; more < 8; ++more) CHECK(shows(8));
    CHECK_FALSE(shows(8));
  }
  for (int round = 1; round <= 64; ++round) reads();
  CHECK_FALSE(reader.shows_next(0, 1));
  for (int round = 1; round <= 8; ++round) {
    CHECK(shows(6000));
    CHECK(reads() == (round % 2 == 0));
  }
}

TEST_CASE("a line that names a call of the same shape again names it in full") {
  boards w(2);
  billboard mine = w.of(0), theirs = w.of(1);
  for (std::uint64_t round = 1; round <= 4 * board_memory::lines; ++round) {
    call what = numbered(round);
    const std::uint64_t shape = round % 3 == 0 ? 0 : 1 + round / 7 % 2;
    what.count = shape == 0 ? round : shape;
    mine.begin();
    mine.show({}, {.fingerprint = 3 * round, .what = &what, .shape = shape});
    const auto ahead = theirs.seen_ahead(0);
    REQUIRE(ahead);
    CHECK(ahead->fingerprint == 3 * round);
    CHECK(ahead->what.number == round);
    CHECK(ahead->what.count == what.count);
    theirs.begin();
  }
}

TEST_CASE("who has seen one that needed room knows that all have passed what it wrote over") {
  boards w(3);
  billboard root = w.of(0), reader = w.of(1), other = w.of(2);
  const call what = numbered(1);
  for (std::uint64_t round = 1; round <= 3 * board_memory::lines; ++round) {
    for (billboard* b : {&root, &reader, &other}) b->begin();
    REQUIRE(root.has_room(4));
    if (round > board_memory::lines) CHECK_FALSE(reader.has_room(0));  // rank 0 does not pass here
    root.show({}, {.fingerprint = 1, .what = &what});
    REQUIRE(reader.seen(0));
    reader.saw_one();
    CHECK(reader.has_room(0));
    reader.pass();
    other.pass();
  }
}

TEST_CASE("where two went apart can be read as long as both show it") {
  boards w(2);
  billboard here = w.of(0), there = w.of(1);
  auto show = [](billboard& by, std::uint64_t round, std::uint64_t mark) {
    const call what{.number = round, .root = by.rank()};
    by.begin();
    by.show({}, {.fingerprint = mark, .what = &what});
  };
  CHECK_FALSE(here.first_parting(1));
  for (std::uint64_t k = 1; k <= 3; ++k) show(here, k, k), show(there, k, k);
  CHECK_FALSE(here.first_parting(1));
  CHECK_FALSE(here.seen_ahead(1));
  show(there, 4, 100);
  CHECK(here.seen_ahead(1)->fingerprint == 100);
  CHECK(here.seen_ahead(1)->what.number == 4);
  CHECK_FALSE(here.first_parting(1));
  std::uint64_t next = 5;
  for (show(here, 4, 4); next <= board_memory::lines + 3; ++next) {
    show(here, next, next);
    show(there, next, 100 + next);
    const auto apart = here.first_parting(1);
    REQUIRE(apart);
    CHECK((apart->mine.number == 4 && apart->mine.root == 0));
    CHECK((apart->theirs.number == 4 && apart->theirs.root == 1));
  }
  show(here, next, next);
  show(there, next, 100 + next);
  CHECK(here.first_parting(1)->theirs.number == 5);
}

TEST_CASE("those who all look at nobody find within some twenty rounds that they went apart, and others do not") {
  struct each {
    billboard board;
    call what;
    void lead(std::uint64_t round, std::uint64_t fingerprint) {
      what.number = round;
      board.look_aside();
      if (board.astray() >= 0) return;
      REQUIRE(board.has_room_next(0));
      board.begin(false);
      const bytes_view nothing{};
      board.show({nothing}, {.fingerprint = fingerprint, .what = &what});
      board.pass();
    }
  };
  for (const std::uint64_t parts : {3u, 20u, 50u}) {  // the round in which they part, or never
    boards two(2);
    each a{two.of(0), {}}, b{two.of(1), {}};
    std::uint64_t found = 0, r = 1;
    for (; r < 50 && found == 0; ++r) {
      a.lead(r, r < parts ? 5 : 6);
      b.lead(r, 5);
      if (a.board.astray() == 1 || b.board.astray() == 0) found = r;
    }
    CAPTURE(parts);
    if (parts == 50) {
      CHECK(found == 0);
    } else {
      CHECK(found >= parts);
      CHECK(found <= parts + 20);
    }
  }
}

TEST_CASE("pages take turns, and are free after a round in which all look at all") {
  boards w(2);
  billboard here = w.of(0), there = w.of(1);
  CHECK(here.pages_are_free());
  for (bool all_look : {true, false, false, true, true}) {
    std::byte* const page = here.next_page();
    for (billboard* b : {&here, &there}) b->begin(all_look);
    CHECK(there.page_of(0) == page);
    CHECK(here.next_page() != page);
    CHECK(here.pages_are_free() == all_look);
    CHECK(there.pages_are_free() == all_look);
  }
}

TEST_CASE("a member may be a round ahead, and what it showed before is still there") {
  boards w(2);
  billboard here = w.of(0), there = w.of(1);
  const call what = numbered(1);
  const int first = 1, second = 2;
  auto show = [&](billboard& by, const int& value) { by.begin(); by.show({{reinterpret_cast<const std::byte*>(&value), sizeof value}}, {.fingerprint = 1, .what = &what}); };
  auto seen = [](billboard& by, int member) {
    int value = 0;
    if (const auto p = by.seen(member)) std::memcpy(&value, p->data, sizeof value);
    return value;
  };
  show(here, first);
  there.begin();
  CHECK(seen(there, 0) == first);
  there.show({{reinterpret_cast<const std::byte*>(&first), sizeof first}}, {.fingerprint = 1, .what = &what});
  show(there, second);
  CHECK(seen(here, 1) == first);
  show(here, second);
  CHECK(seen(here, 1) == second);
}

TEST_CASE("threads that sleep are woken, and nobody reads what is shown a round later") {
  constexpr int members = 3, rounds = 2000;
  boards w(members);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int me = 0; me < members; ++me)
    threads.emplace_back([&, me] {
      billboard mine = w.of(static_cast<std::size_t>(me));
      const call what = numbered(1);
      std::vector<int> data(64);
      for (int round = 0; round < rounds; ++round) {
        for (int& x : data) x = round * members + me;
        mine.begin();
        wrong += !mine.has_room(data.size() * sizeof(int));
        mine.show({{reinterpret_cast<const std::byte*>(data.data()), data.size() * sizeof(int)}}, {.fingerprint = 1, .what = &what});
        mine.ring();
        for (int peer = 0; peer < members; ++peer) {
          while (!mine.seen(peer)) w.bells[static_cast<std::size_t>(me)].sleep(1, [&] { return mine.seen(peer).has_value(); });
          const auto* theirs = reinterpret_cast<const int*>(mine.seen(peer)->data);
          for (std::size_t i = 0; i < data.size(); ++i) wrong += theirs[i] != round * members + peer;
        }
        mine.saw_all();
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
}
