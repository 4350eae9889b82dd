#include <tutti/transport/verdict.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <cstring>
#include <thread>
#include <vector>

#include <sys/mman.h>
#include <sys/wait.h>
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
  const auto mine = board.announce();
  CHECK(static_cast<bool>(mine));
  CHECK_FALSE(static_cast<bool>(board.announce()));
  CHECK(board.any());
  verdict v{.code = errc::rank_stopped, .rank = 2};
  CHECK(!board.declare({.code = errc::link, .rank = 1}));
  std::thread late([&] {
    ::usleep(5000);
    board.write(mine, v);
  });
  CHECK(board.read().rank == 2);
  late.join();
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

namespace {

// A board that a child of this process has announced a verdict on, as rank 3, and
// the child, which has not written it and does not go on.
struct left_announced {
  verdict_board& board = *new (::mmap(nullptr, sizeof(verdict_board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) verdict_board;
  pid_t child = ::fork();

  left_announced() {
    if (child == 0) {
      const auto mine = board.announce(3);
      ::raise(SIGSTOP);
      verdict late{.code = errc::mismatch, .rank = 1};
      board.write(mine, late);
      ::_exit(0);
    }
    ::waitpid(child, nullptr, WUNTRACED);
  }
  ~left_announced() {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::munmap(&board, sizeof board);
  }
};

}  // namespace

TEST_CASE("where the writer dies while writing, that is everybody's verdict, at once and for ever") {
  left_announced at;
  ::kill(at.child, SIGKILL);
  CHECK(at.board.any());
  CHECK_FALSE(at.board.declare({.code = errc::link, .rank = 1}));
  verdict read[3];
  std::vector<std::thread> readers;
  const double begun = now();
  for (int i = 0; i < 3; ++i) readers.emplace_back([&, i] { read[i] = at.board.read([i](int lost) {
      CHECK(lost == 3);
      return static_cast<std::uint64_t>(7 + i);
    }); });
  for (std::thread& t : readers) t.join();
  CHECK(now() - begun < verdict_board::usual_patience / 2);
  CHECK(read[0].code == errc::rank_died);
  CHECK(read[0].rank == 3);
  CHECK(read[0].operation >= 7);
  CHECK(read[0].text == format("rank 3 (process %d) died while it said why the session ended", at.child));
  for (const verdict& v : read) CHECK(std::memcmp(&v, &read[0], sizeof v) == 0);
  CHECK(at.board.read().operation == read[0].operation);
}

TEST_CASE("a writer that is stopped while writing is the verdict, and changes nothing when it goes on") {
  left_announced at;
  const verdict v = at.board.read([](int) { return std::uint64_t{7}; });
  CHECK(v.code == errc::rank_stopped);
  CHECK(v.rank == 3);
  CHECK(v.text == format("rank 3 (process %d) was stopped while it said why the session ended", at.child));
  ::kill(at.child, SIGCONT);
  siginfo_t ended;
  ::waitid(P_PID, static_cast<id_t>(at.child), &ended, WEXITED | WNOWAIT);
  CHECK(at.board.read().rank == 3);
}

TEST_CASE("a thread that was late with its verdict changes nothing once another of its process has taken over") {
  verdict_board board;
  const auto mine = board.announce(3);
  const verdict taken = board.read([](int) { return std::uint64_t{7}; }, 0.01);
  CHECK(taken.code == errc::rank_stopped);
  CHECK(taken.operation == 7);
  board.write(mine, {.code = errc::mismatch, .rank = 1});
  const verdict after = board.read();
  CHECK(std::memcmp(&after, &taken, sizeof after) == 0);
}
