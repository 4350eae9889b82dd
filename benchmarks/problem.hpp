#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <tutti/schedule/contract.hpp>

namespace benchmarks {

using tutti::collective;

/// What is measured, one line of the table. `bytes` as nccl-tests count them:
/// of the whole vector; where it is cut by ranks, of the buffer that holds all
/// blocks (of all_to_all, of either). The root, where there is one, is 0.
struct problem {
  collective what = collective::all_reduce;
  int ranks = 1;
  std::size_t element = 1;  ///< bytes
  std::size_t bytes = 0;

  std::size_t count() const { return bytes / element; }
  /// Of one rank's part, where the vector is cut by ranks.
  std::size_t block() const { return count() / static_cast<std::size_t>(ranks); }
  std::size_t input_count() const { return what == collective::all_gather || what == collective::gather ? block() : count(); }
  std::size_t output_count() const { return what == collective::reduce_scatter || what == collective::scatter ? block() : count(); }

  /// Bytes that a link must carry for each byte of the vector, at best.
  double bus_factor() const {
    const double p = ranks;
    switch (what) {
      case collective::all_reduce: return 2 * (p - 1) / p;
      case collective::reduce_scatter:
      case collective::all_gather:
      case collective::gather:
      case collective::all_to_all:
      case collective::scatter: return (p - 1) / p;
      default: return 1;
    }
  }
};

/// The sizes from `least` to `most` bytes, each `factor` times the one before,
/// rounded down to whole elements (a block for each rank, where there are
/// blocks); those that then are equal, once.
inline std::vector<problem> problems(collective what, int ranks, std::size_t element, std::size_t least,
                                     std::size_t most, std::size_t factor) {
  std::vector<problem> list;
  const std::size_t unit = element * (tutti::blocked(what) ? static_cast<std::size_t>(ranks) : 1);
  for (std::size_t bytes = least; bytes <= most; bytes = bytes == 0 ? unit : bytes * factor) {
    const std::size_t rounded = bytes - bytes % unit;
    if (list.empty() || list.back().bytes != rounded)
      list.push_back({.what = what, .ranks = ranks, .element = element, .bytes = rounded});
    if (bytes > most / factor && bytes != 0) break;
  }
  return list;
}

/// These sizes, rounded in the same way, but up to the first element, or the
/// first block for each rank: none but 0 becomes nothing.
inline std::vector<problem> problems(collective what, int ranks, std::size_t element, const std::vector<std::size_t>& sizes) {
  std::vector<problem> list;
  const std::size_t unit = element * (tutti::blocked(what) ? static_cast<std::size_t>(ranks) : 1);
  for (std::size_t bytes : sizes) {
    const std::size_t rounded = bytes == 0 ? 0 : std::max(unit, bytes - bytes % unit);
    if (list.empty() || list.back().bytes != rounded)
      list.push_back({.what = what, .ranks = ranks, .element = element, .bytes = rounded});
  }
  return list;
}

}  // namespace benchmarks
