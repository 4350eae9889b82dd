#include <tutti/comm/neighbours.hpp>

#include <atomic>

#include <doctest/doctest.h>

#include "thread_ranks.hpp"

using namespace tutti;

TEST_CASE("Ranks of one process share its host") {
  for (int ranks : {1, 3}) {
    std::atomic<int> right{0};
    thread_ranks::run(ranks, [&](communicator& world) { right += ranks_on_this_machine(world) == ranks; });
    CHECK(right == ranks);
  }
}
