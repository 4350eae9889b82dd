#include <cstdio>
#include <tutti/tutti.hpp>

int main(int argc, char** argv) {
  return tutti::run(argc, argv, [](tutti::communicator& world) {
    int sum[1] = {world.rank() + 1};
    tutti::all_reduce(world, tutti::span<int>(sum, 1), tutti::plus{});
    if (world.rank() == 0) std::printf("%d\n", sum[0]);
  });
}
