#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include <tutti/base/error.hpp>
#include <tutti/schedule/chunking.hpp>
#include <tutti/schedule/contract.hpp>
#include <tutti/schedule/step.hpp>

// A schedule for memory that all ranks can read: what a rank would be sent it
// fetches, in phases. Between two phases all ranks wait for each other; inside
// one nobody needs what another writes in it. So a device needs no kernel that
// waits for another one, which may not be running.

namespace tutti {

enum class pull_memory : std::uint8_t {
  input,   ///< the caller's, read by this rank only
  output,  ///< the caller's, used by this rank only
  arena,   ///< a rank's, read by all
};

/// Where elements stand. In the caller's memory: so many behind the begin of a
/// block, since blocks may be longer than the pieces that are worked on.
struct pull_place {
  pull_memory memory = pull_memory::input;
  std::int32_t which = 0;  ///< the arena's rank, or the block
  std::size_t offset = 0;  ///< elements
};

/// target = operands folded from left to right; with one operand, a copy.
struct pull {
  pull_place target{};
  std::uint32_t first = 0, count = 0;  ///< in `pull_program::operands`
  std::size_t elements = 0;
};

/// What one rank does.
struct pull_program {
  std::vector<pull> pulls;                 ///< by phase, and in order inside each
  std::vector<std::uint32_t> phase_begin;  ///< in `pulls`; one more than there are phases
  std::vector<pull_place> operands;
  std::size_t arena = 0;  ///< elements of its arena that are used

  int phases() const { return static_cast<int>(phase_begin.size()) - 1; }
};

namespace detail {

/// Follows the contents of chunks through the schedules of all ranks. What is
/// computed once is written once, to a place of its own, so that nobody ever
/// overwrites what another still reads.
class pulling {
 public:
  pulling(const std::vector<schedule>& team, const contract& terms, std::size_t count, std::size_t grain, bool in_place)
      : team_(team), terms_(terms), in_place_(in_place), grain_(grain), block_(count),
        lengths_{.count = count * static_cast<std::size_t>(blocks()), .parts = terms.parts, .grain = grain, .blocks = blocks()},
        ranks_(team.size()) {
    follow();
    for (int r = 0; r < size(); ++r) finish(r);
  }

  std::vector<pull_program> programs() {
    std::vector<std::size_t> used(team_.size());
    for (value& v : values_)
      // Others know where without knowing whether this rank's call is in place.
      if (v.brought || v.in_arena()) {
        std::size_t& next = used[static_cast<std::size_t>(v.rank)];
        v.at = next;
        next += (length(v.chunk) + grain_ - 1) / grain_ * grain_;
      }
    std::vector<pull_program> all;
    for (int r = 0; r < size(); ++r) {
      all.push_back(program_of(r));
      all.back().arena = used[static_cast<std::size_t>(r)];
    }
    return all;
  }

 private:
  static constexpr int none = -1;

  // What stands in a chunk from some step on.
  struct value {
    int rank = 0, chunk = 0;
    bool brought = false;            // by the caller
    std::vector<int> operands = {};  // values, from left to right
    int phase = none;                // in which it is written; what was brought is copied in phase 0, if at all
    bool read = false;               // where it stands: in an arena
    bool result = false;             // the output must hold it
    std::size_t at = 0;              // in the arena

    bool written() const { return brought || phase != none; }
    bool in_arena() const { return read || (!brought && phase != none && !result); }
  };
  struct rank_state {
    std::vector<int> chunks;           // the value in each
    std::vector<std::deque<int>> to;   // sent and not received yet, by receiver
    std::vector<int> order;            // values in the order in which they are written
    std::size_t next = 0;              // step
  };

  int size() const { return static_cast<int>(team_.size()); }
  int blocks() const { return blocks_of(terms_.what, terms_.all); }
  std::size_t length(int c) const { return lengths_.size(chunk{c % terms_.parts}); }
  rank_state& of(int r) { return ranks_[static_cast<std::size_t>(r)]; }
  int& now(int r, int c) { return of(r).chunks[static_cast<std::size_t>(c)]; }
  value& at(int v) { return values_[static_cast<std::size_t>(v)]; }
  const value& at(int v) const { return values_[static_cast<std::size_t>(v)]; }
  int add(value v) {
    values_.push_back(std::move(v));
    return static_cast<int>(values_.size()) - 1;
  }

  // Each rank as far as it comes without what others have not sent yet.
  void follow() {
    for (int r = 0; r < size(); ++r) {
      of(r).chunks.assign(static_cast<std::size_t>(terms_.parts + team_[static_cast<std::size_t>(r)].scratch), none);
      of(r).to.resize(team_.size());
      for (int c = 0; c < terms_.parts; ++c)
        if (terms_.holds_before({r}, {c})) now(r, c) = add({.rank = r, .chunk = c, .brought = true});
    }
    for (bool moved = true; moved;) {
      moved = false;
      for (int r = 0; r < size(); ++r) {
        const auto& steps = team_[static_cast<std::size_t>(r)].steps;
        for (; of(r).next < steps.size() && ready(r, steps[of(r).next]); ++of(r).next, moved = true)
          for (int i = 0; i < steps[of(r).next].where.count; ++i) follow(r, steps[of(r).next], i);
      }
    }
    for (int r = 0; r < size(); ++r)
      if (of(r).next < team_[static_cast<std::size_t>(r)].steps.size())
        throw error(errc::invalid_argument, format("rank %d waits in step %zu for what nobody sends", r, of(r).next));
  }

  bool ready(int r, const step& s) {
    if (s.what != verb::recv && s.what != verb::recv_reduce) return true;
    return of(s.peer.value).to[static_cast<std::size_t>(r)].size() >= static_cast<std::size_t>(s.where.count);
  }

