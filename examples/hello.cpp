#include <cstdio>
#include <vector>
#include <tutti/tutti.hpp>

int main(int argc, char** argv) {
  return tutti::run(argc, argv, [](tutti::communicator& world) {
    std::vector<float> x(4, static_cast<float>(world.rank() + 1));
    tutti::all_reduce(world, x, tutti::plus{});
    if (world.rank() == 0) std::printf("%g %g %g %g\n", x[0], x[1], x[2], x[3]);
  });
}
