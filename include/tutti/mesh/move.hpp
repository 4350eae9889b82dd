#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <tutti/analysis/link_model.hpp>
#include <tutti/mesh/placement.hpp>

namespace tutti {

enum class move_kind : std::uint8_t {
  all_gather,      ///< sharded → replicated
  all_to_all,      ///< sharded on one dimension → sharded on another
  all_reduce,      ///< partial → replicated
  reduce_scatter,  ///< partial → sharded
  slice,           ///< replicated → sharded
  keep_on_first,   ///< replicated → partial: the axis's first rank keeps it, the others hold zeros
  pad,             ///< sharded → partial: zeros where others have something
};

constexpr const char* name_of(move_kind what) {
  switch (what) {
    case move_kind::all_gather: return "all_gather";
    case move_kind::all_to_all: return "all_to_all";
    case move_kind::all_reduce: return "all_reduce";
    case move_kind::reduce_scatter: return "reduce_scatter";
    case move_kind::slice: return "slice";
    case move_kind::keep_on_first: return "keep_on_first";
    case move_kind::pad: return "pad";
  }
  return "unknown";
}

/// Whether a move concerns nobody else.
constexpr bool is_local(move_kind what) {
  return what == move_kind::slice || what == move_kind::keep_on_first || what == move_kind::pad;
}

/// One change of a tensor's placement, along one axis. What takes an axis from a
/// dimension takes the innermost, and what gives it one makes it the innermost.
struct move {
  move_kind what = move_kind::all_reduce;
  int axis = 0;
  int from = -1;  ///< the dimension that is cut no more; of all_gather, all_to_all and pad
  int to = -1;    ///< the dimension that is cut; of all_to_all, reduce_scatter and slice

  friend constexpr bool operator==(const move&, const move&) = default;
};

/// Whether a placement can make this move.
constexpr bool can_move(const placement& p, const move& m) {
  if (m.what == move_kind::all_gather || m.what == move_kind::all_to_all || m.what == move_kind::pad) {
    if (m.from < 0 || m.from == m.to) return false;
    const axis_list& axes = p.axes_of(static_cast<std::size_t>(m.from));
    return !axes.empty() && axes.back() == m.axis;
  }
  if (m.what == move_kind::all_reduce || m.what == move_kind::reduce_scatter) return p.partial_on(m.axis);
  return p.replicated_on(m.axis);
}

/// Where a tensor lies after a move. Precondition: can_move(p, m).
constexpr placement after(const placement& p, const move& m) {
  const auto to = static_cast<std::size_t>(m.to);
  switch (m.what) {
    case move_kind::all_gather: return p.gathered(static_cast<std::size_t>(m.from));
    case move_kind::all_to_all: return p.gathered(static_cast<std::size_t>(m.from)).sharded(to, m.axis);
    case move_kind::all_reduce: return p.with_partial(m.axis, false);
    case move_kind::reduce_scatter: return p.with_partial(m.axis, false).sharded(to, m.axis);
    case move_kind::slice: return p.sharded(to, m.axis);
    case move_kind::keep_on_first: return p.with_partial(m.axis);
    case move_kind::pad: return p.gathered(static_cast<std::size_t>(m.from)).with_partial(m.axis);
  }
  return p;
}
/// And after several, one after the other.
constexpr placement after(placement p, const std::vector<move>& moves) {
  for (const move& m : moves) p = after(p, m);
  return p;
}

/// Elements that a rank sends in a move, n being those that its axis's ranks
/// hold together, of a sum once each, and s = (p−1)/p: s·n for all_gather and reduce_scatter,
/// 2s·n for all_reduce, s·n/p for all_to_all, of bandwidth-optimal algorithms and
/// sizes that divide.
constexpr double words_of(const move& m, const shape& whole, const placement& before, const mesh& on) {
  const double ranks = on[m.axis].size, part = (ranks - 1) / ranks;
  double held = 1;
  for (std::size_t d = 0; d < whole.rank(); ++d)
    held *= static_cast<double>(local_share(before, on, {0}, d, whole[d].size).count);
  switch (m.what) {
    case move_kind::all_gather: return part * held * ranks;
    case move_kind::all_to_all: return part * held;
    case move_kind::all_reduce: return 2 * part * held;
    case move_kind::reduce_scatter: return part * held;
    case move_kind::slice:
    case move_kind::keep_on_first:
    case move_kind::pad: return 0;
  }
  return 0;
}

/// What a move costs a rank, in seconds of a model: its bytes, p−1 messages (of
/// all_reduce twice as many), and for what is only moved locally as good as nothing.
struct move_costs {
  double element = sizeof(float);  ///< bytes
  link_model link = window_link;

