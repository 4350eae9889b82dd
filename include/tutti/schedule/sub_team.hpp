#pragma once
#include <cstddef>
#include <vector>

#include <tutti/schedule/step.hpp>

namespace tutti {

/// Some ranks of a team that follow a schedule of their own: its rank i is
/// members[i], its chunk c are the chunks pieces[c] of the whole, in that order.
struct sub_team {
  std::vector<rank> members = {};
  std::vector<std::vector<chunk>> pieces = {};

  constexpr team all() const { return {static_cast<int>(members.size())}; }

  /// Appends what one of them does. Precondition: `part` reads and writes no
  /// scratch, unless the whole is one chunk and so is the part.
  constexpr void play(schedule& s, const schedule& part) const {
    if (part.scratch > s.scratch) s.scratch = part.scratch;
    for (step next : part.steps) {
      if (!is_local(next.what)) next.peer = members[static_cast<std::size_t>(next.peer.value)];
      if (pieces.empty()) {
        s.steps.push_back(next);
        continue;
      }
      const int begin = next.where.first.value, end = begin + next.where.count;
      for (int c = begin; c < end; ++c) {
        const std::vector<chunk>& piece = pieces[static_cast<std::size_t>(c)];
        for (std::size_t i = 0, n = 0; i < piece.size(); i += n) {  // as many as follow one another at once
          for (n = 1; i + n < piece.size() && piece[i + n].value == piece[i].value + static_cast<int>(n);) ++n;
          next.where = next.with = {piece[i], static_cast<int>(n)};
          s.steps.push_back(next);
        }
      }
    }
  }
};

}  // namespace tutti
