#include <doctest/doctest.h>

#include <tutti/launch/threads.hpp>
#include <tutti/transport/loopback.hpp>

#include "groups.hpp"

using namespace tutti;

TEST_CASE("every call between threads of one process") {
  for (int ranks : {1, 2, 3, 4, 5, 8}) {
    CAPTURE(ranks);
    loopback_fabric::world shared;
    CHECK_NOTHROW(run_threads(ranks, [&](auto& b) {
      session s(b, shared);
      communicator world(s);
      cases::check_all(world, true);
    }));
  }
}

TEST_CASE("communicators of parts of the ranks, between threads of one process") {
  for (int ranks : {1, 2, 3, 5, 8}) {
    CAPTURE(ranks);
    loopback_fabric::world shared;
    CHECK_NOTHROW(run_threads(ranks, [&](auto& b) {
      session s(b, shared);
      communicator world(s);
      groups::check_groups(world);
      groups::check_refusals(world);
    }));
  }
}

TEST_CASE("a rank that throws ends the others' waiting") {
  for (int culprit : {0, 2}) {
    loopback_fabric::world shared;
    std::atomic<int> told{0};
    try {
      run_threads(3, [&](auto& b) {
        session s(b, shared);
        communicator world(s);
        std::vector<int> x(10, 1);
        all_reduce(world, x);
        try {
          if (world.rank() == culprit) throw std::runtime_error("a full disk");
          all_reduce(world, x);
        } catch (const error& e) {
          const std::string text = e.what();
          if (e.code() == errc::rank_failed && e.rank() == culprit && text.find("a full disk") != std::string::npos) ++told;
        } catch (const std::exception& e) {
          s.abandon(e.what());
          throw;
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
