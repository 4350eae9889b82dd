// Every case on whatever link the ranks have; exit code 0 where all is right.
#include <cstdio>
#include <cstring>

#include <tutti/launch/run.hpp>

#include "cases.hpp"

int main(int argc, char** argv) {
  return tutti::run(argc, argv, [&](tutti::communicator& world) {
    const bool quick = argc > 1 && std::strcmp(argv[1], "quick") == 0;
    cases::check_all(world, quick);
    if (world.rank() == 0)
      std::printf("%d ranks, %s: right\n", world.size(), name_of(world.link_to(world.size() - 1)));
  });
}
