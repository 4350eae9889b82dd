#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include <sched.h>

#include <tutti/device/buffer.hpp>

#include "operands.hpp"
#include "problem.hpp"
#include "samples.hpp"

namespace benchmarks {

struct measurement {
  timing seconds{};
  std::size_t wrong = 0;  ///< elements, of all ranks
};

/// The buffers of one problem on one rank, and what must be in them: private
/// ones, unless a source is given.
/// Out of place, but for broadcast, which has one buffer.
template <class T>
class workload {
 public:
  using maker = operands<T> (*)(int ranks, std::uint64_t seed);

  workload(const problem& p, int rank, maker make, const std::shared_ptr<tutti::memory_source>& memory = {})
      : of_(p), rank_(static_cast<std::size_t>(rank)), make_(make),
        in_(memory, p.what == collective::broadcast ? 0 : p.input_count()), out_(memory, p.output_count()) {}

  tutti::span<const T> input() const { return {in_.data(), in_.size()}; }
  tutti::span<T> output() { return {out_.data(), out_.size()}; }

  /// New operands, and no trace of an earlier result.
  void arrange(std::uint64_t seed) {
    values_ = make_(of_.ranks, seed);
    const bool own_block = of_.what == collective::all_gather || of_.what == collective::gather;
    values_.fill(in_, values_.of[rank_], own_block ? rank_ * of_.block() : 0);
    // This pattern occurs in no result.
    if (!out_.empty()) std::memset(static_cast<void*>(out_.data()), untouched, out_.size() * sizeof(T));
    if (of_.what == collective::broadcast && rank_ == 0) values_.fill(out_, values_.of[0]);
  }

  /// Elements of the output that are not what they should be; all are looked at.
  std::size_t count_wrong() const {
    const tutti::span<const T> out(out_.data(), out_.size());
    switch (of_.what) {
      case collective::all_reduce: return values_.count_wrong(out, values_.folded);
      case collective::reduce: return rank_ == 0 ? values_.count_wrong(out, values_.folded) : 0;
      case collective::reduce_scatter: return values_.count_wrong(out, values_.folded, rank_ * of_.block());
      case collective::broadcast: return values_.count_wrong(out, values_.of[0]);
      case collective::scan: return values_.count_wrong(out, values_.folded_to[rank_]);
      case collective::exclusive_scan: return rank_ > 0 ? values_.count_wrong(out, values_.folded_to[rank_ - 1]) : count_changed();
      case collective::scatter: return values_.count_wrong(out, values_.of[0], rank_ * of_.block());
      case collective::all_to_all: {
        std::size_t wrong = 0, at = 0;
        for (const auto& theirs : values_.of) {
          wrong += values_.count_wrong(out.subspan(at, of_.block()), theirs, rank_ * of_.block());
          at += of_.block();
        }
        return wrong;
      }
      case collective::gather:
        if (rank_ != 0) return 0;
        [[fallthrough]];
      case collective::all_gather: {
        std::size_t wrong = 0, at = 0;
        for (const auto& theirs : values_.of) {
          wrong += values_.count_wrong(out.subspan(at, of_.block()), theirs, at);
          at += of_.block();
        }
        return wrong;
      }
      case collective::barrier: break;
    }
    return 0;
  }

 private:
  static constexpr int untouched = 0xa5;

  /// Elements of the output that are not as they were.
  std::size_t count_changed() const {
    T was;
    std::memset(static_cast<void*>(&was), untouched, sizeof was);
    std::size_t changed = 0;
    for (std::size_t i = 0; i < out_.size(); ++i) changed += std::memcmp(&out_.data()[i], &was, sizeof was) != 0;
    return changed;
  }

  problem of_;
  std::size_t rank_;
  maker make_;
  operands<T> values_{};
  tutti::buffer<T> in_, out_;
};

/// Times `call(input, output)` and checks all that it brings: the first call,
/// the last of those that were timed, and one more with other operands.
/// Collective over the team.
template <class T, tutti::bootstrap Team, class Call>
measurement measure(Team& team, const problem& p, typename workload<T>::maker make, const timing_options& options,
                    Call call, const std::shared_ptr<tutti::memory_source>& memory = {}) {
  workload<T> work(p, team.rank(), make, memory);
  measurement m;
  auto once = [&] { call(work.input(), work.output()); };
  work.arrange(1);
  once();
  m.wrong += work.count_wrong();
  m.seconds = time_calls(team, options, once);
  m.wrong += work.count_wrong();
  work.arrange(2);
  once();
  m.wrong += work.count_wrong();
  std::size_t all = 0;
  for (std::size_t theirs : gather(team, m.wrong)) all += theirs;
  m.wrong = all;
  return m;
}

/// The same of a barrier. It is wrong where a rank leaves it before another has
/// come, which needs clocks that agree; each rank in turn is late.
template <tutti::bootstrap Team, class Call>
measurement measure_barrier(Team& team, const timing_options& options, Call barrier) {
  measurement m{.seconds = time_calls(team, options, barrier)};
  struct visit {
    double came, left;
  };
  for (int late = 0; options.one_host && late < team.size(); ++late) {
    for (const double until = tutti::now() + 200e-6; team.rank() == late && tutti::now() < until;) ::sched_yield();
    visit mine{.came = tutti::now(), .left = 0};
    barrier();
    mine.left = tutti::now();
    double last = 0;
    const auto visits = gather(team, mine);
    for (const visit& v : visits) last = std::max(last, v.came);
    for (const visit& v : visits) m.wrong += v.left < last;
  }
  return m;
}

}  // namespace benchmarks
