#include <doctest/doctest.h>

#include <atomic>

#include "cases.hpp"
#include "thread_ranks.hpp"

using namespace tutti;

TEST_CASE("every call between threads of one process") {
  for (int ranks : {1, 2, 3, 4, 5, 8}) {
    CAPTURE(ranks);
    CHECK_NOTHROW(thread_ranks::run(ranks, [](communicator& world) { cases::check_all(world, true); }));
  }
}

TEST_CASE("a rank that throws ends the others' waiting") {
  for (int culprit : {0, 2}) {
    std::atomic<int> told{0};
    try {
      thread_ranks::run(3, [&](communicator& world) {
        std::vector<int> x(10, 1);
        all_reduce(world, x);
        try {
          if (world.rank() == culprit) throw std::runtime_error("a full disk");
          all_reduce(world, x);
        } catch (const error& e) {
          const std::string text = e.what();
          if (e.code() == errc::rank_failed && e.rank() == culprit && text.find("a full disk") != std::string::npos) ++told;
        }
      });
      CHECK(false);
    } catch (const error& e) {
      CHECK(e.rank() == culprit);
      CHECK(std::string(e.what()).find("a full disk") != std::string::npos);
    }
    CHECK(told == 2);
  }
}
