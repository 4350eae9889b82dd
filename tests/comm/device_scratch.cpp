#include <tutti/comm/device_scratch.hpp>

#include <doctest/doctest.h>

#include <cstring>

#include "host_device.hpp"
#include "thread_ranks.hpp"

using namespace tutti;

TEST_CASE("one call after another has the same memory, on whichever stream, and none before those that came earlier have done with it") {
  thread_ranks::run(1, [](communicator& world) {
    const host_device::device device;
    host_device::stream one, other;
    detail::device_scratch<host_device::device> scratch(device, 64);
    scratch.finish(world);  // of no call
    scratch.prepare(world, 64, 0);
    const char first[] = "first", second[] = "second";
    char got[2][8] = {};
    std::byte* const here = scratch.begin(&one);
    one.hold_after(0);
    device.copy(here, first, sizeof first, &one);
    device.copy(got[0], here, sizeof first, &one);
    scratch.end(&one);
    scratch.prepare(world, 64, 0);
    if (scratch.begin(&other) != here) throw std::logic_error("other memory");
    device.copy(here, second, sizeof second, &other);
    device.copy(got[1], here, sizeof second, &other);
    scratch.end(&other);
    for (int k = 0; k < 100; ++k) std::this_thread::yield();
    one.release();
    scratch.finish(world);
    if (std::strcmp(got[0], first) != 0 || std::strcmp(got[1], second) != 0) throw std::logic_error("not in order");
  });
}

TEST_CASE("what is kept stays as it was, and grows once the call before has done with it") {
  thread_ranks::run(1, [](communicator& world) {
    const host_device::device device;
    host_device::stream one;
    detail::device_scratch<host_device::device> scratch(device, 64);
    for (std::size_t bytes : {std::size_t{4}, std::size_t{100}, std::size_t{8}}) {
      std::vector<std::byte> data(bytes, std::byte{7}), got(bytes);
      scratch.prepare(world, 0, bytes);
      scratch.begin(&one);
      const void* const kept = scratch.keep(data.data(), bytes, &one);
      one.give([&] { data.assign(bytes, std::byte{1}); });
      device.copy(got.data(), kept, bytes, &one);
      scratch.end(&one);
      scratch.finish(world);
      if (got != std::vector<std::byte>(bytes, std::byte{7})) throw std::logic_error("changed");
    }
  });
}
