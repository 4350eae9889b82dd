#include <tutti/launch/any_bootstrap.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "process.hpp"

namespace {

/// Counts what is asked of it, and how many of it live.
struct counting {
  int* alive;
  std::string* told;
  explicit counting(int* a, std::string* t) : alive(a), told(t) { ++*alive; }
  counting(counting&& other) noexcept : alive(other.alive), told(other.told) { ++*alive; }
  counting(const counting&) = delete;
  ~counting() { --*alive; }
  int rank() const { return 1; }
  int size() const { return 3; }
  tutti::contributions all_gather(tutti::bytes_view mine) { return {3, {mine.begin(), mine.end()}}; }
  void fail(const char* why, int culprit) { *told = std::string(why) + std::to_string(culprit); }
};

}  // namespace

static_assert(tutti::bootstrap<tutti::any_bootstrap>);

TEST_CASE("any bootstrap: passes on to what it holds, and owns it") {
  int alive = 0;
  std::string told;
  {
    tutti::any_bootstrap any(counting(&alive, &told));
    CHECK(alive == 1);
    tutti::any_bootstrap moved(std::move(any));
    tutti::any_bootstrap other;
    other = std::move(moved);
    CHECK(alive == 1);
    CHECK(other.rank() == 1);
    CHECK(other.size() == 3);
    int five = 5;
    tutti::contributions all = other.all_gather(tutti::bytes_of(five));
    REQUIRE(all.size() == 3);
    CHECK(all[2].size() == sizeof five);
    CHECK(all[2][0] == std::byte{5});
    other.fail("why", 2);
    CHECK(told == "why2");
  }
  CHECK(alive == 0);
}

TEST_CASE("any bootstrap: by itself a world of one, which has nobody to tell") {
  tutti::any_bootstrap any;
  CHECK(any.rank() == 0);
  CHECK(any.size() == 1);
  any.fail("nobody hears this");
  CHECK(any.all_gather({}).size() == 1);
}

#if defined(ALL_GATHER_EXAMPLE)
TEST_CASE("any bootstrap: ranks that a program joins by its own all-gather, as the example does") {
  char folder[] = "/tmp/tutti-all-gather-XXXXXX";
  REQUIRE(::mkdtemp(folder));
  std::vector<tests::process> ranks;
  for (int r = 0; r < 3; ++r) ranks.emplace_back(std::vector<std::string>{ALL_GATHER_EXAMPLE, folder, std::to_string(r), "3"});
  for (int r = 0; r < 3; ++r) {
    tests::process& rank = ranks[static_cast<std::size_t>(r)];
    CHECK(rank.wait() == 0);
    CAPTURE(rank.errors());
    CHECK(rank.output() == tutti::format("rank %d of 3: 3\n", r));
  }
  std::filesystem::remove_all(folder);
}
#endif
