#include <tutti/comm/scans.hpp>

#include <doctest/doctest.h>

#include <vector>

#include "thread_ranks.hpp"

using namespace tutti;

// Results on every link and by every algorithm: cases.hpp.

TEST_CASE("ranks number what they have with an exclusive scan, and a functor with a state is kept") {
  thread_ranks::run(3, [&](communicator& c) {
    const std::vector<long> mine{10L * (c.rank() + 1)};
    std::vector<long> first{0};
    exclusive_scan(c, mine, first);
    request later = [&] {
      long most = 25;  // gone before the call is done
      return scan_async(c, mine, first, [most](long a, long x) { return a + x < most ? a + x : most; });
    }();
    const long before[3] = {0, 10, 30}, clipped[3] = {10, 25, 25};
    std::vector<long> again{-1};
    exclusive_scan_async(c, mine, again).wait();
    later.wait();
    if (again[0] != (c.rank() == 0 ? -1 : before[c.rank()])) throw error(errc::data, "exclusive");
    if (first[0] != clipped[c.rank()]) throw error(errc::data, "clipped");
  });
}
