#include <tutti/comm/device_staging.hpp>

#include <doctest/doctest.h>

#include "host_device.hpp"
#include "thread_ranks.hpp"

using namespace tutti;

TEST_CASE("a vector goes through the host in pieces, whatever their size") {
  for (std::size_t piece : {std::size_t{1}, std::size_t{24}, std::size_t{4000}})
    thread_ranks::run(2, [&](communicator& world) {
      const host_device::device device;
      host_device::stream stream;
      detail::device_staging<host_device::device> through(device, piece);
      std::vector<int> x(37, world.rank() + 1), sum(37, -1);
      const device_call<int, plus> call{.input = x.data(), .output = sum.data(), .count = 37, .input_blocks = 1, .output_blocks = 1};
      for (int again = 0; again < 2; ++again) {
        through.run(world, call, &stream);
        stream.wait();
        if (sum != std::vector<int>(37, 3)) throw std::logic_error("wrong sum");
        sum.assign(37, -1);
      }
    });
}
