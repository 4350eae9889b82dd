#include <tutti/base/bootstrap.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

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

// Two ranks in one thread: the other one says what the test has it say.
struct beside final : tutti::exchange {
  std::vector<std::vector<std::byte>> theirs;  // by round
  std::vector<std::vector<std::byte>> said{};
  tutti::contributions all_gather(tutti::bytes_view mine) override {
    said.emplace_back(mine.begin(), mine.end());
    return {said.back(), theirs.at(said.size() - 1)};
  }
};

TEST_CASE("what one rank cannot make is an error of all, in whatever round they are") {
  using bytes = std::vector<std::byte>;
  const bytes goes_on{std::byte{1}}, ended{std::byte{2}};
  auto failed = ended;
  const bytes why = tutti::refusal::pack(tutti::error(tutti::errc::device, "no such device", 1));
  failed.insert(failed.end(), why.begin(), why.end());
  auto over = [](std::vector<bytes> theirs) {
    auto made = std::make_unique<beside>();
    made->theirs = std::move(theirs);
    return made;
  };
  {
    auto rounds = over({{std::byte{1}, std::byte{7}}, goes_on, goes_on});
    beside& all = *rounds;
    tutti::joint_exchange joint(std::move(rounds), 0);
    joint.together([&] { CHECK(joint.all_gather({})[1] == bytes{std::byte{7}}); });
    CHECK(all.said.size() == 2);  // the last one is everybody's word that it has made it
    CHECK(joint.all_gather({})[0].empty());
  }
  for (std::size_t round : {0u, 1u}) {  // while it is made, and once this rank has made it
    auto rounds = over({goes_on, goes_on, goes_on});
    rounds->theirs[round] = failed;
    beside& all = *rounds;
    tutti::joint_exchange joint(std::move(rounds), 0);
    try {
      joint.together([&] { joint.all_gather({}); });
      CHECK(false);
    } catch (const tutti::error& e) {
      CHECK(e.code() == tutti::errc::device);
      CHECK(e.rank() == 1);
      CHECK(std::string(e.what()) == "no such device");
    }
    CHECK(all.said.size() == round + 1);  // nobody is told of what all have heard
  }
  auto rounds = over({goes_on, {}, {}});
  beside& all = *rounds;
  tutti::joint_exchange joint(std::move(rounds), 5);
  CHECK_THROWS_WITH_AS(joint.together([] { throw std::runtime_error("no room"); }), "no room", std::runtime_error);
  REQUIRE(all.said.size() == 1);
  CHECK(all.said[0][0] == std::byte{2});
  CHECK_THROWS_WITH_AS(tutti::refusal::raise({all.said[0].data() + 1, all.said[0].size() - 1}), "no room", tutti::error);
  auto among_survivors = over({goes_on, {}, {}});
  beside& untold = *among_survivors;
  tutti::joint_exchange of_survivors(std::move(among_survivors), 5, false);
  of_survivors.together([] {});
  CHECK_THROWS_WITH_AS(of_survivors.together([] { throw tutti::error(tutti::errc::device, "no room"); }), "no room", tutti::error);
  CHECK(untold.said.empty());
  auto strange = over({{std::byte{9}}});
  tutti::joint_exchange with_another(std::move(strange), 0);
  CHECK_THROWS_WITH_AS(with_another.all_gather({}), "a rank of another version of Tutti has joined", tutti::error);
}

TEST_CASE("values of all ranks, and of ranks that take no part none") {
  beside all;
  const int seven = 7;
  const tutti::bytes_view theirs = tutti::bytes_of(seven);
  all.theirs = {std::vector<std::byte>(theirs.begin(), theirs.end()), {}, std::vector<std::byte>(3)};
  CHECK(tutti::gather_values(all, 3) == std::vector<int>{3, 7});
  CHECK(tutti::gather_values(all, 3) == std::vector<int>{3, 0});
  CHECK_THROWS_WITH_AS(tutti::gather_values(all, 3), "a rank of another version of Tutti has joined", tutti::error);
}

}  // namespace
