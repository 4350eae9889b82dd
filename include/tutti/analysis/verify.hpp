#pragma once
#include <type_traits>
#include <vector>

#include <tutti/analysis/step_graph.hpp>
#include <tutti/analysis/symbols.hpp>
#include <tutti/schedule/contract.hpp>

namespace tutti {

/// Whether a proof asks that operands stay in rank order.
enum class order : unsigned char {
  any,   ///< for commutative operations
  kept,  ///< for all associative ones: the result is exactly r0 ∘ r1 ∘ … in this order
};

/// Runs checked schedules on symbols instead of numbers.
template <class Symbols>
class symbolic_run {
 public:
  constexpr symbolic_run(const contract& terms, const std::vector<schedule>& team, Symbols symbols)
      : terms_(terms), symbols_(symbols) {
    int next = 0;
    for (const schedule& s : team) {
      base_.push_back(next);
      next += s.parts + s.scratch;
    }
    heard_ = next;  // one more place a rank, for what a barrier asks
    for (int r = 0; r < terms.all.size; ++r) {
      symbols_.start(heard(r), {.from = {r}});
      for (int c = 0; c < terms.parts; ++c)
        if (terms.holds_before({r}, {c})) symbols_.start(place(r, c), {.from = {r}, .part = {c}});
    }
  }

  constexpr proof prove(const step_graph& graph) {
    const int stuck = graph.run([&](int sent, int done, int) {
      if (!result_.ok) return;
      if (sent < 0)
        local(graph, done);
      else
        transfer(graph, sent, done);
    });
    if (result_.ok && stuck >= 0)
      fail(flaw::deadlock, graph.rank_of(stuck), graph.index(stuck), graph[stuck].where.first);
    for (int r = 0; result_.ok && r < terms_.all.size; ++r) look_at_outputs(r);
    return result_;
  }

 private:
  constexpr void local(const step_graph& graph, int done) {
    const rank me = graph.rank_of(done);
    const step& now = graph[done];
    for (int i = 0; i < now.where.count; ++i) {
      const std::size_t from = place(me.value, now.with.first.value + i);
      if (!symbols_.holds(from)) return fail(flaw::nothing_held, me, graph.index(done), {now.with.first.value + i});
      const std::size_t to = place(me.value, now.where.first.value + i);
      if (now.what == verb::copy) {
        symbols_.copy(from, to);
        continue;
      }
      const chunk target{now.where.first.value + i};
      if (!symbols_.holds(to)) return fail(flaw::nothing_held, me, graph.index(done), target);
      const flaw found = now.incoming == side::left ? symbols_.fold(from, to, to) : symbols_.fold(to, from, to);
      if (found != flaw::none) return fail(found, me, graph.index(done), target);
    }
  }

  constexpr void transfer(const step_graph& graph, int sent, int done) {
    const rank me = graph.rank_of(done), peer = graph.rank_of(sent);
    const step& theirs = graph[sent];
    const step& mine = graph[done];
    for (int i = 0; i < mine.where.count; ++i) {
      const std::size_t from = place(peer.value, theirs.where.first.value + i);
      const std::size_t to = place(me.value, mine.where.first.value + i);
      if (!symbols_.holds(from))
        return fail(flaw::nothing_held, peer, graph.index(sent), {theirs.where.first.value + i});
      if (terms_.what == collective::barrier) symbols_.fold(from, heard(me.value), heard(me.value));
      if (mine.what == verb::recv) {
        symbols_.copy(from, to);
        continue;
      }
      const std::size_t with = place(me.value, mine.with.first.value + i);
      const chunk operand{mine.with.first.value + i};
      if (!symbols_.holds(with)) return fail(flaw::nothing_held, me, graph.index(done), operand);
      const flaw found = mine.incoming == side::left ? symbols_.fold(from, with, to) : symbols_.fold(with, from, to);
      if (found != flaw::none) return fail(found, me, graph.index(done), operand);
    }
  }

