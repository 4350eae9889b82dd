#include <tutti/comm/device_communicator.hpp>

#include <doctest/doctest.h>

#include <atomic>

#include "host_device.hpp"
#include "thread_ranks.hpp"

using namespace tutti;

TEST_CASE("it says which way data goes, and refuses a stream of another device and null pointers before anything moves") {
  thread_ranks::run(2, [](communicator& world) {
    device_communicator direct(world, host_device::device{});
    device_communicator staged(world, host_device::device{}, {.staged = true});
    if (!direct.why_staged().empty() || staged.why_staged() != "rank 0: asked to") throw std::logic_error("says otherwise");
    host_device::stream right(0), wrong(1);
    int x = 1;
    for (auto* c : {&direct, &staged}) {
      try {
        c->run(device_call<int, plus>{.input = &x, .output = &x, .count = 1, .input_blocks = 1, .output_blocks = 1}, &wrong);
        throw std::logic_error("took a stream of another device");
      } catch (const error& e) {
        if (e.what() != std::string("rank 0: all_reduce: the stream is of device 1, and the call is for device 0")) throw;
      }
      try {
        c->run(device_call<int, plus>{.input = nullptr, .output = &x, .count = 1, .input_blocks = 1, .output_blocks = 1}, &right);
        throw std::logic_error("took a null pointer");
      } catch (const error& e) {
        if (e.what() != std::string("rank 0: all_reduce: a null pointer with 4 bytes")) throw;
      }
    }
  });
}

TEST_CASE("what one rank refuses before anything moves is every rank's error, in the same words, and the communicator is good for the next call") {
  for (device_way way : {device_way::windows, device_way::messages, device_way::staging})
    thread_ranks::run(3, [&](communicator& world) {
      device_communicator c(world, host_device::device{}, {.staged = way == device_way::staging, .prefer_messages = way == device_way::messages});
      host_device::stream right(0), wrong(1);
      std::vector<int> x(5, world.rank() + 1);
      const device_call<int, plus> call{.input = x.data(), .output = x.data(), .count = 5, .input_blocks = 1, .output_blocks = 1};
      try {
        c.run(call, world.rank() == 2 ? &wrong : &right);
        throw std::logic_error("taken");
      } catch (const error& e) {
        if (e.code() != errc::invalid_argument || e.rank() != 2 ||
            e.what() != std::string("rank 2: all_reduce: the stream is of device 1, and the call is for device 0"))
          throw;
      }
      c.run(call, &right);
      right.wait();
      if (x != std::vector<int>(5, 6)) throw std::logic_error("wrong sum");
      c.close();
      try {
        c.run(call, &right);
        throw std::logic_error("taken after the end");
      } catch (const error& e) {
        if (e.what() != std::string("rank 0: all_reduce: the device communicator was closed")) throw;
      }
    });
}

TEST_CASE("a sum that rank 0's kernel makes for all is counted as what it fetches of the others and they get from it") {
  thread_ranks::run(3, [](communicator& world) {
    device_communicator there(world, host_device::device{});
    host_device::stream stream;
    std::vector<int> x(100, 1);
    there.run(device_call<int, plus>{.input = x.data(), .output = x.data(), .count = x.size(), .input_blocks = 1, .output_blocks = 1}, &stream);
    stream.wait();
    const std::uint64_t times = world.rank() == 0 ? 2 : 1;
    if (there.host_side().counters().over(link_kind::device) != traffic{times, times * 400}) throw std::logic_error("counted otherwise");
    there.close();
  });
}

TEST_CASE("windows and pieces of different sizes are cut to the smallest") {
  for (device_way way : {device_way::windows, device_way::messages, device_way::staging})
    thread_ranks::run(3, [&](communicator& world) {
      const std::size_t bytes = world.rank() == 1 ? 2048 : 8192;
      device_communicator c(world, host_device::device{}, {.window_bytes = bytes, .piece_bytes = bytes, .staged = way == device_way::staging, .prefer_messages = way == device_way::messages});
      host_device::stream stream;
      std::vector<int> x(5000, world.rank() + 1);
      c.run(device_call<int, plus>{.input = x.data(), .output = x.data(), .count = 5000, .input_blocks = 1, .output_blocks = 1}, &stream);
      c.close();
      stream.wait();
      if (x != std::vector<int>(5000, 6)) throw std::logic_error("wrong sum");
    });
}

