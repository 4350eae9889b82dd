// A program of ranks with a communicator, which the tests start.
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include <signal.h>

#include <tutti/comm/collectives.hpp>
#include <tutti/launch/run.hpp>
#if defined(PROBE_PMIX)
#include <tutti/launch/pmix.hpp>
#endif

int main(int argc, char** argv) {
  return tutti::run(argc, argv, [&](tutti::communicator& world) {
    std::string what = argc > 1 ? argv[1] : "sum";
    bool mine = argc > 2 && argv[2] == std::to_string(world.rank());
    std::vector<int> x{world.rank() + 1, argc};
    tutti::all_reduce(world, x);
    if (mine && what == "throw") throw std::runtime_error("out of luck");
    if (mine && what == "throw-other") throw 42;
    if (mine && what == "kill") ::raise(SIGKILL);
    if (mine && what == "return") return 3;
    if (what == "own-root") {  // each waits for the others afterwards, but not on that communicator
      tutti::communicator other = world.duplicate();
      tutti::broadcast(other, x, world.rank());
      tutti::barrier(world);
      return 0;
    }
    if (what == "unlike-ends") {  // which is nobody's fault
      std::vector<tutti::communicator> others;
      for (int i = 0; i < 4; ++i) {
        others.push_back(world.duplicate());
        for (int k = 0; k <= i; ++k) tutti::broadcast(others.back(), x, k % world.size());
        tutti::all_reduce(others.back(), x, tutti::maximum{});
      }
      if (world.rank() % 2) others.erase(others.begin());
      { tutti::request dropped = tutti::broadcast_async(others.back(), x, 0); }
      tutti::barrier(others.back());
      tutti::communicator last = world.duplicate();
      tutti::reduce(last, x, x, tutti::plus{}, 0);
      if (world.rank() == 0) others.clear();
      tutti::barrier(world);
      return 0;
    }
    if (what != "sum") tutti::all_reduce(world, x);
    std::printf("rank %d of %d: sum %d\n", world.rank(), world.size(), x[0]);
    return 0;
  });
}
