#include <tutti/comm/persistent.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include <tutti/comm/collectives.hpp>

#include "thread_ranks.hpp"

using namespace tutti;

TEST_CASE("a persistent call is started as often as one likes, and sees what its buffers hold then") {
  CHECK_NOTHROW(thread_ranks::run(3, [](communicator& world) {
    std::vector<int> in(100), out(100);
    persistent sum([&] { return all_reduce_async(world, in, out); });
    sum.wait();  // nothing was started
    if (!sum.test()) throw std::logic_error("nothing is under way");
    for (int round = 0; round < 50; ++round) {
      in.assign(100, round + world.rank());
      sum.start();
      bool refused = false;
      try {
        sum.start();
      } catch (const error& e) {
        refused = e.code() == errc::invalid_argument;
      }
      if (!refused) throw std::logic_error("started twice");
      if (round % 2) sum.wait();
      else while (!sum.test()) {}
      if (out != std::vector<int>(100, 3 * round + 3)) throw std::logic_error("a wrong sum");
    }
  }));
}

TEST_CASE("one that failed where it was tested says so again where it is started again") {
  std::atomic<int> told{0};
  CHECK_NOTHROW(thread_ranks::run(2, [&](communicator& world, session& s) {
    if (world.rank() == 1) return s.abandon("a full disk");
    std::vector<int> x(10);
    persistent sum([&] { return all_reduce_async(world, x); });
    for (int round = 0; round < 2; ++round) try {
        sum.start();
        while (!sum.test()) {}
      } catch (const error& e) {
        told += std::string(e.what()) == "rank 1 failed: a full disk";
      }
  }));
  CHECK(told == 2);
}
