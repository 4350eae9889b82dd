#include <tutti/analysis/symbols.hpp>

#include <doctest/doctest.h>

#include <initializer_list>

namespace {

using namespace tutti;

TEST_CASE("ordered symbols fold neighbours only, in their order") {
  ordered_symbols held(5);
  for (int r = 0; r < 3; ++r) held.start(static_cast<std::size_t>(r), {.from = {r}});
  CHECK_FALSE(held.holds(3));
  CHECK(held.fold(0, 2, 3) == flaw::out_of_order);
  CHECK(held.fold(1, 0, 3) == flaw::out_of_order);
  CHECK(held.fold(0, 1, 3) == flaw::none);
  CHECK(held.fold(3, 1, 4) == flaw::twice);
  CHECK_FALSE(held.holds(3, {0, 3}));
  CHECK(held.fold(3, 2, 3) == flaw::none);
  CHECK(held.holds(3, {0, 3}));
  CHECK_FALSE(held.holds(3, {0, 2}));
  CHECK_FALSE(held.holds(3, {1, 3}));
  held.copy(3, 4);
  CHECK(held.holds(4, {0, 3}));
}

TEST_CASE("unordered symbols are sets of any size") {
  for (int ranks : {1, 2, 63, 64, 65, 130}) {
    CAPTURE(ranks);
    unordered_symbols held(3, ranks);
    CHECK_FALSE(held.holds(0));
    held.start(0, {.from = {ranks - 1}});
    CHECK(held.holds(0));
    for (int r = ranks - 2; r >= 0; --r) {
      CHECK_FALSE(held.holds(0, {0, ranks}));
      held.start(1, {.from = {r}});
      CHECK(held.fold(0, 1, 0) == flaw::none);
      CHECK(held.fold(0, 1, 2) == flaw::twice);
      CHECK(held.holds(0, {r, ranks}));
    }
    CHECK(held.holds(0, {0, ranks}));
    held.copy(0, 2);
    CHECK(held.holds(2, {0, ranks}));
  }
}

TEST_CASE("tokens may be heard again") {
  unordered_symbols held(2, 2, true);
  held.start(0, {.from = {0}});
  held.start(1, {.from = {1}});
  CHECK(held.fold(0, 1, 0) == flaw::none);
  CHECK(held.fold(0, 1, 0) == flaw::none);
  CHECK(held.holds(0, {0, 2}));
}

TEST_CASE("what is moved keeps its origin, and is not folded") {
  moved_symbols held(3);
  CHECK_FALSE(held.holds(0));
  held.start(0, {.from = {1}, .part = {2}});
  CHECK(held.holds(0));
  held.copy(0, 1);
  CHECK(held.holds(1, origin{{1}, {2}}));
  CHECK_FALSE(held.holds(1, origin{{2}, {1}}));
  CHECK_FALSE(held.holds(1, origin{{1}, {1}}));
  CHECK(held.fold(0, 1, 2) == flaw::folded);
}

}  // namespace
