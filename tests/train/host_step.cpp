#include <tutti/train/host_step.hpp>

#include <doctest/doctest.h>

#include "../comm/thread_ranks.hpp"

using namespace tutti;

TEST_CASE("of ranks that have the same samples one counts them") {
  thread_ranks::run(4, [](communicator& world) {
    const process_mesh on(world, {{"data", 2}, {"model", 2}});
    const bool first = world.rank() % 2 == 0;
    if (counts_samples(on, placement{}.sharded(0, 0)) != first) throw std::logic_error("counted by both, or by none");
    if (counts_samples(on, placement{}.sharded(0, 0).sharded(0, 1)) != true) throw std::logic_error("not counted");
    if (counts_samples(on, placement{}) != (world.rank() == 0)) throw std::logic_error("counted more than once");
  });
}
