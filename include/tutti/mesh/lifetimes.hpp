#pragma once
#include <cstddef>
#include <vector>

namespace tutti {

/// Some memory that is needed from one step to another, both included.
struct lifetime {
  std::size_t size = 0;
  std::size_t from = 0, to = 0;
};

/// Where each piece begins, and how much they take together.
struct memory_layout {
  std::vector<std::size_t> begins{};
  std::size_t size = 0;
};

/// Lays pieces out so that none that are needed at the same time overlap: the
/// greatest first, each at the first place that is free while it lives. Cost: the
/// square of their number.
constexpr memory_layout lay_out(const std::vector<lifetime>& pieces) {
  memory_layout laid;
  std::vector<std::size_t> done;  // by where they begin
  std::vector<char> placed;
  for (std::size_t i = 0; i < pieces.size(); ++i) laid.begins.push_back(0), placed.push_back(0);
  for (std::size_t round = 0; round < pieces.size(); ++round) {
    std::size_t next = pieces.size();
    for (std::size_t i = 0; i < pieces.size(); ++i)
      if (placed[i] == 0 && (next == pieces.size() || pieces[i].size > pieces[next].size)) next = i;
    placed[next] = 1;
    const lifetime& one = pieces[next];
    std::size_t begin = 0, at = 0;
    for (std::size_t other : done) {
      const lifetime& there = pieces[other];
      if (there.to < one.from || one.to < there.from) continue;
      if (laid.begins[other] >= begin + one.size) break;
      if (const std::size_t end = laid.begins[other] + there.size; end > begin) begin = end;
    }
    laid.begins[next] = begin;
    while (at < done.size() && laid.begins[done[at]] <= begin) ++at;
    done.insert(done.begin() + static_cast<std::ptrdiff_t>(at), next);
    if (begin + one.size > laid.size) laid.size = begin + one.size;
  }
  return laid;
}

}  // namespace tutti
