#include <tutti/comm/device_windows.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <thread>

#include "cases.hpp"
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

namespace {
template <class T, class Op>
void run(windows& w, communicator& world, device_call<T, Op> call, host_device::stream& stream) {
  w.prepare(world, call);
  w.run(world, call, &stream);
}
}  // namespace

TEST_CASE("more shapes than are kept, while the stream is held: no table is overwritten that is still read, and the oldest is made again") {
  thread_ranks::run(2, [](communicator& world) {
    windows w({}, world, 4096, false);
    host_device::stream slow, fast;
    constexpr std::size_t shapes = windows::kept_plans + 1;
    std::vector<std::vector<int>> x;
    for (std::size_t k = 0; k < 2 * shapes; ++k) x.emplace_back(k % shapes + 1, static_cast<int>(k) + world.rank());
    auto call = [&](std::size_t k) {
      return device_call<int, plus>{.input = x[k].data(), .output = x[k].data(), .count = x[k].size(), .algorithm = algorithm::one_shot,
                                    .input_blocks = 1, .output_blocks = 1};
    };
    if (world.rank() == 1) slow.hold_after(30);
    std::atomic<bool> returned{false};
    std::thread later([&] {
      for (int k = 0; k < 20000 && !returned; ++k) std::this_thread::yield();
      slow.release();
    });
    for (std::size_t k = 0; k < 2 * shapes; ++k) run(w, world, call(k), k % 3 ? slow : fast);
    returned = true;
    later.join();
    slow.wait(), fast.wait();
    barrier(world);
    for (std::size_t k = 0; k < 2 * shapes; ++k)
      if (x[k] != std::vector<int>(k % shapes + 1, 2 * static_cast<int>(k) + 1)) throw std::logic_error(format("wrong: shape %zu", k));
  });
}

TEST_CASE("an element for each rank that no window holds is refused") {
  thread_ranks::run(2, [](communicator& world) {
    windows w({}, world, 1024, false);
    std::vector<large> x(40);
    host_device::stream stream;
    try {
      run(w, world, device_call<large, first>{.input = x.data(), .output = x.data(), .count = 40, .input_blocks = 1, .output_blocks = 1}, stream);
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
      run(w, world, device_call<int, plus>{.input = x[k].data(), .output = x[k].data(), .count = 50, .input_blocks = 1, .output_blocks = 1},
          k == 0 ? slow : fast);
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

TEST_CASE("what others fetch of a rank's memory is counted, and is what its plan bills, by every algorithm") {
  for (int p = 1; p <= 7; ++p)
    thread_ranks::run(p, [](communicator& world) {
      windows small({}, world, 4096, false), large({}, world, 1 << 20, false);
      host_device::stream stream;
      const std::size_t n = 16 * 3 * 5 * 7;  // whose chunks are all of one length
      std::vector<int> in(n * static_cast<std::size_t>(world.size()), 1), out(in.size());
      for (const repertoire_entry& e : repertoire) {
        if (e.what == collective::barrier) continue;
        const int root = rooted(e.what) ? world.size() / 2 : -1;
        const device_call<int, plus> call{.what = e.what, .root = root, .input = in.data(), .output = e.what == collective::broadcast ? in.data() : out.data(),
                                          .count = n, .algorithm = e.how,
                                          .input_blocks = detail::blocks_brought(e.what, world.rank(), world.size(), root),
                                          .output_blocks = detail::blocks_got(e.what, world.rank(), world.size(), root)};
        const std::uint64_t billed = world.plan_for({.what = e.what, .count = n, .element = sizeof(int), .root = root, .algorithm = e.how}).bytes_sent;
        for (windows* w : {&large, &small}) {
          std::array<std::uint64_t, 2> bytes{billed, world.counters().over(link_kind::device).bytes};
          run(*w, world, call, stream);
          stream.wait();
          bytes[1] = world.counters().over(link_kind::device).bytes - bytes[1];
          // Pieces have chunks of other lengths than the whole, which even out over all ranks.
          if (w == &small) all_reduce(world, bytes);
          cases::need(bytes[0] == bytes[1], format("%s by %s: %zu bytes billed, %zu counted", name_of(e.what), name_of(e.how), static_cast<std::size_t>(bytes[0]),
                                                   static_cast<std::size_t>(bytes[1])), n, world);
        }
      }
    });
}
