#include <tutti/comm/neighbours.hpp>

#include <atomic>

#include <doctest/doctest.h>

#include <tutti/launch/threads.hpp>
#include <tutti/transport/loopback.hpp>

using namespace tutti;

TEST_CASE("Ranks of one process share its host") {
  for (int ranks : {1, 3}) {
    loopback_fabric::world shared;
    std::atomic<int> right{0};
    run_threads(ranks, [&](auto& b) {
      session s(b, shared);
      communicator world(s);
      right += ranks_on_this_machine(world) == ranks;
    });
    CHECK(right == ranks);
  }
}
