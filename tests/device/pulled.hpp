#pragma once
// All ranks of a collective as pulls, run on the host by threads that take turns
// in an order drawn at random: what a device's kernels would do, phase by phase.
#include <cstring>
#include <random>
#include <vector>

#include <tutti/device/pull_body.hpp>
#include <tutti/schedule/repertoire.hpp>

namespace pulled {

using namespace tutti;

/// One call on all ranks: blocks of `block` elements, worked on in pieces of `count`.
struct call {
  collective what = collective::all_reduce;
  algorithm how = algorithm::ring;
  int ranks = 1, root = 0;
  std::size_t block = 0, count = 0;
  bool in_place = false;
  std::size_t shift = 0;  ///< elements that the caller's memory stands behind an aligned address
};

/// Blocks of a rank's input and output.
inline std::size_t input_blocks(const call& c, int r) {
  if (c.what == collective::scatter) return r == c.root ? static_cast<std::size_t>(c.ranks) : 0;
  return c.what == collective::reduce_scatter || c.what == collective::all_to_all ? static_cast<std::size_t>(c.ranks) : 1;
}
inline std::size_t output_blocks(const call& c, int r) {
  if (c.what == collective::gather) return r == c.root ? static_cast<std::size_t>(c.ranks) : 0;
  if (c.what == collective::reduce) return r == c.root ? 1 : 0;
  return c.what == collective::all_gather || c.what == collective::all_to_all ? static_cast<std::size_t>(c.ranks) : 1;
}

/// The answer, by the definition: `in[r]` as rank r brought it, `out[r]` as it was before.
template <class T, class Op>
std::vector<std::vector<T>> answer(const call& c, const std::vector<std::vector<T>>& in, std::vector<std::vector<T>> out, const Op& op) {
  const std::size_t n = c.block;
  auto at = [](int r) { return static_cast<std::size_t>(r); };
  auto folded = [&](int first, int last, std::size_t i) {
    auto sum = static_cast<wide<T, Op>>(in[at(first)][i]);
    for (int r = first + 1; r < last; ++r) sum = op(sum, static_cast<wide<T, Op>>(in[at(r)][i]));
    return static_cast<T>(sum);
  };
  for (int r = 0; r < c.ranks; ++r)
    for (std::size_t b = 0; b < output_blocks(c, r); ++b)
      for (std::size_t i = 0; i < n; ++i) {
        T& to = out[at(r)][b * n + i];
        switch (c.what) {
          case collective::all_reduce:
          case collective::reduce: to = folded(0, c.ranks, i); break;
          case collective::reduce_scatter: to = folded(0, c.ranks, at(r) * n + i); break;
          case collective::all_gather:
          case collective::gather: to = in[b][i]; break;
          case collective::broadcast: to = in[at(c.root)][i]; break;
          case collective::scatter: to = in[at(c.root)][at(r) * n + i]; break;
          case collective::all_to_all: to = in[b][at(r) * n + i]; break;
          case collective::scan: to = folded(0, r + 1, i); break;
          case collective::exclusive_scan:
            if (r > 0) to = folded(0, r, i);
            break;
          case collective::barrier: break;
        }
      }
  return out;
}

/// What all ranks' outputs hold after it. `threads` a rank; everything that the
/// call may not touch keeps what it held, or the run throws.
template <class T, class Op>
std::vector<std::vector<T>> run(const call& c, const std::vector<std::vector<T>>& in, const std::vector<std::vector<T>>& out, const Op& op,
                                std::size_t threads, std::mt19937& random) {
  const team all{.size = c.ranks};
  std::vector<schedule> schedules;
  for (int r = 0; r < c.ranks; ++r) schedules.push_back(make_schedule(c.what, c.how, all, {r}, {c.root}));
  const std::size_t grain = pull_body<T, Op>::packed;
  std::vector<std::vector<std::byte>> arenas, inputs, outputs;
  constexpr std::size_t edge = 64;
  auto aligned = [](std::vector<std::byte>& v, std::size_t shift) {
    return v.data() + (64 - reinterpret_cast<std::uintptr_t>(v.data()) % 64) % 64 + shift * sizeof(T);
  };
  std::vector<pull_memories> memories(static_cast<std::size_t>(c.ranks));
  for (std::size_t r = 0; r < memories.size(); ++r) {
    inputs.emplace_back(in[r].size() * sizeof(T) + 4 * edge + c.shift * sizeof(T), std::byte{0x5a});
    outputs.emplace_back(out[r].size() * sizeof(T) + 4 * edge + c.shift * sizeof(T), std::byte{0x5a});
  }
  for (std::size_t r = 0; r < memories.size(); ++r) {
    std::byte* const to = aligned(outputs[r], c.shift);
    std::byte* from = aligned(inputs[r], c.shift);
    if (!out[r].empty()) std::memcpy(to, out[r].data(), out[r].size() * sizeof(T));
    if (c.in_place) {
      // The larger of the two holds the other.
      const bool of_output = output_blocks(c, static_cast<int>(r)) >= input_blocks(c, static_cast<int>(r));
      const bool apart = input_blocks(c, static_cast<int>(r)) == output_blocks(c, static_cast<int>(r));
      std::byte* const own = (of_output ? to : from) + (apart ? 0 : r * c.block * sizeof(T));
      if (of_output) from = own;
      if (!in[r].empty()) std::memcpy(from, in[r].data(), in[r].size() * sizeof(T));
      memories[r].output = of_output ? to : own;
    } else {
      if (!in[r].empty()) std::memcpy(from, in[r].data(), in[r].size() * sizeof(T));
      memories[r].output = to;
    }
    memories[r].input = from;
    memories[r].input_block = memories[r].output_block = c.block;
  }
  for (std::size_t done = 0; done < c.block || done == 0; done += c.count) {
    const std::size_t n = std::min(c.count, c.block - done);
    const auto programs = pull_programs(schedules, c.what, {c.root}, n, grain, c.in_place);
    arenas.clear();
    for (const pull_program& p : programs) arenas.emplace_back(p.arena * sizeof(T) + 64, std::byte{0xa5});
    std::vector<pull_memories> now = memories;
    for (pull_memories& m : now) {
      for (std::size_t r = 0; r < arenas.size(); ++r) m.arena[r] = aligned(arenas[r], 0);
      m.input += done * sizeof(T);
      m.output += done * sizeof(T);
    }
    for (int phase = 0; phase < programs[0].phases(); ++phase) {
      std::vector<std::pair<std::size_t, std::size_t>> turns;
      for (std::size_t r = 0; r < now.size(); ++r)
        for (std::size_t t = 0; t < threads; ++t) turns.push_back({r, t});
      std::shuffle(turns.begin(), turns.end(), random);
      for (const auto& [r, t] : turns) {
        const pull_program& p = programs[r];
        const auto k = static_cast<std::size_t>(phase);
        pull_body<T, Op>{p.pulls.data() + p.phase_begin[k], p.pulls.data() + p.phase_begin[k + 1], p.operands.data(), now[r], op}({t, threads});
      }
    }
    if (c.count == 0) break;
  }
  std::vector<std::vector<T>> result = out;
  for (std::size_t r = 0; r < memories.size(); ++r) {
    const std::size_t size = output_blocks(c, static_cast<int>(r)) * c.block;
    if (size > 0) std::memcpy(static_cast<void*>(result[r].data()), memories[r].output, size * sizeof(T));
    auto poisoned = [&](std::vector<std::byte>& v, std::byte* end) {
      for (std::byte* b = end; b < v.data() + v.size(); ++b)
        if (*b != std::byte{0x5a}) throw std::logic_error("wrote past the end");
    };
    poisoned(outputs[r], aligned(outputs[r], c.shift) + out[r].size() * sizeof(T));
    poisoned(inputs[r], aligned(inputs[r], c.shift) + in[r].size() * sizeof(T));
  }
  return result;
}

}  // namespace pulled
