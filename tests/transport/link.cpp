#include <tutti/transport/link.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <set>
#include <string>

using namespace tutti;

TEST_CASE("every kind of link has a name of its own") {
  std::set<std::string> names;
  for (link_kind kind : {link_kind::self, link_kind::loopback, link_kind::window, link_kind::message, link_kind::simulated})
    names.insert(name_of(kind));
  CHECK(names == std::set<std::string>{"self", "loopback", "window", "message", "simulated"});
  CHECK(std::string(name_of(link_kind::window)) == "window");
  CHECK(std::string(name_of(link_kind::simulated)) == "simulated");
}

TEST_CASE("a rank's status fills a line, so that others reading it disturb nobody") {
  static_assert(alignof(rank_status) == 64);
  rank_status s;
  CHECK(s.entered == 0);
  CHECK(s.completed == 0);
  CHECK(s.left == 0);
}

TEST_CASE("a rank's status holds the call that it has entered") {
  rank_status s;
  call what{.count = 12, .element = 4, .root = 3};
  std::strcpy(what.kind, "reduce");
  s.enter(what, 77);
  CHECK(s.shape == 77);
  const call seen = s.entered_call(9);
  CHECK(seen.number == 9);
  CHECK(describe(seen).find("reduce of 12 ") == 0);
  CHECK(seen.root == 3);
}

TEST_CASE("an exchange over a bootstrap passes bytes and errors on") {
  struct alone {
    int rounds = 0;
    bool broken = false;
    int rank() const { return 0; }
    int size() const { return 1; }
    contributions all_gather(bytes_view mine) {
      ++rounds;
      if (broken) throw error(errc::launch, "rank 0 is lost");
      return {std::vector<std::byte>(mine.begin(), mine.end())};
    }
  } b;
  bootstrap_exchange<alone> e(b);
  exchange& base = e;
  const int number = 77;
  const contributions all = base.all_gather(bytes_of(number));
  REQUIRE(all.size() == 1);
  REQUIRE(all[0].size() == sizeof number);
  CHECK(std::memcmp(all[0].data(), &number, sizeof number) == 0);
  CHECK(base.all_gather({})[0].empty());
  CHECK(b.rounds == 2);
  b.broken = true;
  CHECK_THROWS_WITH_AS(base.all_gather({}), "rank 0 is lost", error);
}
