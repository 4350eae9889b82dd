#include <tutti/comm/device_staging.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

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
        through.prepare(world, call);
        through.run(world, call, &stream);
        stream.wait();
        if (sum != std::vector<int>(37, 3)) throw std::logic_error("wrong sum");
        sum.assign(37, -1);
      }
    });
}

TEST_CASE("what is still on its way back is not overwritten by the next call, on another stream") {
  thread_ranks::run(1, [](communicator& world) {
    host_device::stream slow, fast;
    detail::device_staging<host_device::device> through({}, 4096);
    std::vector<int> first(100, 1), second(100, 2);
    auto call = [&](std::vector<int>& x, host_device::stream& stream) {
      const device_call<int, plus> one{.input = x.data(), .output = x.data(), .count = 100, .input_blocks = 1, .output_blocks = 1};
      through.prepare(world, one);
      through.run(world, one, &stream);
    };
    slow.hold_after(2);  // its way there
    call(first, slow);
    first.assign(100, -1);
    // The second call may wait for the first, so that another thread lets that go on.
    std::atomic<bool> returned{false};
    std::thread later([&] {
      for (int k = 0; k < 20000 && !returned; ++k) std::this_thread::yield();
      slow.release();
    });
    call(second, fast);
    returned = true;
    later.join();
    slow.wait(), fast.wait();
    if (first != std::vector<int>(100, 1) || second != std::vector<int>(100, 2)) throw std::logic_error("overwritten");
  });
}
