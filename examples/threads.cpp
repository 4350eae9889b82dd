#include <cstdio>
#include <vector>
#include <tutti/launch/threads.hpp>
#include <tutti/tutti.hpp>

int main() {
  try {
    tutti::run_threads(4, [](tutti::thread_bootstrap& ranks) {
      tutti::session joined(ranks);
      tutti::communicator world(joined);
      std::vector<int> x{world.rank(), 1};
      tutti::all_reduce(world, x, tutti::plus{});
      if (world.rank() == 0) std::printf("%d %d\n", x[0], x[1]);
    });
  } catch (const tutti::error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
