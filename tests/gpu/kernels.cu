// What only a CUDA device does: elementwise functions and pulls as kernels, and
// every collective between threads that share one device.
#include <tutti/cuda.hpp>

#include <tutti/device/thrust.hpp>

#include <doctest/doctest.h>

#include "../comm/thread_ranks.hpp"
#include "../device/elementwise_cases.hpp"
#include "on_device.hpp"

namespace {

using device_ranks = tutti::device_communicator<tutti::gpu>;

// Not more than 22, so that small sums are exact in every type.
template <class T>
std::vector<T> operands(int rank, std::size_t n) {
  std::vector<T> v(n);
  for (std::size_t i = 0; i < n; ++i) v[i] = static_cast<T>((static_cast<std::size_t>(rank) * 7 + i * 3) % 23);
  return v;
}

void need(bool right, const char* what, std::size_t n, const tutti::communicator& c) {
  if (!right) throw std::logic_error(tutti::format("wrong: %s, count %zu, rank %d of %d", what, n, c.rank(), c.size()));
}

// A vector on the device between poison.
template <class T>
struct guarded {
  on_device machine;
  on_device::memory<T> memory;
  std::size_t shift;
  guarded(const std::vector<T>& v, std::size_t by) : memory(machine.put(elementwise_cases::poisoned(v, by), by)), shift(by) {}
  bool is(const std::vector<T>& want) { return elementwise_cases::same(machine.get(memory), elementwise_cases::poisoned(want, shift)); }
};

// A device that keeps in memory of the host what ranks exchange, so that threads can send it:
// what messages of device memory do but for the link.
struct pinned_arenas : tutti::gpu {
  using tutti::gpu::gpu;
  using taken = tutti::buffer<std::byte, tutti::pinned>;
  taken take(std::size_t bytes) const { return taken(bytes); }
  static constexpr tutti::memory_kind messages_move = tutti::memory_kind::host;
};

// Of one type: kernels take long to compile, and the host runs those of the others.
template <class There>
void check_collectives(There& there, tutti::communicator& world, std::size_t n, std::size_t shift) {
  using namespace tutti;
  using T = float;
  const int p = world.size(), me = world.rank(), root = p - 1;
  const std::size_t many = n * static_cast<std::size_t>(p);
  const std::vector<T> small = operands<T>(me, n), large = operands<T>(me, many), blank(n, T(99)), blanks(many, T(99));
  device_stream stream(0);
  auto check = [&](const char* what, const std::vector<T>& from, std::vector<T> out, auto device_call, auto host_call) {
    guarded<T> x(from, shift), y(out, shift);
    device_call(x.memory.inside(), y.memory.inside());
    stream.wait();
    host_call(from, out);
    need(x.is(from) && y.is(out), what, n, world);
  };
  const ordered_on now = on(stream);
  for (algorithm how : {algorithm::automatic, algorithm::one_shot, algorithm::two_shot, algorithm::ring})
    check(name_of(how), small, blank, [&](auto x, auto y) { all_reduce(there, x, y, plus{}, now, {.algorithm = how}); },
          [&](auto& x, auto& y) { all_reduce(world, x, y); });
  check("reduce_scatter", large, blank, [&](auto x, auto y) { reduce_scatter(there, x, y, plus{}, now); },
        [&](auto& x, auto& y) { reduce_scatter(world, x, y); });
  check("all_gather", small, blanks, [&](auto x, auto y) { all_gather(there, x, y, now); }, [&](auto& x, auto& y) { all_gather(world, x, y); });
  check("broadcast", small, small, [&](auto, auto y) { broadcast(there, y, root, now); }, [&](auto&, auto& y) { broadcast(world, y, root); });
  check("reduce", small, blank, [&](auto x, auto y) { reduce(there, x, y, plus{}, root, now); }, [&](auto& x, auto& y) { reduce(world, x, y, plus{}, root); });
  check("gather", small, blanks, [&](auto x, auto y) { gather(there, x, y, root, now); }, [&](auto& x, auto& y) { gather(world, x, y, root); });
  check("scatter", large, blank, [&](auto x, auto y) { scatter(there, x, y, root, now); }, [&](auto& x, auto& y) { scatter(world, x, y, root); });
  check("all_to_all", large, blanks, [&](auto x, auto y) { all_to_all(there, x, y, now); }, [&](auto& x, auto& y) { all_to_all(world, x, y); });
  check("scan", small, blank, [&](auto x, auto y) { scan(there, x, y, plus{}, now); }, [&](auto& x, auto& y) { scan(world, x, y, plus{}); });
  check("exclusive_scan", small, blank, [&](auto x, auto y) { exclusive_scan(there, x, y, plus{}, now); },
        [&](auto& x, auto& y) { exclusive_scan(world, x, y, plus{}); });
}

// Rank r's blocks are of r times as many, those of rank 0 of nothing; to itself one element more.
template <class There>
void check_uneven(There& there, tutti::communicator& world, std::size_t n, std::size_t shift) {
  using namespace tutti;
  using T = float;
  const auto p = static_cast<std::size_t>(world.size()), me = static_cast<std::size_t>(world.rank());
  const int root = world.size() - 1;
  const bool is_root = world.rank() == root;
  std::vector<std::size_t> counts, sent, got;
  std::size_t all = 0, sends = 0, gets = 0;
  for (std::size_t r = 0; r < p; ++r) {
    counts.push_back(r * n), all += counts.back();
    sent.push_back(me * n + (r == me)), sends += sent.back();
    got.push_back(r * n + (r == me)), gets += got.back();
  }
  device_stream stream(0);
  const ordered_on now = on(stream);
  auto check = [&](const char* what, std::size_t in, std::size_t out, auto device_call, auto host_call) {
    const std::vector<T> from = operands<T>(world.rank(), in);
    std::vector<T> want(out, T(99));
    guarded<T> x(from, shift), y(want, shift);
    device_call(x.memory.inside(), y.memory.inside());
    stream.wait();
    host_call(from, want);
    need(x.is(from) && y.is(want), what, n, world);
  };
  check("all_gather_v", counts[me], all, [&](auto x, auto y) { all_gather_v(there, x, y, counts, now); }, [&](auto& x, auto& y) { all_gather_v(world, x, y, counts); });
  check("reduce_scatter_v", all, counts[me], [&](auto x, auto y) { reduce_scatter_v(there, x, y, counts, plus{}, now); },
        [&](auto& x, auto& y) { reduce_scatter_v(world, x, y, counts, plus{}); });
  check("gather_v", counts[me], is_root ? all : 0, [&](auto x, auto y) { gather_v(there, x, y, counts, root, now); },
        [&](auto& x, auto& y) { gather_v(world, x, y, counts, root); });
  check("scatter_v", is_root ? all : 0, counts[me], [&](auto x, auto y) { scatter_v(there, x, y, counts, root, now); },
        [&](auto& x, auto& y) { scatter_v(world, x, y, counts, root); });
  check("all_to_all_v", sends, gets, [&](auto x, auto y) { all_to_all_v(there, x, sent, y, got, now); }, [&](auto& x, auto& y) { all_to_all_v(world, x, sent, y, got); });
}

}  // namespace

