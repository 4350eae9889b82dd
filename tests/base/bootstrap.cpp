#include <tutti/base/bootstrap.hpp>

#include <doctest/doctest.h>

#include <cstring>

#include <tutti/base/error.hpp>

namespace {

struct no_gather {
  int rank() { return 0; }
  int size() { return 1; }
};

TEST_CASE("a world of one gathers its own bytes") {
  static_assert(tutti::bootstrap<tutti::solo_bootstrap> && !tutti::bootstrap<no_gather>);
  tutti::solo_bootstrap solo;
  CHECK(solo.rank() == 0);
  CHECK(solo.size() == 1);
  int value = 42;
  tutti::contributions all = solo.all_gather(tutti::bytes_of(value));
  REQUIRE(all.size() == 1);
  tutti::bytes_view mine = tutti::bytes_of(value);
  CHECK(all[0] == std::vector<std::byte>(mine.begin(), mine.end()));
  CHECK(solo.all_gather({}).at(0).empty());
}

TEST_CASE("an exchange over a bootstrap passes bytes and errors on") {
  struct alone {
    int rounds = 0;
    bool broken = false;
    int rank() const { return 0; }
    int size() const { return 1; }
    tutti::contributions all_gather(tutti::bytes_view mine) {
      ++rounds;
      if (broken) throw tutti::error(tutti::errc::launch, "rank 0 is lost");
      return {std::vector<std::byte>(mine.begin(), mine.end())};
    }
  } b;
  tutti::bootstrap_exchange<alone> e(b);
  tutti::exchange& base = e;
  const int number = 77;
  const tutti::contributions all = base.all_gather(tutti::bytes_of(number));
  REQUIRE(all.size() == 1);
  REQUIRE(all[0].size() == sizeof number);
  CHECK(std::memcmp(all[0].data(), &number, sizeof number) == 0);
  CHECK(base.all_gather({})[0].empty());
  CHECK(b.rounds == 2);
  b.broken = true;
  CHECK_THROWS_WITH_AS(base.all_gather({}), "rank 0 is lost", tutti::error);
}

}  // namespace
