#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <tutti/schedule/contract.hpp>

namespace tutti {

/// By what a collective on device memory goes.
enum class device_way : std::uint8_t {
  windows,    ///< kernels that read other devices' memory
  messages,   ///< from one device's memory to another's, where the links move that
  staging,    ///< pinned memory and the host's collectives
  nccl,
};

constexpr const char* name_of(device_way way) {
  switch (way) {
    case device_way::windows: return "windows";
    case device_way::messages: return "messages";
    case device_way::staging: return "staging";
    case device_way::nccl: return "nccl";
  }
  return "unknown";
}

/// What one way costs: a call, each step after its first, and the bytes that the busiest
/// rank reads or has read from it.
struct device_cost {
  double latency_s = 0, step_s = 0, bytes_per_s = 1;
};

/// Of all ways. The defaults are guesses, which no machine has measured:
/// `gpu-perf devices RANKS MOST FILE` writes what yours takes.
struct device_costs {
  device_cost windows{8e-6, 8e-6, 150e9}, staging{30e-6, 20e-6, 10e9}, nccl{15e-6, 1.5e-6, 200e9}, messages{40e-6, 40e-6, 20e9};
};

/// Up to here all-reduce by windows, or by messages, is done in one shot. A guess as well.
inline constexpr std::size_t one_shot_bytes = std::size_t{1} << 18;

/// Of one call by one way.
struct device_traffic {
  double steps = 0;  ///< after the first
  double bytes = 0;  ///< that the busiest rank reads, or that are read from it
};

/// `bytes` of a block where the collective cuts its vectors into blocks, else of a vector.
constexpr device_traffic traffic_of(device_way way, collective what, std::size_t bytes, int ranks) {
  const double n = static_cast<double>(bytes), p = ranks, others = p - 1;
  double log2 = 0;
  for (int reach = 1; reach < ranks; reach *= 2) ++log2;
  const bool by_nccl = way == device_way::nccl, by_pulls = way == device_way::windows || way == device_way::messages;
  double steps = 0, moved = 0;
  switch (what) {
    case collective::all_reduce: {
      const bool one_shot = by_pulls && bytes <= one_shot_bytes;
      steps = by_nccl ? 2 * others : one_shot ? 1 : 2;
      moved = one_shot ? others * n : 2 * others * n / p;
      break;
    }
    case collective::reduce_scatter:
    case collective::all_gather:
    case collective::all_to_all: steps = by_nccl ? others : 1, moved = others * n; break;
    case collective::broadcast: steps = by_nccl ? others : 1, moved = by_nccl ? n : others * n; break;
    case collective::reduce: steps = by_nccl ? others : (log2 + 2) / 3, moved = by_nccl ? n : std::min(others, 7.0) * n * steps; break;
    case collective::gather:
    case collective::scatter: steps = 1, moved = others * n; break;
    case collective::scan:
    case collective::exclusive_scan: steps = log2, moved = log2 * n; break;
    case collective::barrier: steps = log2; break;
  }
  // Each goes down to the host and up again, beside what hosts do.
  if (way == device_way::staging) moved += 2 * n * (blocked(what) ? p : 1);
  return {.steps = ranks == 1 ? 0 : steps, .bytes = ranks == 1 ? n : moved};
}

constexpr double seconds_of(const device_cost& cost, const device_traffic& traffic) {
  return cost.latency_s + cost.step_s * traffic.steps + traffic.bytes / cost.bytes_per_s;
}

template <class Costs>
constexpr auto& cost_of(Costs& costs, device_way way) {
  switch (way) {
    case device_way::windows: return costs.windows;
    case device_way::messages: return costs.messages;
    case device_way::staging: return costs.staging;
    case device_way::nccl: break;
  }
  return costs.nccl;
}

/// The cost that gives both measured times, with the steps' share as it was before; of
/// times that no cost gives, because the larger call took no longer, the bandwidth stays.
constexpr device_cost fitted(const device_cost& before, const device_traffic& small, double small_s, const device_traffic& large, double large_s) {
  const double steps_differ = before.step_s * (large.steps - small.steps), longer = large_s - small_s - steps_differ;
  device_cost found = before;
  if (longer > 0 && large.bytes > small.bytes) found.bytes_per_s = (large.bytes - small.bytes) / longer;
  found.latency_s = std::max(0.0, small_s - before.step_s * small.steps - small.bytes / found.bytes_per_s);
  return found;
}

}  // namespace tutti