TEST_CASE("elementwise functions on the device do what plain loops do, bit by bit") {
  on_device machine;
  for (std::size_t n : elementwise_cases::sizes)
    for (std::size_t shift : {std::size_t{0}, std::size_t{1}, std::size_t{3}}) {
      CAPTURE(n);
      CAPTURE(shift);
      elementwise_cases::check_all(machine, n, shift);
    }
  elementwise_cases::check_conversions(machine);
}

TEST_CASE("every collective between threads that share a device gives what the host's gives, by windows and through the host") {
  using namespace tutti;
  for (int p : {1, 2, 3, 4})
    for (bool staged : {false, true})
      thread_ranks::run(p, [&](communicator& world) {
        device_ranks there(world, gpu(0), {.window_bytes = 1 << 16, .piece_bytes = 1 << 15, .staged = staged, .nccl = "off"});
        if (there.why_staged().empty() == staged) throw std::logic_error("goes the other way: " + there.why_staged());
        for (std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{17}, std::size_t{4099}, std::size_t{30011}})
          for (std::size_t shift : {std::size_t{0}, std::size_t{1}}) {
            check_collectives(there, world, n, shift);
            check_uneven(there, world, n, shift);
          }
        there.close();
      });
}

TEST_CASE("the same by messages, from arenas that threads can send") {
  using namespace tutti;
  for (int p : {1, 2, 3, 4})
    thread_ranks::run(p, [&](communicator& world) {
      device_communicator there(world, pinned_arenas(0), {.window_bytes = 1 << 16, .nccl = "off", .prefer_messages = true});
      for (std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{17}, std::size_t{4099}, std::size_t{30011}})
        for (std::size_t shift : {std::size_t{0}, std::size_t{1}}) check_collectives(there, world, n, shift);
      there.close();
      device_communicator own(world, gpu(0), {.nccl = "off"});
      if (own.why_not_messages() != "rank 0: devices read each other's memory") throw std::logic_error(own.why_not_messages());
    });
}

