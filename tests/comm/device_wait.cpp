#include <tutti/comm/device_wait.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>

#include <tutti/comm/collectives.hpp>

#include "awaited.hpp"
#include "host_device.hpp"
#include "thread_ranks.hpp"

using namespace tutti;

TEST_CASE("the host waits until the device has come to the event, and not longer") {
  thread_ranks::run(1, [](communicator& world) {
    const host_device::device device;
    host_device::stream stream;
    const auto event = device.make_event();
    detail::finish_watched(device, world, event);  // nobody has recorded it
    int done = 0;
    stream.give([&] {
      for (int k = 0; k < 1000; ++k) std::this_thread::yield();
      done = 1;
    });
    device.record(event, &stream);
    detail::finish_watched(device, world, event);
    if (done != 1) throw std::logic_error("did not wait");
    stream.hold_after(0);
    stream.give([] {});
    detail::finish_watched(device, world, event);  // of what comes after it, nothing
    stream.release();
  });
}

using device_waiting::awaited;

TEST_CASE("what a device says at the end of a wait is thrown, and what is found wrong with what it waits for at any time") {
  thread_ranks::run(1, [](communicator& world, session& s) {
    auto device = host_device::device::fail_after(3);
    host_device::stream stream;
    const auto event = device.make_event();
    device.record(event, &stream);
    const auto thrown = [&] {
      try {
        detail::finish_watched(device, world, event);
      } catch (const error& e) {
        return std::string(e.what());
      }
      return std::string();
    };
    if (thrown() != "the device is broken") throw std::logic_error("the device was not heard");
    device.left.reset();
    stream.hold_after(0);
    device.record(event, &stream);
    awaited peers(s.device_waits());
    peers.broken = "no use";
    const std::string heard = thrown();
    stream.release();
    if (heard != "no use") throw std::logic_error("did not look");
    if (!peers.why.empty()) throw std::logic_error("given up while the session goes on");
  });
}

TEST_CASE("for all ranks: what a device says ends the session, and then nothing is waited for any more") {
  std::atomic<int> heard{0};
  thread_ranks::run(2, [&](communicator& world, session& s) {
    auto device = host_device::device::fail_after(3);
    host_device::stream stream;
    awaited peers(s.device_waits());
    const auto event = device.make_event();
    device.record(event, &stream);
    std::string words;
    try {
      if (world.rank() == 1) detail::finish_for_all(device, world, event);
      else barrier(world), barrier(world);
    } catch (const error& e) {
      words = e.what();
    }
    heard += words == (world.rank() == 1 ? "the device is broken" : "rank 1 failed: the device is broken") &&
             peers.why == (world.rank() == 1 ? "rank 1 failed: the device is broken" : "");
  });
  CHECK(heard == 2);
}

TEST_CASE("a wait ends with the session, on whichever rank, and says why") {
  std::atomic<int> heard{0};
  thread_ranks::run(3, [&](communicator& world, session& s) {
    const host_device::device device;
    host_device::stream stream;
    const auto event = device.make_event();
    if (detail::verdict_on(world) && world.rank() == 1) throw std::logic_error("a verdict before its time");
    stream.hold_after(0);
    device.record(event, &stream);
    try {
      if (world.rank() == 1) s.abandon("it has enough");
      detail::finish_watched(device, world, event);
    } catch (const error& e) {
      heard += e.code() == errc::rank_failed && e.rank() == 1 && e.what() == std::string("rank 1 failed: it has enough");
    }
    stream.release();
    const auto ended = detail::verdict_on(world);
    if (!ended || ended->text != std::string("rank 1 failed: it has enough")) throw std::logic_error("another verdict");
  });
  CHECK(heard == 3);
}
