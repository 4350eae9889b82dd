#pragma once
#include <cstddef>

#include <tutti/comm/call_checks.hpp>
#include <tutti/schedule/contract.hpp>

namespace tutti {

/// Stands where a call that moves and does not combine has an operation.
struct no_operation {};

/// One collective on a device's memory, as one rank calls it: `count` elements, of
/// a block where the collective cuts its vectors into blocks.
template <class T, class Op>
struct device_call {
  collective what = collective::all_reduce;
  int root = -1;
  const T* input = nullptr;
  T* output = nullptr;
  std::size_t count = 0;
  Op op{};
  tutti::algorithm algorithm = tutti::algorithm::automatic;
  std::size_t input_blocks = 0, output_blocks = 0;  ///< that this rank reads and gets

  std::size_t bytes_in() const { return input_blocks * count * sizeof(T); }
  std::size_t bytes_out() const { return output_blocks * count * sizeof(T); }
  bool in_place() const {
    return bytes_in() > 0 && bytes_out() > 0 && input < output + output_blocks * count && output < input + input_blocks * count;
  }
};

namespace detail {

/// How many blocks a rank of `ranks` brings along to a collective, and how many it gets.
inline std::size_t blocks_brought(collective what, int rank, int ranks, int root) {
  const auto all = static_cast<std::size_t>(ranks);
  if (what == collective::scatter) return rank == root ? all : 0;
  if (what == collective::broadcast) return rank == root ? 1 : 0;
  return what == collective::reduce_scatter || what == collective::all_to_all ? all : 1;
}
inline std::size_t blocks_got(collective what, int rank, int ranks, int root) {
  const auto all = static_cast<std::size_t>(ranks);
  if (what == collective::gather) return rank == root ? all : 0;
  if (what == collective::reduce) return rank == root ? 1 : 0;
  if (what == collective::exclusive_scan) return rank > 0 ? 1 : 0;
  return what == collective::all_gather || what == collective::all_to_all ? all : 1;
}

}  // namespace detail

}  // namespace tutti
