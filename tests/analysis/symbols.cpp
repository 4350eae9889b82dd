#include <tutti/analysis/symbols.hpp>

#include <doctest/doctest.h>

#include <initializer_list>

namespace {

using namespace tutti;

TEST_CASE("ordered symbols fold neighbours only, in their order") {
  ordered_symbols held(5, 3);
  for (int r = 0; r < 3; ++r) held.start(static_cast<std::size_t>(r), {r});
  CHECK_FALSE(held.holds(3));
  CHECK(held.fold(0, 2, 3) == flaw::out_of_order);
  CHECK(held.fold(1, 0, 3) == flaw::out_of_order);
  CHECK(held.fold(0, 1, 3) == flaw::none);
  CHECK(held.fold(3, 1, 4) == flaw::twice);
  CHECK_FALSE(held.complete(3));
  CHECK(held.fold(3, 2, 3) == flaw::none);
  CHECK(held.complete(3));
  held.copy(3, 4);
  CHECK(held.complete(4));
}

TEST_CASE("unordered symbols are sets of any size") {
  for (int ranks : {1, 2, 63, 64, 65, 130}) {
    CAPTURE(ranks);
    unordered_symbols held(3, ranks);
    CHECK_FALSE(held.holds(0));
    held.start(0, {ranks - 1});
    CHECK(held.holds(0));
    for (int r = ranks - 2; r >= 0; --r) {
      CHECK_FALSE(held.complete(0));
      held.start(1, {r});
      CHECK(held.fold(0, 1, 0) == flaw::none);
      CHECK(held.fold(0, 1, 2) == flaw::twice);
    }
    CHECK(held.complete(0));
    held.copy(0, 2);
    CHECK(held.complete(2));
  }
}

TEST_CASE("tokens may be heard again") {
  unordered_symbols held(2, 2, true);
  held.start(0, {0});
  held.start(1, {1});
  CHECK(held.fold(0, 1, 0) == flaw::none);
  CHECK(held.fold(0, 1, 0) == flaw::none);
  CHECK(held.complete(0));
}

}  // namespace
