#include <tutti/cuda.hpp>

#include <doctest/doctest.h>

#include "comm/thread_ranks.hpp"

using namespace tutti;

TEST_CASE("compiled without kernels, a call on device memory goes through the host and says why") {
  thread_ranks::run(2, [](communicator& world) {
    device_communicator there(world, gpu(0));
    if (there.why_staged() != "rank 0: compiled without kernels: compile with nvcc") throw std::logic_error(there.why_staged());
    device_stream stream(0);
    for (std::size_t n : {std::size_t{1}, std::size_t{1000}, std::size_t{5000001}}) {
      std::vector<int> x(n, world.rank() + 1);
      buffer<int, cuda> y(n);
      transfer(y, x, on(stream));
      all_reduce(there, y, plus{}, on(stream));
      transfer(x, y, on(stream));
      stream.wait();
      if (x != std::vector<int>(n, 3)) throw std::logic_error("wrong sum");
    }
    std::vector<int> here(3);
    try {
      all_reduce(there, span<int, cuda>(here.data(), 3), plus{}, on(stream));
      throw std::logic_error("took memory of the host");
    } catch (const error& e) {
      if (e.code() != errc::invalid_argument) throw;
    }
    there.close();
  });
}
