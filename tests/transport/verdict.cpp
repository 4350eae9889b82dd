#include <tutti/transport/verdict.hpp>

#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include <unistd.h>

using namespace tutti;

TEST_CASE("a sentence that is too long is cut, and ends") {
  verdict v;
  v.say("short");
  CHECK(std::string(v.text) == "short");
  for (std::size_t n : {494u, 495u, 496u, 5000u}) {
    v.say(std::string(n, 'x'));
    CHECK(std::string(v.text) == std::string(n < 495 ? n : 495, 'x'));
  }
  v.say("");
  CHECK(v.text[0] == '\0');
}

TEST_CASE("a verdict is raised with all that it holds") {
  verdict v{.code = errc::rank_died, .rank = 3, .operation = 12};
  v.say("rank 3 died");
  try {
    v.raise();
  } catch (const error& e) {
    CHECK(e.code() == errc::rank_died);
    CHECK(e.rank() == 3);
    CHECK(e.operation() == 12);
    CHECK(std::string(e.what()) == "rank 3 died");
  }
}

TEST_CASE("a verdict that is announced is there for all, and read once it is written") {
  verdict_board board;
  CHECK(board.announce());
  CHECK(board.any());
  CHECK(!board.has_written());
  verdict v{.code = errc::rank_stopped, .rank = 2};
  CHECK(!board.declare({.code = errc::link, .rank = 1}));
  std::thread late([&] {
    ::usleep(5000);
    board.write(v);
  });
  CHECK(board.read().rank == 2);
  late.join();
  CHECK(board.has_written());
}

TEST_CASE("a verdict condemns a rank where the others can go on without it alone") {
  for (errc code : {errc::rank_died, errc::rank_stopped, errc::deadline, errc::link}) CHECK(verdict{.code = code, .rank = 3}.condemned() == 3);
  for (errc code : {errc::mismatch, errc::rank_failed, errc::invalid_argument}) CHECK(verdict{.code = code, .rank = 3}.condemned() == -1);
}

TEST_CASE("of many that declare one is first, and all read the same") {
  for (int round = 0; round < 100; ++round) {
    verdict_board board;
    CHECK_FALSE(board.any());
    constexpr int count = 6;
    std::atomic<int> ready{0}, first{0}, winner{-1};
    std::vector<verdict> read(count);
    std::vector<std::thread> threads;
    for (int t = 0; t < count; ++t)
      threads.emplace_back([&, t] {
        verdict mine{.code = errc::rank_failed, .rank = t, .operation = static_cast<std::uint64_t>(100 + t)};
        mine.say("rank " + std::to_string(t) + " " + std::string(static_cast<std::size_t>(400 + t), static_cast<char>('a' + t)));
        ++ready;
        while (ready < count) ::sched_yield();
        if (board.declare(mine)) {
          ++first;
          winner = t;
        }
        // Whoever was not first sees that there is one, though it may still be written.
        if (board.any()) read[static_cast<std::size_t>(t)] = board.read();
      });
    for (std::thread& t : threads) t.join();
    REQUIRE(first == 1);
    for (const verdict& v : read) {
      REQUIRE(v.rank == winner);
      REQUIRE(v.operation == static_cast<std::uint64_t>(100 + winner));
      REQUIRE(std::string(v.text).size() == 407u + static_cast<std::size_t>(winner));
      REQUIRE(v.text[406] == 'a' + winner);
    }
    verdict late{.rank = 99};
    CHECK_FALSE(board.declare(late));
    CHECK(board.read().rank == winner);
  }
}

TEST_CASE("a writer that died while writing is not waited for for ever") {
  verdict_board board;
  // Its first word says where the writing stands: 1 is "has begun". Nobody in
  // this process could be made to die just then.
  static_assert(std::is_standard_layout_v<verdict_board>);
  reinterpret_cast<std::atomic<std::uint32_t>*>(&board)->store(1);
  CHECK(board.any());
  verdict mine{.code = errc::link, .rank = 1};
  CHECK_FALSE(board.declare(mine));
  const verdict v = board.read(0.01);
  CHECK(v.code == errc::rank_died);
  CHECK(std::string(v.text) == "a rank died while it said why the session ended");
}

TEST_CASE("a writer that pauses while writing is waited for, and what it wrote is read") {
  verdict_board board;
  CHECK(board.declare({.code = errc::link, .rank = 5}));
  auto* state = reinterpret_cast<std::atomic<std::uint32_t>*>(&board);
  state->store(1);
  std::thread writer([&] {
    ::usleep(50000);
    state->store(2);
  });
  const verdict v = board.read();
  writer.join();
  CHECK(v.code == errc::link);
  CHECK(v.rank == 5);
}
