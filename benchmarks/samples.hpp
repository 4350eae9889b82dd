#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include <tutti/base/bootstrap.hpp>
#include <tutti/base/clock.hpp>

namespace benchmarks {

/// Seconds a call.
struct timing {
  double mean = 0, median = 0, p99 = 0;
};

/// Of a sorted sequence: the smallest that at least the share `q` does not exceed.
inline double quantile(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) return 0;
  const auto rank = static_cast<std::size_t>(q * static_cast<double>(sorted.size()) + 0.999999);
  return sorted[std::min(sorted.size(), std::max<std::size_t>(rank, 1)) - 1];
}

inline timing summarise(std::vector<double> samples) {
  timing t;
  for (double s : samples) t.mean += s / static_cast<double>(samples.size());
  std::sort(samples.begin(), samples.end());
  t.median = quantile(samples, 0.5);
  t.p99 = quantile(samples, 0.99);
  return t;
}

/// From when each rank finished each call: `finished[r]` holds one moment more
/// than there are calls, the first that when it began, all having ended the calls
/// before. On one host the clocks agree, and a sample is the time from the moment when
/// the last rank finished call i − 1, or the first rank began, to the moment when the
/// last rank finished call i: samples add up to the time that passed, and who runs ahead
/// gains nothing. Otherwise it is the longest of the ranks' own intervals.
inline std::vector<double> samples_of(const std::vector<std::vector<double>>& finished, bool one_host) {
  std::vector<double> samples(finished[0].size() - 1);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    double before = finished[0][i], after = finished[0][i + 1], longest = 0;
    for (const auto& rank : finished) {
      before = i > 0 ? std::max(before, rank[i]) : std::min(before, rank[i]);
      after = std::max(after, rank[i + 1]);
      longest = std::max(longest, rank[i + 1] - rank[i]);
    }
    samples[i] = one_host ? after - before : longest;
  }
  return samples;
}

/// Every rank's value, by rank. Collective.
template <class T, tutti::bootstrap Team>
std::vector<T> gather(Team& team, const T& mine) {
  std::vector<T> all;
  for (const auto& bytes : team.all_gather(tutti::bytes_of(mine))) {
    all.emplace_back();
    std::memcpy(&all.back(), bytes.data(), sizeof(T));
  }
  return all;
}

/// Reads the processor's counter where that is what all ranks' clock is made of, which
/// takes a third of what the clock does: between calls of 50 ns it counts.
class stopwatch {
 public:
  template <tutti::bootstrap Team>
  stopwatch(Team& team, bool one_host) : counts_(one_host && clock_counts()) {
    for (const char theirs : gather(team, static_cast<char>(counts_))) counts_ = counts_ && theirs;
  }

  /// A moment, of one clock on all ranks: in ticks, each of which takes `seconds_per_tick`.
  double read() const {
#if defined(__x86_64__)
    if (counts_) return static_cast<double>(__builtin_ia32_rdtsc());
#endif
    return tutti::now();
  }
  /// From here on.
  void start() { began_ = {tutti::now(), read()}; }
  double seconds_per_tick() const { return counts_ ? (tutti::now() - began_.seconds) / (read() - began_.ticks) : 1; }

 private:
  static bool clock_counts() {
#if defined(__x86_64__)
    char name[8] = {};
    std::FILE* const of = std::fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");
    if (!of) return false;
    const bool read = std::fgets(name, sizeof name, of) != nullptr;
    std::fclose(of);
    return read && std::strcmp(name, "tsc\n") == 0;
#else
    return false;
#endif
  }

  bool counts_;
  struct {
    double seconds, ticks;
  } began_{};
};

struct timing_options {
  int iterations = 0;       ///< 0: as many as take `seconds`, but at least 10
  double seconds = 0.2;
  int most = 100000;
  bool one_host = true;
};

/// A call, whatever its types: what is timed costs one indirect jump more.
class any_call {
 public:
  template <class Call>
  any_call(Call& call) : call_(&call), go_([](void* c) { (*static_cast<Call*>(c))(); }) {}  // NOLINT: a view
  void operator()() const { go_(call_); }

 private:
  void* call_;
  void (*go_)(void*);
};

/// Times calls back to back, after some to warm up. Collective over the team,
/// which gathers the moments when the calls are over.
template <tutti::bootstrap Team>
timing time_calls(Team& team, const timing_options& options, any_call call) {
  int iterations = options.iterations;
  // How long a call takes decides how many there will be; as the slowest rank sees it.
  // Where four times as many do not take twice as long, what was timed is the wait for a
  // turn on a core.
  double before = 0;
  for (int calls = 1; iterations == 0; calls *= 4) {
    const double begin = tutti::now();
    for (int i = 0; i < calls; ++i) call();
    double took = tutti::now() - begin;
    for (double theirs : gather(team, took)) took = std::max(took, theirs);
    const double once = took / calls;
    if (took > options.seconds || calls >= options.most / 4 || (took > options.seconds / 8 && calls > 1 && took > 2 * before))
      iterations = static_cast<int>(std::clamp(options.seconds / once, 10.0, static_cast<double>(options.most)));
    before = took;
  }

  std::vector<double> mine(static_cast<std::size_t>(iterations) + 1);
  const int warm = std::min(iterations / 4 + 1, 200);
  stopwatch watch(team, options.one_host);
  watch.start();
  for (int i = 0; i < warm; ++i) call();
  // What some have sent and others have yet to receive is none of what is timed.
  gather(team, 0);
  mine[0] = watch.read();
  for (int i = 1; i <= iterations; ++i) {
    call();
    mine[static_cast<std::size_t>(i)] = watch.read();
  }
  const double tick = watch.seconds_per_tick();

  std::vector<std::vector<double>> finished;
  const auto bytes = tutti::bytes_view(reinterpret_cast<const std::byte*>(mine.data()), mine.size() * sizeof(double));
  for (const auto& theirs : team.all_gather(bytes)) {
    finished.emplace_back(mine.size());
    std::memcpy(finished.back().data(), theirs.data(), theirs.size());
  }
  std::vector<double> samples = samples_of(finished, options.one_host);
  for (double& s : samples) s *= tick;
  return summarise(std::move(samples));
}

}  // namespace benchmarks
