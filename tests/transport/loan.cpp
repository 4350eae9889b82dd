#include <tutti/transport/loan.hpp>

#include <doctest/doctest.h>

#include "open_memory.hpp"

using namespace tutti;

TEST_CASE("what is lent is named, and found by that name") {
  const open_memory lends;
  open_memory borrows;
  const std::byte bytes[3]{};
  const lender& mine = lends;
  borrower& theirs = borrows;
  const loan l = mine.lend(bytes + 1, 2);
  CHECK(l != 0);
  CHECK(theirs.find(5, l) == bytes + 1);
  static_assert(least_loan <= longest_loan);
}