TEST_CASE("wherever a device fails on one rank, every rank gets an error and none waits for the deadline") {
  for (device_way way : {device_way::windows, device_way::messages, device_way::staging}) {
    CAPTURE(name_of(way));
    // Which of its calls failed in the constructor, without harm, and later.
    int whole = 0, refused = 0, later = 0;
    for (int n = 1; whole == 0; ++n) {
      std::atomic<int> failed{0}, right{0};
      bool harmless = false;
      thread_ranks::run(2, [&](communicator& world) {
        host_device::stream stream;
        std::vector<int> x(700, world.rank() + 1);
        std::optional<device_communicator<host_device::device>> c;
        try {
          c.emplace(world, world.rank() == 1 ? host_device::device::fail_after(n) : host_device::device{},
                    device_options{.window_bytes = 2048, .piece_bytes = 2048, .staged = way == device_way::staging, .prefer_messages = way == device_way::messages});
          if (world.rank() == 0) harmless = way == device_way::windows && !c->why_staged().empty();
          c->run(device_call<int, plus>{.input = x.data(), .output = x.data(), .count = 700, .algorithm = algorithm::two_shot, .input_blocks = 1,
                                       .output_blocks = 1}, &stream);
          c->close();
          barrier(world);
          stream.wait();
          right += x == std::vector<int>(700, 3);
        } catch (const error& e) {
          ++failed;
          stream.wait();
          if (std::string(e.what()).find("the device is broken") == std::string::npos) throw;
        }
      });
      CAPTURE(n);
      CHECK(failed + right == 2);
      CHECK((failed == 2 || right == 2));
      if (failed == 0 && !harmless) ++whole;
      (harmless ? refused : later) += 1;
      REQUIRE(n < 500);
    }
    CHECK(later > 10);
    CHECK((refused > 5) == (way == device_way::windows));
  }
}

TEST_CASE("a rank whose device fails leaves while another one has kernels to give to its stream, which name the memory of both") {
  int left_in_call = 0, whole = 0;
  for (int n = 1; whole == 0; ++n) {
    auto leaving = std::make_shared<host_device::device::departure>();
    std::atomic<bool> called{false};
    thread_ranks::run(2, [&](communicator& world) {
      host_device::device device;
      if (world.rank() == 1) device = host_device::device::fail_after(n), device.leaves = leaving;
      else device.awaits = leaving;
      host_device::stream stream;
      std::vector<int> x(700, world.rank() + 1);
      try {
        device_communicator<host_device::device> c(world, device, {.window_bytes = 2048});
        if (world.rank() == 1) called = !leaving->begun;
        c.run(device_call<int, plus>{.input = x.data(), .output = x.data(), .count = 700, .algorithm = algorithm::two_shot, .input_blocks = 1,
                                     .output_blocks = 1}, &stream);
        stream.wait();
        barrier(world);
      } catch (const error& e) {
        if (std::string(e.what()).find("the device is broken") == std::string::npos) throw;
      }
      if (world.rank() == 1) leaving->done = true;
      stream.wait();
    });
    whole += !leaving->begun;
    left_in_call += leaving->begun && called;
    REQUIRE(n < 500);
  }
  CHECK(left_in_call > 10);
}

TEST_CASE("calls of all ranks are recorded into one graph, which is replayed without the host, beside calls that are not") {
  for (int p : {1, 2, 3, 5}) {
    CAPTURE(p);
    std::optional<host_device::graph> graph(std::in_place);
    thread_ranks::run(p, [&](communicator& world) {
      // Small windows: in several pieces.
      device_communicator c(world, host_device::device{}, {.window_bytes = 4096});
      host_device::stream stream, other;
      const std::size_t n = 1500, k = 3;
      std::vector<int> x(n), y(n), small(k), whole(n);
      const device_call<int, plus> large{.input = x.data(), .output = y.data(), .count = n, .algorithm = algorithm::two_shot, .input_blocks = 1, .output_blocks = 1},
          tiny{.input = small.data(), .output = small.data(), .count = k, .algorithm = algorithm::one_shot, .input_blocks = 1, .output_blocks = 1};
      auto fill = [&](int by) {
        for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<int>(i) * by + world.rank();
        y.assign(n, -1), whole.assign(n, -1), small.assign(k, by + world.rank());
      };
      const int ranks = world.size(), all = ranks * (ranks - 1) / 2;
      auto check = [&](int by) {
        for (std::size_t i = 0; i < n; ++i)
          if (y[i] != static_cast<int>(i) * by * ranks + all) throw std::logic_error("wrong sum");
          else if (whole[i] != y[i] * ranks) throw std::logic_error("wrong sum of sums");
        if (small != std::vector<int>(k, by * ranks + all)) throw std::logic_error("wrong small sum");
      };
      auto both = [&](host_device::stream& first, host_device::stream& second) {
        c.run(large, &first);
        // A single kernel of rank 0.
        c.run(device_call<int, plus>{.input = y.data(), .output = whole.data(), .count = n, .input_blocks = 1, .output_blocks = 1}, &first);
        c.run(tiny, &second);
      };
      fill(1);
      both(stream, other);
      stream.wait(), other.wait();
      check(1);
      stream.record_into(&*graph), other.record_into(&*graph);
      both(stream, other);
      stream.record_into(nullptr), other.record_into(nullptr);
      check(1);
      for (int by = 2; by < 12; ++by) {
        fill(by);
        barrier(world);
        if (world.rank() == 0) graph->replay(static_cast<std::uint64_t>(by + 100 * p));
        barrier(world);
        check(by);
        fill(-by);
        both(stream, stream);
        stream.wait();
        barrier(world);
        check(-by);
      }
      c.close();
    });
  }
}

