#include <tutti/tutti.hpp>

#include <doctest/doctest.h>

#include <vector>

TEST_CASE("the umbrella holds what a program of ranks needs") {
  char name[] = "tests";
  char* arguments[] = {name, nullptr};
  int count = 1;
  int sum = 0;
  int status = tutti::run(count, arguments, [&](tutti::communicator& world) {
    tutti::buffer<int> mine(3);
    for (int& value : tutti::span<int>(mine)) value = world.rank() + 5;
    std::vector<int> all(3);
    tutti::all_reduce(world, mine, all, tutti::plus{});
    sum = all[0] + all[1] + all[2];
    return world.size();
  });
  CHECK(status == 1);
  CHECK(sum == 15);
}
