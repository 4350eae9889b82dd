#include <tutti/transport/operation_id.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("an operation of the first communicator is its number, and others keep theirs") {
  static_assert(operation_id(0, 7) == 7);
  static_assert(operation_number(operation_id(most_communicators - 1, 7)) == 7);
  static_assert(communicator_of(operation_id(0xabcdef, 7)) == 0xabcdef);
  static_assert(operation_id(1, 1) > operation_id(0, 1000000));
  // A number beyond its bits becomes another number, never another communicator.
  static_assert(communicator_of(operation_id(3, std::uint64_t{1} << 60)) == 3);
}

TEST_CASE("operations are compared within their communicator only") {
  lowest_operations open;
  CHECK(open.lowest(0) == 0);
  CHECK(open.lowest(operation_id(2, 9)) == operation_id(2, 9));
  for (std::uint64_t id : {operation_id(2, 9), operation_id(5, 3), std::uint64_t{0}, operation_id(2, 7), operation_id(2, 8)}) open.note(id);
  CHECK(open.lowest(operation_id(2, 9)) == operation_id(2, 7));
  CHECK(open.lowest(operation_id(2, 6)) == operation_id(2, 6));
  CHECK(open.lowest(operation_id(5, 100)) == operation_id(5, 3));
  CHECK(open.lowest(operation_id(7, 100)) == operation_id(7, 100));
  CHECK(open.lowest_noted(operation_id(2, 6)) == operation_id(2, 7));
  CHECK(open.lowest_noted(operation_id(7, 100)) == operation_id(7, 100));
  CHECK(open.lowest_noted(0) == operation_id(2, 7));
  CHECK(open.lowest(0) == operation_id(2, 7));
  open.note(12);
  CHECK(open.lowest(0) == 12);
}

TEST_CASE("sentences name every communicator but the first") {
  CHECK(of_communicator(0, {0, 1}) == "");
  CHECK(of_communicator(0x4f1) == " of communicator 0004f1");
  CHECK(of_communicator(0x4f1, {3}) == " of communicator 0004f1 (rank 3)");
  CHECK(of_communicator(0xffffff, {5, 1, 2}) == " of communicator ffffff (ranks 5, 1, 2)");
  CHECK(list_ranks({}) == "");
  CHECK(list_ranks({0, 1, 2, 3, 4, 5, 6, 7}) == "0, 1, 2, 3, 4, 5, 6, 7");
  CHECK(list_ranks({0, 1, 2, 3, 4, 5, 6, 7, 9, 11}) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more");
}