TEST_CASE("what cannot be recorded into a graph is refused on all ranks, and the session goes on") {
  thread_ranks::run(3, [](communicator& world) {
    device_communicator direct(world, host_device::device{}), staged(world, host_device::device{}, {.staged = true});
    static host_device::graph shared;
    host_device::graph own;
    host_device::stream stream;
    std::vector<int> x(5, 1);
    const device_call<int, plus> call{.input = x.data(), .output = x.data(), .count = 5, .algorithm = algorithm::one_shot, .input_blocks = 1,
                                      .output_blocks = 1};
    auto refused = [&](auto& c, host_device::graph* into, const std::string& why) {
      stream.record_into(into);
      try {
        c.run(call, &stream);
      } catch (const error& e) {
        stream.record_into(nullptr);
        if (std::string(e.what()).find(why) == std::string::npos) throw;
        return;
      }
      throw std::logic_error("recorded, though " + why);
    };
    refused(direct, &shared, "before it was called without one");
    refused(staged, &shared, "is recorded into a graph, and data goes through the host (rank 0: asked to)");
    direct.run(call, &stream);
    refused(direct, &own, "do not record it into the same graph");
    refused(direct, world.rank() == 1 ? nullptr : &shared, "ranks 0 and 1 do not record it into the same graph");
    direct.run(call, &stream);
    stream.wait();
    if (x != std::vector<int>(5, 9)) throw std::logic_error("wrong sum");
    direct.close(), staged.close();
  });
}

TEST_CASE("graphs keep half of the shapes that are kept, say so beyond that, and leave the other half to other calls; what is refused keeps none") {
  using windows = detail::device_windows<host_device::device>;
  thread_ranks::run(2, [](communicator& world) {
    device_communicator c(world, host_device::device{});
    host_device::stream stream;
    static host_device::graph graph;
    host_device::graph own;
    std::vector<int> x(2 * windows::kept_plans, 1);
    auto call = [&](std::size_t n, host_device::graph* into) {
      stream.record_into(into);
      std::string why;
      try {
        c.run(device_call<int, plus>{.input = x.data(), .output = x.data(), .count = n, .algorithm = algorithm::one_shot, .input_blocks = 1, .output_blocks = 1}, &stream);
      } catch (const error& e) {
        why = e.what();
      }
      stream.record_into(nullptr);
      return why;
    };
    auto need = [&](bool right, const std::string& why) {
      if (!right) throw std::logic_error(why);
    };
    for (std::size_t n = 1; n <= windows::kept_plans; ++n) {
      need(call(n, nullptr).empty(), "refused");
      // One of the two has another graph than the other.
      need(call(n, world.rank() == 0 ? &graph : &own).find("do not record it into the same graph") != std::string::npos, "taken");
    }
    for (std::size_t n = 1; n <= windows::most_in_graphs; ++n) {
      need(call(n, nullptr).empty(), "refused");
      for (int again : {0, 1}) need(call(n, &graph).empty(), format("not recorded: shape %zu, time %d", n, again));
    }
    for (std::size_t n = windows::most_in_graphs + 1; n <= 2 * windows::kept_plans; ++n) {
      need(call(n, nullptr).empty(), "refused without a graph");
      if (const std::string why = call(n, &graph); why != format("rank 0: all_reduce is recorded into a graph, and graphs have %zu shapes of calls already, as many as "
                                                                 "a device communicator keeps for them: make another one", windows::most_in_graphs))
        throw std::logic_error("says: " + why);
    }
    need(call(1, &graph).empty(), "one that graphs keep is not recorded again");
    stream.wait();
    c.close();
  });
}
