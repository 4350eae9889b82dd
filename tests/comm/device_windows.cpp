#include <tutti/comm/device_windows.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "host_device.hpp"
#include "thread_ranks.hpp"

using namespace tutti;
using windows = detail::device_windows<host_device::device>;

namespace {
struct large {
  std::byte bytes[600];
};
struct first {
  static constexpr bool commutative = true;
  constexpr large operator()(const large& a, const large&) const { return a; }
};
}  // namespace

TEST_CASE("where one rank cannot be reached, all know, and by the same sentence") {
  thread_ranks::run(3, [](communicator& world) {
    windows w({.number = 0, .fault = world.rank() == 1 ? "no way there" : ""}, world, 4096, false);
    if (w.why_not() != "rank 1: no way there") throw std::logic_error("says: " + w.why_not());
    windows asked({}, world, 4096, world.rank() == 2);
    if (asked.why_not() != "rank 2: asked to") throw std::logic_error("says: " + asked.why_not());
  });
}

TEST_CASE("ranks that call different things are told, and nothing is written") {
  thread_ranks::run(2, [](communicator& world) {
    windows w({}, world, 4096, false);
    host_device::stream stream;
    std::vector<int> x(8, 7);
    const std::size_t n = world.rank() == 0 ? 8 : 7;
    try {
      w.run(world, device_call<int, plus>{.input = x.data(), .output = x.data(), .count = n, .input_blocks = 1, .output_blocks = 1}, &stream);
    } catch (const error& e) {
      const std::string want = world.rank() == 0 ? "rank 0 calls all_reduce by one_shot of 8 elements of 4 bytes, root -1 on device memory, "
                                                   "rank 1 calls all_reduce by one_shot of 7 elements of 4 bytes, root -1"
                                                 : "";
      if (e.code() != errc::mismatch || (world.rank() == 0 && e.what() != want)) throw;
      stream.wait();
      if (x != std::vector<int>(8, 7)) throw std::logic_error("written all the same");
      return;
    }
    throw std::logic_error("not told");
  });
}

TEST_CASE("an element for each rank that no window holds is refused") {
  thread_ranks::run(2, [](communicator& world) {
    windows w({}, world, 1024, false);
    std::vector<large> x(40);
    host_device::stream stream;
    try {
      w.run(world, device_call<large, first>{.input = x.data(), .output = x.data(), .count = 40, .input_blocks = 1, .output_blocks = 1}, &stream);
    } catch (const error& e) {
      if (e.code() == errc::invalid_argument && std::string(e.what()).find("give more window_bytes") != std::string::npos) return;
      throw;
    }
    throw std::logic_error("not refused");
  });
}

TEST_CASE("calls on another stream come after those before, whose arenas they use again") {
  thread_ranks::run(2, [](communicator& world) {
    windows w({}, world, 4096, false);
    host_device::stream slow, fast;
    std::vector<std::vector<int>> x;
    for (int k = 1; k <= 3; ++k) x.emplace_back(50, k);
    if (world.rank() == 0) slow.hold_after(0);
    for (std::size_t k = 0; k < 3; ++k)
      w.run(world, device_call<int, plus>{.input = x[k].data(), .output = x[k].data(), .count = 50, .input_blocks = 1, .output_blocks = 1},
            k == 0 ? &slow : &fast);
    std::atomic<bool> overtaken{false};
    fast.give([&] { overtaken = true; });
    for (int k = 0; k < 20000 && !overtaken; ++k) std::this_thread::yield();
    slow.release();
    slow.wait(), fast.wait();
    barrier(world);
    for (int k = 1; k <= 3; ++k)
      if (x[static_cast<std::size_t>(k - 1)] != std::vector<int>(50, 2 * k)) throw std::logic_error("overtaken");
  });
}
