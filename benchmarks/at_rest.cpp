// What communicators cost when nothing is sent over them: the time to join and
// to make more, the memory of one at rest, the processor time of ranks that wait
// in a barrier, and what two threads with a communicator each cost each other.
// Usage: at_rest --ranks N; N = 64 and N = 8 are what the bars are about.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include <tutti/base/clock.hpp>
#include <tutti/base/cores.hpp>
#include <tutti/tutti.hpp>

#include "samples.hpp"

using namespace tutti;

namespace {

double processor_seconds() {
  rusage used;
  ::getrusage(RUSAGE_SELF, &used);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double largest(communicator& c, double mine) {
  std::vector<double> x{mine};
  all_reduce(c, x, maximum{});
  return x[0];
}
double total(communicator& c, double mine) {
  std::vector<double> x{mine};
  all_reduce(c, x);
  return x[0];
}

// Of some, each as long as the slowest rank took: the first, the slowest and the best.
struct made_in {
  double first = 0, slowest = 0, best = 1e9;
};
made_in seconds_of(communicator& world, const std::function<void()>& make) {
  made_in all;
  for (int i = 0; i < 5; ++i) {
    barrier(world);
    const double begun = now();
    make();
    const double took = largest(world, now() - begun);
    if (i == 0) all.first = took;
    all.slowest = std::max(all.slowest, took);
    all.best = std::min(all.best, took);
  }
  return all;
}

// Processor seconds per second of all ranks together that wait for rank 0.
double share_of_a_core(communicator& world) {
  barrier(world);
  const double before = processor_seconds();
  if (world.rank() == 0) ::sleep(1);
  barrier(world);
  return total(world, world.rank() == 0 ? 0 : processor_seconds() - before);
}

// Microseconds of an all-reduce of so many floats, the mean of many; afterwards the
// rank goes on until all have seen their `others` at zero.
double microseconds(communicator& c, std::size_t floats, std::atomic<int>* others = nullptr) {
  const int calls = floats > 1000 ? 500 : 50000;
  std::vector<float> x(floats);
  auto call = [&](float said) {
    x[0] = said;
    all_reduce(c, x);
    return x[0];
  };
  for (int i = 0; i < calls / 10; ++i) call(0);
  const double begun = now();
  for (int i = 0; i < calls; ++i) call(0);
  const double took = now() - begun;
  if (others) --*others;
  while (others && call(*others > 0 ? 1 : 0) > 0) {
  }
  return 1e6 * took / calls;
}

}  // namespace

int main(int argc, char** argv) {
  return run_ranks(argc, argv, [&](any_bootstrap& ranks) {
    ranks.all_gather({});
    const double begun = now();
    session joined(ranks);
    communicator world(joined);
    barrier(world);
    const double joining = largest(world, now() - begun);
    std::optional<communicator> made;
    const made_in duplicating = seconds_of(world, [&] { made = world.duplicate(); });
    const made_in splitting = seconds_of(world, [&] { made = world.split(world.rank() % 2); });
    made = world.duplicate();
    barrier(*made);
    const double at_rest = largest(world, static_cast<double>(made->scratch_bytes()));
    const double waiting = share_of_a_core(world);
    if (world.rank() == 0)
      std::printf("%d ranks: join %.0f ms, duplicate %.2f ms (the first %.2f, the slowest %.2f), split %.2f ms (%.2f, %.2f), "
                  "a communicator at rest %.0f KiB a rank, a second in a barrier %.2f %% of a core\n",
                  world.size(), 1e3 * joining, 1e3 * duplicating.best, 1e3 * duplicating.first, 1e3 * duplicating.slowest,
                  1e3 * splitting.best, 1e3 * splitting.first, 1e3 * splitting.slowest, at_rest / 1024, 100 * waiting);
    if (world.size() > 2) return;
    // Two threads, each with a session and a communicator of its own: alone, and
    // at once.
    session beside(ranks);
    communicator second(beside);
    for (std::size_t floats : {std::size_t{2}, std::size_t{65536}}) {
      std::vector<double> alone[2], at_once[2];  // of both, in turns
      for (int round = 0; round < 9; ++round) {
        alone[0].push_back(microseconds(world, floats));
        alone[1].push_back(microseconds(second, floats));
        barrier(world);
        std::atomic<int> busy{2};
        double other = 0;
        std::thread thread([&] { other = microseconds(second, floats, &busy); });
        at_once[0].push_back(microseconds(world, floats, &busy));
        thread.join();
        at_once[1].push_back(other);
        barrier(world);
      }
      const auto median = [](const std::vector<double>& seconds) { return benchmarks::summarise(seconds).median; };
      if (world.rank() == 0)
        std::printf("two threads of a rank with a communicator each, all-reduce of %zu bytes, medians: alone %.2f and %.2f us, at once "
                    "%.2f and %.2f us, %.2f and %.2f times as long (%d threads on %d cores)\n",
                    4 * floats, median(alone[0]), median(alone[1]), median(at_once[0]), median(at_once[1]), median(at_once[0]) / median(alone[0]),
                    median(at_once[1]) / median(alone[1]), 2 * world.size(), usable_cores());
    }
  });
}
