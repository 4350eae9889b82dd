#pragma once
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <tutti/base/error.hpp>

#include "problem.hpp"
#include "samples.hpp"

namespace benchmarks {

/// One line of results.
struct row {
  problem of{};
  std::string type, operation, algorithm;
  timing seconds{};
  double model = -1;  ///< seconds that a model predicts; negative: there is none
  std::size_t wrong = 0;
  std::optional<bool> chosen{};  ///< whether the plan takes this algorithm; says nothing where one was measured alone

  /// GB/s of the vector, from the mean, as nccl-tests do.
  double algorithm_bandwidth() const {
    return seconds.mean > 0 ? static_cast<double>(of.bytes) / seconds.mean * 1e-9 : 0;
  }
  double bus_bandwidth() const { return algorithm_bandwidth() * of.bus_factor(); }
};

inline void print_head(std::FILE* to) {
  std::fprintf(to, "#%11s %12s %9s %6s %13s %10s %8s %8s %7s %10s %10s %10s\n", "bytes", "count", "type", "redop",
               "algorithm", "time", "algbw", "busbw", "#wrong", "median", "p99", "model");
  std::fprintf(to, "#%11s %12s %9s %6s %13s %10s %8s %8s %7s %10s %10s %10s\n", "(B)", "(elements)", "", "", "", "(us)",
               "(GB/s)", "(GB/s)", "", "(us)", "(us)", "(us)");
}

inline void print_line(std::FILE* to, const row& r) {
  const std::string model = r.model >= 0 ? tutti::format("%.2f", 1e6 * r.model) : "-";
  const std::string algorithm = r.algorithm + (r.chosen.value_or(false) ? "*" : "");
  std::fprintf(to, "%12zu %12zu %9s %6s %13s %10.2f %8.2f %8.2f %7zu %10.2f %10.2f %10s\n", r.of.bytes, r.of.count(),
               r.type.c_str(), r.operation.c_str(), algorithm.c_str(), 1e6 * r.seconds.mean, r.algorithm_bandwidth(),
               r.bus_bandwidth(), r.wrong, 1e6 * r.seconds.median, 1e6 * r.seconds.p99, model.c_str());
  std::fflush(to);
}

/// Bandwidths in GB/s. No name holds anything that JSON would escape. A driver
/// without a model says null.
inline void print_json(std::FILE* to, const row& r) {
  std::fprintf(to,
               "{\"op\": \"%s\", \"ranks\": %d, \"bytes\": %zu, \"type\": \"%s\", \"algorithm\": \"%s\", %s"
               "\"usec_median\": %.4f, \"usec_p99\": %.4f, \"usec_mean\": %.4f, ",
               tutti::name_of(r.of.what), r.of.ranks, r.of.bytes, r.type.c_str(), r.algorithm.c_str(),
               !r.chosen ? "" : *r.chosen ? "\"chosen\": true, " : "\"chosen\": false, ", 1e6 * r.seconds.median, 1e6 * r.seconds.p99, 1e6 * r.seconds.mean);
  if (r.model >= 0) std::fprintf(to, "\"usec_model\": %.4f, ", 1e6 * r.model);
  else std::fprintf(to, "\"usec_model\": null, ");
  std::fprintf(to, "\"algbw\": %.6g, \"busbw\": %.6g, \"wrong\": %zu}\n", r.algorithm_bandwidth(), r.bus_bandwidth(),
               r.wrong);
  std::fflush(to);
}

/// A line for each size of `rows`, which hold every algorithm: how much slower
/// the one that the plan takes is than the best, by the mean where ranks share
/// cores, by the median otherwise.
inline void print_choices(std::FILE* to, const std::vector<row>& rows, bool by_mean) {
  const auto seconds = [&](const row& r) { return by_mean ? r.seconds.mean : r.seconds.median; };
  for (std::size_t first = 0, end; first < rows.size(); first = end) {
    const row *best = nullptr, *chosen = nullptr;
    for (end = first; end < rows.size() && rows[end].of.bytes == rows[first].of.bytes; ++end) {
      const row& r = rows[end];
      if (!best || seconds(r) < seconds(*best)) best = &r;
      if (r.chosen.value_or(false)) chosen = &r;
    }
    if (!chosen) continue;
    if (seconds(*chosen) <= seconds(*best))
      std::fprintf(to, "# %zu bytes: the plan takes %s, the best of %zu\n", chosen->of.bytes, chosen->algorithm.c_str(), end - first);
    else
      std::fprintf(to, "# %zu bytes: the plan takes %s, %.1f %% slower than the best of %zu, %s\n", chosen->of.bytes,
                   chosen->algorithm.c_str(), 100 * (seconds(*chosen) / seconds(*best) - 1), end - first, best->algorithm.c_str());
  }
  std::fflush(to);
}

}  // namespace benchmarks