TEST_CASE("where NCCL is, a rank that has the device alone gets the same from it") {
  using namespace tutti;
  thread_ranks::run(1, [&](communicator& world) {
    if (const std::string why = device_ranks(world, gpu(0)).why_not_nccl(); !why.empty()) {
      MESSAGE("left out: ", why);
      return;
    }
    device_ranks there(world, gpu(0), {.window_bytes = 1 << 16, .piece_bytes = 1 << 15, .prefer_nccl = true});
    for (std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{30011}})
      for (std::size_t shift : {std::size_t{0}, std::size_t{1}}) check_collectives(there, world, n, shift);
    there.close();
  });
}

TEST_CASE("short floats are added up in float, and rounded once") {
  thread_ranks::run(4, [](tutti::communicator& world) {
    device_ranks there(world, tutti::gpu(0));
    tutti::device_stream stream(0);
    // One more than `first` is between it and the next number, and ties go to even.
    auto sum = [&]<class T>(T, float first) {
      guarded<T> x(std::vector<T>(1001, T(world.rank() == 0 ? first : 1.0f)), 0);
      all_reduce(there, x.memory.inside(), tutti::plus{}, on(stream));
      stream.wait();
      if (!x.is(std::vector<T>(1001, T(first + 3)))) throw std::logic_error("wrong sum");
    };
    sum(tutti::half{}, 2048);
    sum(tutti::bfloat16{}, 256);
    sum(tutti::fp8_e4m3{}, 16);
    sum(tutti::fp8_e5m2{}, 8);
    there.close();
  });
}

TEST_CASE("calls of threads are recorded into one graph, which is replayed without the host") {
  using namespace tutti;
  for (int p : {1, 2, 4}) {
    CAPTURE(p);
    std::vector<cudaEvent_t> joined(static_cast<std::size_t>(p));
    cudaEvent_t begun{};
    thread_ranks::run(p, [&](communicator& world) {
      auto right = [](cudaError_t answer) { tutti::detail::check_device(answer, "recording a graph"); };
      device_ranks there(world, gpu(0), {.window_bytes = std::size_t{1} << 20});
      device_stream stream(0);
      const device_event mine(0, false);
      constexpr std::size_t n = 300001;  // several pieces
      buffer<float, tutti::cuda> x(n), y(n);
      auto call = [&] {
        all_reduce(there, x, y, plus{}, on(stream), {.algorithm = algorithm::two_shot});
        all_reduce(there, y, plus{}, on(stream));  // a single kernel of rank 0
      };
      call();
      stream.wait();
      const bool first = world.rank() == 0;
      if (first) {
        right(cudaStreamBeginCapture(stream.native(), cudaStreamCaptureModeThreadLocal));
        mine.record(on(stream));
        begun = mine.native();
      }
      barrier(world);
      if (!first) right(cudaStreamWaitEvent(stream.native(), begun, 0));
      call();
      if (!first) mine.record(on(stream));
      joined[static_cast<std::size_t>(world.rank())] = mine.native();
      barrier(world);
      cudaGraph_t made{};
      cudaGraphExec_t graph{};
      if (first) {
        for (std::size_t r = 1; r < joined.size(); ++r) right(cudaStreamWaitEvent(stream.native(), joined[r], 0));
        right(cudaStreamEndCapture(stream.native(), &made));
        right(cudaGraphInstantiate(&graph, made, 0));
        right(cudaGraphDestroy(made));
      }
      barrier(world);  // until then all streams are part of it
      for (int by = 1; by < 6; ++by) {
        std::vector<float> v(n);
        for (std::size_t i = 0; i < n; ++i) v[i] = static_cast<float>(i % 101) * static_cast<float>(by) + static_cast<float>(world.rank());
        transfer(x, v, on(stream));
        right(cudaMemsetAsync(y.data(), 0xff, n * sizeof(float), stream.native()));
        stream.wait();
        barrier(world);
        if (first) right(cudaGraphLaunch(graph, stream.native()));
        if (first) stream.wait();
        barrier(world);
        transfer(v, y, on(stream));
        stream.wait();
        const auto ranks = static_cast<float>(p);
        for (std::size_t i = 0; i < n; ++i)
          need(v[i] == ranks * (static_cast<float>(i % 101) * static_cast<float>(by) * ranks + ranks * (ranks - 1) / 2), "replayed", i, world);
      }
      if (first) right(cudaGraphExecDestroy(graph));
      there.close();
    });
  }
}
