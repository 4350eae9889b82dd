#include <tutti/comm/unexpected.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <set>

using namespace tutti;

namespace {
call tagged(int tag, std::uint64_t count = 1) { return {.count = count, .element = 1, .root = tag}; }
}  // namespace

TEST_CASE("of several with one tag the first is found, and what is removed is found no more") {
  unexpected_messages all;
  all.open();
  CHECK(all.empty());
  auto &a = all.add(tagged(5), 4, 0, false), &b = all.add(tagged(6), 8, 1, true), &c = all.add(tagged(5), 12, 2, false);
  CHECK(a.data == nullptr);
  CHECK(a.complete);
  CHECK(b.data != nullptr);
  CHECK(!b.complete);
  CHECK(all.find(5) == &a);
  CHECK(all.find(7) == nullptr);
  all.remove(a);
  CHECK(all.find(5) == &c);
  CHECK(all.find(5)->number == 2);
  all.remove(c);
  auto& d = all.add(tagged(6), 16, 3, false);
  CHECK(all.find(6) == &b);
  all.remove(b);
  CHECK(all.find(6) == &d);
  all.remove(d);
  CHECK(all.empty());
}

TEST_CASE("as many as its bound are kept, again and again, each in a place of its own") {
  unexpected_messages all;
  all.open();
  for (int round = 0; round < 3; ++round) {
    std::set<const std::byte*> places;
    for (std::uint32_t i = 0; i < unexpected_messages::most; ++i) {
      auto& a = all.add(tagged(static_cast<int>(i)), 4, i, i < unexpected_messages::most_stored);
      if (!a.data) continue;
      std::memset(a.data, static_cast<int>(i), least_loan);
      places.insert(a.data);
    }
    CHECK(places.size() == unexpected_messages::most_stored);
    for (std::uint32_t i = 0; i < unexpected_messages::most; ++i) {
      const std::uint32_t which = (i * 7 + 3) % unexpected_messages::most;  // in another order
      auto* a = all.find(static_cast<int>(which));
      REQUIRE(a);
      CHECK(a->number == which);
      if (a->data) {
        CHECK(a->data[0] == static_cast<std::byte>(which));
        CHECK(a->data[least_loan - 1] == static_cast<std::byte>(which));
      }
      all.remove(*a);
    }
    CHECK(all.empty());
  }
}
