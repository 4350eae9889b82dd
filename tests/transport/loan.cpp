#include <tutti/transport/loan.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("between threads everything can be lent, and is found where it lies") {
  open_memory all;
  const std::byte bytes[3]{};
  const loan l = all.lend(bytes + 1, 2);
  CHECK(l != 0);
  CHECK(all.find(5, l) == bytes + 1);
  static_assert(least_loan <= longest_loan);
}
