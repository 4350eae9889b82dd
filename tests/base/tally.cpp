#include <tutti/base/tally.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("tallies add up, and traffic can be compared and taken apart") {
  tally t;
  CHECK(t.read() == 0);
  t.add(3);
  t.add(std::uint64_t{1} << 40);
  CHECK(t.read() == (std::uint64_t{1} << 40) + 3);

  traffic one;
  one.add(10);
  one.add(0);
  CHECK(one == traffic{2, 10});
  traffic_tally sum;
  sum.add(5);
  sum.add(one);
  CHECK(sum.read() == traffic{3, 15});
  traffic difference = sum.read();
  difference -= one;
  CHECK(difference == traffic{1, 5});
  difference += one;
  CHECK(difference == sum.read());
}
