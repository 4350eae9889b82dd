// Repeats every call of a communicator and counts what is allocated meanwhile,
// by new or by aligned_alloc. Usage: allocations_program threads|processes RANKS
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <tutti/comm/collectives.hpp>
#include <tutti/comm/together.hpp>
#include <tutti/launch/run.hpp>
#include <tutti/launch/threads.hpp>
#include <tutti/schedule/repertoire.hpp>
#include <tutti/transport/loopback.hpp>

extern std::atomic<long> allocations;  // see counting_new.cpp

namespace {

using namespace tutti;

// Below and above what is staged, below the number of ranks, and nothing.
constexpr std::size_t counts[] = {0, 1, 300, 20000};

struct buffers {
  explicit buffers(int ranks) : narrow(20000), other(20000), wide(20000 * static_cast<std::size_t>(ranks)), wider(wide), blocks(static_cast<std::size_t>(ranks)), pairs(blocks) {}
  std::vector<float> narrow, other, wide, wider;
  std::vector<std::size_t> blocks, pairs;
};

// Every algorithm of every collective, blocking or not; returns how many calls.
int every_call(communicator& c, buffers& b, bool async) {
  int calls = 0;
  auto done = [&](request r) {
    r.wait();
    ++calls;
  };
  for (std::size_t n : counts) {
    const span<float> in(b.narrow.data(), n), out(b.other.data(), n), wide(b.wide.data(), n * static_cast<std::size_t>(c.size())), wider(b.wider.data(), wide.size());
    for (const repertoire_entry& e : repertoire) {
      const call_options how{.algorithm = e.how};
      switch (e.what) {
        case collective::all_reduce: async ? done(all_reduce_async(c, in, out, plus{}, how)) : all_reduce(c, in, out, plus{}, how); break;
        case collective::reduce_scatter: async ? done(reduce_scatter_async(c, wide, out, plus{}, how)) : reduce_scatter(c, wide, out, plus{}, how); break;
        case collective::all_gather: async ? done(all_gather_async(c, in, wide, how)) : all_gather(c, in, wide, how); break;
        case collective::broadcast: async ? done(broadcast_async(c, in, c.size() - 1, how)) : broadcast(c, in, c.size() - 1, how); break;
        case collective::reduce: async ? done(reduce_async(c, in, out, plus{}, 0, how)) : reduce(c, in, out, plus{}, 0, how); break;
        case collective::gather: async ? done(gather_async(c, in, wide, 0, how)) : gather(c, in, wide, 0, how); break;
        case collective::scatter: async ? done(scatter_async(c, wide, out, 0, how)) : scatter(c, wide, out, 0, how); break;
        case collective::all_to_all: async ? done(all_to_all_async(c, wide, wider, how)) : all_to_all(c, wide, wider, how); break;
        case collective::scan: async ? done(scan_async(c, in, out, plus{}, how)) : scan(c, in, out, plus{}, how); break;
        case collective::exclusive_scan: async ? done(exclusive_scan_async(c, in, out, plus{}, how)) : exclusive_scan(c, in, out, plus{}, how); break;
        case collective::barrier: async ? done(barrier_async(c, how)) : barrier(c, how); break;
      }
      calls += !async;
    }
  }
  return calls;
}

// The forms with a count for each rank, from none to all there is.
int uneven_calls(communicator& c, buffers& b, bool async) {
  int calls = 0;
  auto done = [&](request r) {
    r.wait();
    ++calls;
  };
  const auto me = static_cast<std::size_t>(c.rank()), p = static_cast<std::size_t>(c.size());
  for (std::size_t n : {std::size_t{0}, std::size_t{300}, std::size_t{20000}}) {
    std::size_t total = 0, sent = 0;
    for (std::size_t r = 0; r < p; ++r) {
      total += b.blocks[r] = n / (r + 1);
      sent += b.pairs[r] = n / (r + me + 1);
    }
    const span<float> one(b.narrow.data(), b.blocks[me]), all(b.wide.data(), total), to(b.wide.data(), sent), from(b.wider.data(), sent);
    const std::vector<std::size_t>&blocks = b.blocks, &pairs = b.pairs;
    for (const repertoire_entry& e : repertoire) {
      const call_options how{.algorithm = e.how};
      if (!e.uneven) continue;
      switch (e.what) {
        case collective::reduce_scatter: async ? done(reduce_scatter_v_async(c, all, one, blocks, plus{}, how)) : reduce_scatter_v(c, all, one, blocks, plus{}, how); break;
        case collective::all_gather: async ? done(all_gather_v_async(c, one, all, blocks, how)) : all_gather_v(c, one, all, blocks, how); break;
        case collective::gather: async ? done(gather_v_async(c, one, all, blocks, 0, how)) : gather_v(c, one, all, blocks, 0, how); break;
        case collective::scatter: async ? done(scatter_v_async(c, all, one, blocks, 0, how)) : scatter_v(c, all, one, blocks, 0, how); break;
        default: async ? done(all_to_all_v_async(c, to, pairs, from, pairs, how)) : all_to_all_v(c, to, pairs, from, pairs, how); break;
      }
      calls += !async;
    }
  }
  return calls;
}

// Where something else travels than is given, an operation needs more memory.
int conversions(communicator& c, buffers& b) {
  for (std::size_t n : counts) {
    const span<float> in(b.narrow.data(), n), out(b.other.data(), n);
    all_reduce(c, in, out, accumulate_in<double>(average{}));
    all_reduce_async(c, in, out, send_as<bfloat16>()).wait();
    all_reduce_async(c, in, out, average{}).wait();
    all_reduce(c, in, out, send_as<bfloat16>(accumulate_in<float>()));
    together(c, [&] { all_reduce(c, in, out), broadcast(c, span<float>(b.wide.data(), n), 0), reduce(c, b.wider, send_as<half>(), 0); });
  }
  return 5 * static_cast<int>(std::size(counts));
}

// Several at once, as buckets of gradients are.
int buckets(communicator& c, buffers& b) {
  constexpr std::size_t many = 8;
  request requests[many];
  for (std::size_t i = 0; i < many; ++i) requests[i] = all_reduce_async(c, span<float>(b.narrow.data() + 2000 * i, 100 + 250 * i));
  for (request& r : requests) r.wait();
  return many;
}

void repeat(communicator& world) {
  communicator threaded = world.duplicate({.progress = progress::thread});
  buffers b(world.size());
  auto pass = [&] { return every_call(world, b, false) + every_call(world, b, true) + every_call(threaded, b, true) + uneven_calls(world, b, false) + uneven_calls(threaded, b, true) + conversions(world, b) + conversions(threaded, b) + buckets(world, b) + buckets(threaded, b); };
  pass();
  barrier(world);
  barrier(world);
  const long before = allocations;
  int calls = 0;
  for (int i = 0; i < 3; ++i) calls += pass();
  barrier(world);
  const long after = allocations;
  barrier(world);  // nobody goes on before all have counted
  if (world.rank() == 0) std::printf("allocations: %ld in %d calls\n", after - before, calls);
  if (after != before) throw error(errc::data, format("rank %d: %ld allocations", world.rank(), after - before), world.rank());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2 && std::strcmp(argv[1], "processes") == 0) return run(argc, argv, [](communicator& world) { repeat(world); });
  loopback_fabric::world shared;
  try {
    run_threads(std::atoi(argv[2]), [&](auto& b) {
      session s(b, shared);
      communicator world(s);
      repeat(world);
    });
  } catch (const error& e) {
    std::printf("%s\n", e.what());
    return 1;
  }
}
