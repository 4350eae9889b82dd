#include <tutti/base/bootstrap.hpp>

#include <doctest/doctest.h>

#include <string>

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

}  // namespace
