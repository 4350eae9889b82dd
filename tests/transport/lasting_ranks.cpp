// Ranks that reduce again and again until an error ends them, or until they
// have done what they were asked for: what monitor.cpp disturbs.
// Usage: lasting_ranks [--ranks N] ROUNDS COUNT [RANK THAT THROWS]
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <vector>

#include <unistd.h>

#include <tutti/tutti.hpp>

int main(int argc, char** argv) {
  return tutti::run(argc, argv, [&](tutti::communicator& world) {
    const long rounds = argc > 1 ? std::atol(argv[1]) : 1;
    const auto count = static_cast<std::size_t>(argc > 2 ? std::atol(argv[2]) : 1);
    const int thrower = argc > 3 ? std::atoi(argv[3]) : -1;
    std::vector<float> x(count);
    for (long i = 0; i < rounds; ++i) {
      if (i == 100 && world.rank() == thrower) throw std::runtime_error("this rank has had enough");
      for (std::size_t k = 0; k < count; ++k) x[k] = static_cast<float>(world.rank() + 1);
      tutti::all_reduce(world, x);
      const auto n = static_cast<float>(world.size());
      for (float v : x)
        if (v != n * (n + 1) / 2) {
          std::fprintf(stderr, "rank %d: a wrong sum\n", world.rank());
          return 3;
        }
      // One line that is whole, whoever else writes.
      char line[64];
      const int length = std::snprintf(line, sizeof line, "rank %d pid %d runs\n", world.rank(), static_cast<int>(::getpid()));
      if (i == 0 && ::write(STDOUT_FILENO, line, static_cast<std::size_t>(length)) != length) return 4;
    }
    return 0;
  });
}
