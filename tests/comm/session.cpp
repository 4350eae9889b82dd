#include <tutti/comm/session.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <vector>

#include <unistd.h>

#include <tutti/comm/collectives.hpp>
#include <tutti/comm/engine.hpp>
#include <tutti/launch/threads.hpp>
#include <tutti/transport/loopback.hpp>

#include "../unhurried.hpp"

using namespace tutti;

TEST_CASE("a session knows who it is, and how many are near") {
  loopback_fabric::world shared;
  CHECK_NOTHROW(run_threads(3, [&](auto& b) {
    session s(b, shared);
    if (s.rank() != b.rank() || s.size() != 3 || s.neighbours() != 3) throw std::logic_error("somebody else");
    if (s.fabric().describe().find("loopback") != 0) throw std::logic_error("another fabric");
    if (s.world().all_gather({}).size() != 3) throw std::logic_error("another world");
    if (s.main_engine().threaded()) throw std::logic_error("a thread that nobody asked for");
  }));
}

TEST_CASE("alone, a session needs neither peers nor UCX") {
  shared_board board(1);
  shared_bootstrap alone(board, 0);
  session s(alone);
  CHECK(s.neighbours() == 1);
  CHECK(s.fabric().describe().find("loopback") == 0);
  communicator c(s);
  std::vector<int> x{4, 5};
  all_reduce(c, x);
  broadcast(c, x, 0);
  barrier(c);
  CHECK(x == std::vector<int>{4, 5});
}

TEST_CASE("a TUTTI_DEADLINE that is none is refused on all ranks, though one alone reads it") {
  ::setenv("TUTTI_DEADLINE", "tomorrow", 1);
  std::atomic<int> told{0};
  loopback_fabric::world shared;
  CHECK_NOTHROW(run_threads(3, [&](auto& b) {
    try {
      if (b.rank() == 1) session s(b);
      else session s(b, shared, {.deadline = 1});
    } catch (const error& e) {
      told += e.code() == errc::invalid_argument && e.what() == std::string("TUTTI_DEADLINE is 'tomorrow': it takes a number from 0.01 to 1e+09");
    }
  }, 10));
  CHECK(told == 3);
  ::unsetenv("TUTTI_DEADLINE");
}

TEST_CASE("a session waits as it is told") {
  std::atomic<int> right{0};
  loopback_fabric::world shared;
  CHECK_NOTHROW(run_threads(2, [&](auto& b) {
    // Only who never sleeps has slept not at all, however late the other comes.
    const waiting_policy how = b.rank() == 0 ? waiting_policy{.spins = 2000000000} : waiting_policy{};
    session s(b, shared, {.waiting = how});
    communicator c(s);
    for (int round = 0; round < 20; ++round) {
      if (b.rank() == round % 2) ::usleep(2000);
      barrier(c);
    }
    right += b.rank() == 0 ? s.counters().waits == 0 : s.counters().waits > 0;
  }));
  CHECK(right == 2);
}

TEST_CASE("who does not come by the deadline is named, in whatever the others wait") {
  for (progress how : {progress::caller, progress::thread})
    for (int absent : {0, 2}) {
      // A rank that the machine holds up for longer than a deadline is named at it as well, or in the first call.
      const int heard = tests::unhurried(0.3, [&](double seconds) {
        std::atomic<int> told{0};
        loopback_fabric::world shared;
        try {
          run_threads(3, [&](auto& b) {
            session s(b, shared, {.deadline = seconds});
            communicator c(s, {.progress = how});
            std::vector<float> x(100);
            all_reduce(c, x);
            if (c.rank() == absent) {
              // It lives, and looks at the board instead of taking part.
              while (!s.fabric().board().any()) ::sched_yield();
            } else {
              try {
                all_reduce(c, x);
              } catch (const error& e) {
                told += e.code() == errc::deadline && e.rank() == absent && e.operation() == 2 &&
                        std::string(e.what()).find(format("was not joined within %g s by rank %d, which lives", seconds, absent)) != std::string::npos;
              }
            }
            try {
              barrier(c);
            } catch (const error& e) {
              told += e.code() == errc::deadline && e.rank() == absent;
            }
          });
        } catch (const error& e) {
          MESSAGE(e.what());
          return -1;
        }
        return told.load();
      }, [](int all) { return all == 5; });
      CHECK(heard == 5);
    }
}

TEST_CASE("a rank of another version is noticed") {
  struct strange {
    int rank() const { return 0; }
    int size() const { return 2; }
    contributions all_gather(bytes_view mine) { return {std::vector<std::byte>(mine.begin(), mine.end()), std::vector<std::byte>(3)}; }
  } b;
  CHECK_THROWS_WITH_AS(session{b}, "a rank of another version of Tutti has joined", error);
}

TEST_CASE("only the first that gives up is heard") {
  loopback_fabric::world shared;
  shared_board board(1);
  shared_bootstrap alone(board, 0);
  session s(alone, shared);
  s.abandon("first");
  s.abandon("second");
  CHECK(std::string(shared.board.read().text) == "rank 0 failed: first");
  CHECK(shared.board.read().code == errc::rank_failed);
}
