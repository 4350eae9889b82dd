#pragma once
// A second, slower reading of step.hpp, written without the library's graph and
// symbols, to be compared with verify: chunks hold lists of (rank, chunk) and
// every round looks at every step again.
#include <algorithm>
#include <optional>
#include <vector>

#include <tutti/analysis/verify.hpp>

namespace reference {

using namespace tutti;

struct operand {
  int from = 0;  ///< the rank that contributed it
  int part = 0;  ///< the chunk of the vector it belongs to
  friend auto operator<=>(const operand&, const operand&) = default;
};
using value = std::vector<operand>;

inline std::vector<int> reads(const step& s) {
  std::vector<int> all;
  if (s.what == verb::send)
    for (int i = 0; i < s.where.count; ++i) all.push_back(s.where.first.value + i);
  if (s.what == verb::copy || s.what == verb::recv_reduce || s.what == verb::fold)
    for (int i = 0; i < s.with.count; ++i) all.push_back(s.with.first.value + i);
  return all;
}
inline std::vector<int> writes(const step& s) {
  std::vector<int> all;
  if (s.what != verb::send)
    for (int i = 0; i < s.where.count; ++i) all.push_back(s.where.first.value + i);
  return all;
}
inline bool share(const std::vector<int>& a, const std::vector<int>& b) {
  return std::any_of(a.begin(), a.end(), [&](int c) { return std::find(b.begin(), b.end(), c) != b.end(); });
}
inline bool conflict_on_chunk(const step& a, const step& b) {
  return share(writes(a), writes(b)) || share(writes(a), reads(b)) || share(reads(a), writes(b));
}
inline bool same_queue(const step& a, const step& b) {
  auto local = [](const step& s) { return s.what == verb::copy || s.what == verb::fold; };
  return !local(a) && !local(b) && a.peer == b.peer &&
         (a.what == verb::send) == (b.what == verb::send);
}

/// A length for chunk c of rank r where chunks are exchanged: another one for
/// every pair of ranks, in this order.
inline int exchanged_length(int ranks, int parts, int r, int c) {
  const int half_of_them = parts / 2, in_block = half_of_them / ranks, block = c % half_of_them / in_block;
  const int from = c < half_of_them ? r : block, to = c < half_of_them ? block : r;
  return (from * ranks + to) * in_block + c % in_block;
}

/// Whether the schedules do what the collective promises.
inline bool works(collective what, rank root, order needed, const std::vector<schedule>& team) {
  const int p = static_cast<int>(team.size()), parts = team.front().parts;
  const contract terms{.what = what, .all = {p}, .root = root, .parts = parts};
  std::vector<std::vector<std::optional<value>>> held(team.size());
  std::vector<std::vector<bool>> done(team.size());
  std::vector<value> heard(team.size());
  for (int r = 0; r < p; ++r) {
    auto& mine = held[static_cast<std::size_t>(r)];
    mine.resize(static_cast<std::size_t>(parts + team[static_cast<std::size_t>(r)].scratch));
    for (int c = 0; c < parts; ++c)
      if (terms.holds_before({r}, {c})) mine[static_cast<std::size_t>(c)] = value{{r, c}};
    done[static_cast<std::size_t>(r)].assign(team[static_cast<std::size_t>(r)].steps.size(), false);
    heard[static_cast<std::size_t>(r)].push_back({r, 0});
  }
  auto ready = [&](std::size_t r, std::size_t i) {
    for (std::size_t j = 0; j < i; ++j)
      if (!done[r][j] && (conflict_on_chunk(team[r].steps[j], team[r].steps[i]) ||
                          same_queue(team[r].steps[j], team[r].steps[i])))
        return false;
    return !done[r][i];
  };

  for (bool moved = true; moved;) {
    moved = false;
    for (std::size_t r = 0; r < team.size(); ++r)
      for (std::size_t i = 0; i < team[r].steps.size(); ++i) {
        const step& mine = team[r].steps[i];
        if (!ready(r, i) || mine.what == verb::recv || mine.what == verb::recv_reduce) continue;
        const auto count = static_cast<std::size_t>(mine.where.count);
        const auto first = static_cast<std::size_t>(mine.where.first.value);
        if (mine.what == verb::copy) {
          for (std::size_t k = 0; k < count; ++k) {
            const auto& source = held[r][static_cast<std::size_t>(mine.with.first.value) + k];
            if (!source) return false;
            held[r][first + k] = source;
          }
          done[r][i] = moved = true;
          continue;
        }
        if (mine.what == verb::fold) {
          for (std::size_t k = 0; k < count; ++k) {
            const auto& with = held[r][static_cast<std::size_t>(mine.with.first.value) + k];
            auto& into = held[r][first + k];
            if (!with || !into) return false;
            value result = mine.incoming == side::left ? *with : *into;
            const value& behind = mine.incoming == side::left ? *into : *with;
            result.insert(result.end(), behind.begin(), behind.end());
            into = result;
          }
          done[r][i] = moved = true;
          continue;
        }
        const auto peer = static_cast<std::size_t>(mine.peer.value);
        for (std::size_t j = 0; j < team[peer].steps.size(); ++j) {
          const step& theirs = team[peer].steps[j];
          const bool receives = theirs.what == verb::recv || theirs.what == verb::recv_reduce;
          if (!receives || theirs.peer.value != static_cast<int>(r) || !ready(peer, j)) continue;
          if (theirs.where.count != mine.where.count) return false;
          for (std::size_t k = 0; k < count; ++k) {
            const auto into = static_cast<std::size_t>(theirs.where.first.value) + k;
            const bool same = (first + k) % static_cast<std::size_t>(parts) == into % static_cast<std::size_t>(parts);
            const auto sent = static_cast<int>(first + k), got = static_cast<int>(into);
            if (team.front().exchanges ? exchanged_length(p, parts, static_cast<int>(r), sent) !=
                                             exchanged_length(p, parts, mine.peer.value, got)
                                       : !same && !team.front().equal_chunks)
              return false;
            const auto& incoming = held[r][first + k];
            if (!incoming) return false;
            for (const operand& o : *incoming) heard[peer].push_back(o);
            value result = *incoming;
            if (theirs.what == verb::recv_reduce) {
              const auto& local = held[peer][static_cast<std::size_t>(theirs.with.first.value) + k];
              if (!local) return false;
              const bool left = theirs.incoming == side::left;
              result = left ? *incoming : *local;
              result.insert(result.end(), (left ? *local : *incoming).begin(), (left ? *local : *incoming).end());
            }
            held[peer][into] = result;
          }
          done[r][i] = done[peer][j] = moved = true;
          break;
        }
      }
  }

  for (const auto& flags : done)
    if (std::find(flags.begin(), flags.end(), false) != flags.end()) return false;
  for (int r = 0; r < p; ++r) {
    if (what == collective::barrier)
      for (int other = 0; other < p; ++other) {
        const auto& known = heard[static_cast<std::size_t>(r)];
        if (std::find(known.begin(), known.end(), operand{other, 0}) == known.end()) return false;
      }
    for (int c = 0; c < parts; ++c) {
      if (!terms.holds_after({r}, {c})) continue;
      const auto& result = held[static_cast<std::size_t>(r)][static_cast<std::size_t>(c)];
      if (!result) return false;
      value wanted, found = *result;
      const operands every = terms.folded_at({r});
      const origin source = terms.source_of({r}, {c});
      if (reduces(what))
        for (int other = every.first; other < every.last; ++other) wanted.push_back({other, c});
      else
        wanted.push_back({source.from.value, source.part.value});
      if (needed == order::any) std::sort(found.begin(), found.end());
      if (found != wanted) return false;
    }
  }
  return true;
}

}  // namespace reference