  constexpr double of(const move& m, const shape& whole, const placement& before, const mesh& on) const {
    if (is_local(m.what)) return link.step_s;
    return seconds((m.what == move_kind::all_reduce ? 2 : 1) * (on[m.axis].size - 1), words_of(m, whole, before, on) * element);
  }

  /// Of an all-reduce over that many ranks, a mesh's axes taken together.
  constexpr double of_all_reduce(double ranks, double bytes) const {
    return ranks > 1 ? seconds(2 * (ranks - 1), 2 * (ranks - 1) / ranks * bytes) : 0;
  }

  constexpr double seconds(double messages, double bytes) const {
    return messages * (link.latency_s + link.step_s) + bytes / (link.far_bytes_per_s > 0 ? link.far_bytes_per_s : link.send_bytes_per_s);
  }
};

namespace detail {
inline std::string no_way(const shape& whole) { return format("%s cannot be moved to where a dimension is cut that it has not", whole.text().c_str()); }
}  // namespace detail

/// Visits all moves that a placement can make.
template <class Visit>
constexpr void for_each_move(const placement& here, const shape& whole, const mesh& on, Visit visit) {
  auto consider = [&](const move& next) {
    if (can_move(here, next)) visit(next);
  };
  for (int axis = 0; axis < on.axes(); ++axis) {
    const int from = here.dimension_on(axis);
    consider({.what = move_kind::all_reduce, .axis = axis});
    consider({.what = move_kind::keep_on_first, .axis = axis});
    consider({.what = move_kind::all_gather, .axis = axis, .from = from});
    consider({.what = move_kind::pad, .axis = axis, .from = from});
    for (int d = 0; d < static_cast<int>(whole.rank()); ++d) {
      consider({.what = move_kind::slice, .axis = axis, .to = d});
      consider({.what = move_kind::reduce_scatter, .axis = axis, .to = d});
      consider({.what = move_kind::all_to_all, .axis = axis, .from = from, .to = d});
    }
  }
}

/// The moves of least total cost that take a tensor from one placement to
/// another: the shortest path through all placements (Dijkstra, 1959), not a
/// greedy one. Empty where both are the same. Cost: milliseconds where three
/// axes meet five dimensions; in proportion to the square of the placements
/// that there are. What many pairs cost, `move_map` finds at once.
constexpr std::vector<move> plan_moves(const shape& whole, const placement& from, const placement& to, const mesh& on,
                                       const move_costs& costs = {}) {
  struct state {
    placement at{};
    double cost = 0;
    std::size_t before = 0;
    move by{};
    bool settled = false;
  };
  std::vector<state> known{{.at = from}};
  for (;;) {
    std::size_t best = known.size();
    for (std::size_t i = 0; i < known.size(); ++i)
      if (!known[i].settled && (best == known.size() || known[i].cost < known[best].cost)) best = i;
    if (best == known.size()) throw error(errc::invalid_argument, detail::no_way(whole));
    const placement here = known[best].at;
    if (here == to) {
      std::vector<move> backwards, path;
      for (std::size_t i = best; i != 0; i = known[i].before) backwards.push_back(known[i].by);
      for (std::size_t i = backwards.size(); i-- > 0;) path.push_back(backwards[i]);
      return path;
    }
    known[best].settled = true;
    for_each_move(here, whole, on, [&](const move& next) {
      if ((next.what == move_kind::keep_on_first || next.what == move_kind::pad) && !to.partial_on(next.axis)) return;
      const placement there = after(here, next);
      const double cost = known[best].cost + costs.of(next, whole, here, on);
      std::size_t i = 0;
      while (i < known.size() && !(known[i].at == there)) ++i;
      if (i == known.size()) known.push_back({.at = there, .cost = cost, .before = best, .by = next});
      else if (!known[i].settled && cost < known[i].cost) known[i] = {.at = there, .cost = cost, .before = best, .by = next};
    });
  }
}

/// As in `all_to_all over model: features → batch`.
inline std::string text_of(const move& m, const shape& whole, const mesh& on) {
  auto dimension = [&](int d) { return whole[static_cast<std::size_t>(d)].what.text(); };
  std::string all = format("%s over %s", name_of(m.what), on[m.axis].what.text().c_str());
  if (m.from >= 0 || m.to >= 0) all += ": ";
  if (m.from >= 0) all += dimension(m.from);
  if (m.from >= 0 && m.to >= 0) all += " → ";
  if (m.to >= 0) all += dimension(m.to);
  return all;
}

}  // namespace tutti