  void follow(int r, const step& s, int i) {
    const int where = s.where.first.value + i, with = s.with.first.value + i;
    if (s.what == verb::send) {
      of(r).to[static_cast<std::size_t>(s.peer.value)].push_back(settled(now(r, where)));
      return;
    }
    std::vector<int> operands;
    if (s.what == verb::copy) {
      operands = terms_of(now(r, with));
    } else if (s.what == verb::fold) {
      const bool left = s.incoming == side::left;
      operands = joined(terms_of(now(r, left ? with : where)), terms_of(now(r, left ? where : with)));
    } else {
      std::deque<int>& from = of(s.peer.value).to[static_cast<std::size_t>(r)];
      const int incoming = from.front();
      from.pop_front();
      if (s.what == verb::recv) operands = {incoming};
      else if (s.incoming == side::left) operands = joined({incoming}, terms_of(now(r, with)));
      else operands = joined(terms_of(now(r, with)), {incoming});
    }
    now(r, where) = add({.rank = r, .chunk = where, .operands = std::move(operands)});
  }

  // A value that stands somewhere is an operand; any other is those it is made of.
  std::vector<int> terms_of(int v) const { return at(v).written() ? std::vector<int>{v} : at(v).operands; }

  // The operation is associative: what is not needed on the way is not computed.
  static std::vector<int> joined(std::vector<int> left, const std::vector<int>& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
  }

  // Has the value written, once.
  int settled(int v) {
    value& mine = at(v);
    if (mine.written()) return v;
    mine.phase = 0;
    for (int o : mine.operands) {
      value& from = at(o);
      const bool own = from.rank == mine.rank;
      // What was brought comes to stand in an arena in phase 0.
      const int since = from.brought ? 0 : from.phase;
      mine.phase = std::max(mine.phase, own ? since : since + 1);
      if (from.brought) from.read |= !own || in_place_;
      else from.read |= !own;
    }
    of(mine.rank).order.push_back(v);
    return v;
  }

  void finish(int r) {
    for (int c = 0; c < terms_.parts; ++c)
      if (terms_.holds_after({r}, {c})) at(settled(now(r, c))).result = true;
  }

  // The caller's memory holds whole blocks, of which the first may not be block 0.
  pull_place of_caller(int r, int c, bool output) const {
    const int in_block = terms_.parts / blocks(), block = c / in_block;
    int first = 0;
    while (first < c && !(output ? terms_.holds_after({r}, {first}) : terms_.holds_before({r}, {first}))) ++first;
    return {output ? pull_memory::output : pull_memory::input, block - first / in_block,
            lengths_.begin(chunk{c}) - static_cast<std::size_t>(block) * block_};
  }
  pull_place home(const value& v) const {
    if (v.in_arena()) return {pull_memory::arena, v.rank, v.at};
    return of_caller(v.rank, v.chunk, !v.brought);
  }
  pull_place seen_by(int reader, const value& v) const {
    // In place, nothing relies on the input being read before the output is written.
    return v.brought && v.rank == reader && !in_place_ ? of_caller(reader, v.chunk, false) : home(v);
  }

  pull_program program_of(int r) const {
    const rank_state& mine = ranks_[static_cast<std::size_t>(r)];
    int last = 0;
    for (const value& v : values_) last = std::max(last, v.phase);
    pull_program p;
    auto emit = [&](pull_place target, int c, const std::vector<pull_place>& from) {
      if (length(c) == 0) return;
      p.pulls.push_back({.target = target, .first = static_cast<std::uint32_t>(p.operands.size()),
                         .count = static_cast<std::uint32_t>(from.size()), .elements = length(c)});
      p.operands.insert(p.operands.end(), from.begin(), from.end());
    };
    for (int phase = 0; phase <= last; ++phase) {
      p.phase_begin.push_back(static_cast<std::uint32_t>(p.pulls.size()));
      for (const value& v : values_) {
        if (phase > 0 || v.rank != r || !v.brought) continue;
        if (v.read) emit(home(v), v.chunk, {of_caller(r, v.chunk, false)});
        // In place it stands there already.
        if (v.result && !in_place_) emit(of_caller(r, v.chunk, true), v.chunk, {of_caller(r, v.chunk, false)});
      }
      for (int index : mine.order) {
        const value& v = at(index);
        if (v.phase != phase) continue;
        std::vector<pull_place> from;
        for (int o : v.operands) from.push_back(seen_by(r, at(o)));
        emit(home(v), v.chunk, from);
        if (v.result && v.in_arena()) emit(of_caller(r, v.chunk, true), v.chunk, {home(v)});
      }
    }
    p.phase_begin.push_back(static_cast<std::uint32_t>(p.pulls.size()));
    return p;
  }

  const std::vector<schedule>& team_;
  contract terms_;
  bool in_place_;
  std::size_t grain_, block_;
  chunking lengths_;
  std::vector<value> values_;
  std::vector<rank_state> ranks_;
};

}  // namespace detail

/// The phases of every rank for pieces of `count` elements, as a call of the
/// collective counts them. `team`: the schedules of all ranks, one that
/// `verify` accepts. `grain`: elements; chunks and what stands in arenas begin at
/// multiples. `in_place`: on every rank, as the collectives say. Throws
/// `invalid_argument` where a step waits for what nobody sends.
inline std::vector<pull_program> pull_programs(const std::vector<schedule>& team, collective what, tutti::rank root, std::size_t count,
                                               std::size_t grain, bool in_place) {
  const contract terms{.what = what, .all = {.size = static_cast<int>(team.size())}, .root = root, .parts = team.front().parts};
  return detail::pulling(team, terms, count, grain, in_place).programs();
}

}  // namespace tutti
