#pragma once
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <sys/utsname.h>

#include <tutti/base/clock.hpp>
#include <tutti/tutti.hpp>

#include "samples.hpp"

// Ways to do the same, in turns, as ratios in one run.

namespace benchmarks {

struct way {
  std::string what;
  std::function<void()> call;
};

/// Of each, from when all begin to when all have ended; they take turns, behind two
/// that do not count. Collective.
inline std::vector<timing> measure_in_turns(tutti::communicator& world, int rounds, const std::vector<way>& ways) {
  std::vector<std::vector<double>> samples(ways.size());
  for (int round = -2; round < rounds; ++round)
    for (std::size_t i = 0; i < ways.size(); ++i) {
      barrier(world);
      const double begun = tutti::now();
      ways[i].call();
      barrier(world);
      if (round >= 0) samples[i].push_back(tutti::now() - begun);
    }
  std::vector<timing> all;
  for (auto& s : samples) all.push_back(summarise(s));
  return all;
}

/// A line of rank 0's: what it is, the bytes that are sent in it, and its time, also as a multiple.
inline void print_ratio(tutti::communicator& world, const std::string& what, std::size_t bytes, const timing& t, double ratio, const char* over) {
  if (world.rank() == 0)
    std::printf("%-44s %10zu B %10.1f us, p99 %10.1f us, %6.2f of %s\n", what.c_str(), bytes, 1e6 * t.median, 1e6 * t.p99, ratio, over);
}

/// The number of rounds that the command line has; throws `invalid_argument` where that is none.
inline int rounds_of(int argc, char** argv, const char* program, int usual) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : usual;
  if (rounds < 1) throw tutti::error(tutti::errc::invalid_argument, std::string(program) + ": ROUNDS is a number from 1");
  return rounds;
}

inline void print_head(tutti::communicator& world, const char* program, int rounds) {
  utsname machine{};
  ::uname(&machine);
  if (world.rank() == 0)
    std::printf("# %s %d.%d.%d, %s %s %s, %d cores, compiler %s: %d ranks, %d rounds in turns, medians\n", program, tutti::version.major,
                tutti::version.minor, tutti::version.patch, machine.sysname, machine.release, machine.machine, tutti::usable_cores(), __VERSION__,
                world.size(), rounds);
}

}  // namespace benchmarks