  constexpr void look_at_outputs(int r) {
    if constexpr (folds)
      if (terms_.what == collective::barrier && !symbols_.holds(heard(r), terms_.folded_at({r})))
        return fail(flaw::unheard, {r}, -1, {});
    for (int c = 0; c < terms_.parts; ++c) {
      if (!terms_.holds_after({r}, {c})) continue;
      if (!symbols_.holds(place(r, c))) return fail(flaw::missing, {r}, -1, {c});
      if constexpr (folds) {
        if (!symbols_.holds(place(r, c), terms_.folded_at({r}))) return fail(flaw::incomplete, {r}, -1, {c});
      } else {
        if (!symbols_.holds(place(r, c), terms_.source_of({r}, {c}))) return fail(flaw::misplaced, {r}, -1, {c});
      }
    }
  }

  static constexpr bool folds = !std::is_same_v<Symbols, moved_symbols>;

  constexpr void fail(flaw found, rank who, int step, chunk where) {
    result_ = {.ok = false, .found = found, .who = who, .step = step, .where = where};
  }
  constexpr std::size_t place(int r, int c) const {
    return static_cast<std::size_t>(base_[static_cast<std::size_t>(r)] + c);
  }
  constexpr std::size_t heard(int r) const { return static_cast<std::size_t>(heard_ + r); }

  contract terms_;
  Symbols symbols_;
  std::vector<int> base_;
  int heard_ = 0;
  proof result_;
};

/// Proves that one schedule a rank does what the collective promises, whatever
/// the order in which steps complete and with nothing buffered: every
/// contribution exactly once in every required chunk, operands in a legal
/// order, every send received and in the same chunks (or in chunks as long,
/// where all are), what is only moved in its right place, no chunk read that
/// holds nothing, nobody waiting for ever; of a barrier, that everyone was
/// heard from. What is true of the steps is true of slices (see schedule).
///
/// Costs time and memory proportional to the steps and the chunks they name
/// (times p/64 where the order may be any): milliseconds up to about a hundred
/// ranks, and few enough operations that a compiler does it for eight.
constexpr proof verify(collective what, rank root, order needed, const std::vector<schedule>& team) {
  const int ranks = static_cast<int>(team.size());
  if (ranks == 0 || root.value < 0 || root.value >= ranks) return {.ok = false, .found = flaw::team_size, .who = root};
  const contract terms{.what = what, .all = {ranks}, .root = root, .parts = team.front().parts};
  const int blocks = blocks_of(what, {ranks});
  if (terms.parts % blocks != 0) return {.ok = false, .found = flaw::parts};
  // Blocks are of one length; chunks within them need not be.
  if (team.front().equal_chunks && terms.parts != blocks) return {.ok = false, .found = flaw::parts};
  if (team.front().exchanges && what != collective::all_to_all) return {.ok = false, .found = flaw::parts};
  const step_graph graph(team);
  if (!graph.fault().ok) return graph.fault();

  std::size_t places = team.size();
  for (const schedule& s : team) places += static_cast<std::size_t>(s.parts + s.scratch);
  const bool barrier = what == collective::barrier;
  if (!barrier && !reduces(what)) return symbolic_run<moved_symbols>(terms, team, moved_symbols(places)).prove(graph);
  if (needed == order::kept && !barrier)
    return symbolic_run<ordered_symbols>(terms, team, ordered_symbols(places)).prove(graph);
  return symbolic_run<unordered_symbols>(terms, team, {places, ranks, barrier}).prove(graph);
}

/// The same of an algorithm: anything that makes a schedule from (team, rank)
/// or (team, rank, root).
template <class MakeSchedule>
constexpr proof verify(collective what, team all, rank root, order needed, const MakeSchedule& make) {
  std::vector<schedule> schedules;
  for (rank me{0}; me.value < all.size; ++me.value) {
    if constexpr (requires { make(all, me, root); })
      schedules.push_back(make(all, me, root));
    else
      schedules.push_back(make(all, me));
  }
  return verify(what, root, needed, schedules);
}

}  // namespace tutti
