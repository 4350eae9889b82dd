#include <tutti/kernel/device_groups.hpp>

#include <doctest/doctest.h>

#include "../comm/thread_ranks.hpp"
#include "far_machine.hpp"

using namespace tutti;

TEST_CASE("ranks add up what their devices hold, over each of their communicators") {
  thread_ranks::run(2, [](communicator& world) {
    using backend = far_machine::far_backend<float>;
    backend::context c;
    backend::groups groups;
    communicator other = world.duplicate();
    buffer<float, backend::space> x(3);
    for (communicator* along : {&world, &other, &world}) {
      backend::fill(c, span<float, backend::space>(x), static_cast<float>(world.rank() + 1));
      groups.add_up(c, *along, span<float, backend::space>(x));
      std::vector<float> got(3);
      backend::fetch(c, span<const float, backend::space>(x), span<float>(got));
      if (got != std::vector<float>(3, 3.0f)) throw std::logic_error("not the sum");
    }
    barrier(world);
  });
}
