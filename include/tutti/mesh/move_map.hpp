#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <unordered_map>
#include <utility>
#include <vector>

#include <tutti/mesh/move.hpp>

namespace tutti {

/// What the moves of least cost between any two placements of one tensor cost: of
/// `plan_moves`, to the last bit, but from one placement to all others at once. A search
/// asks for most pairs. Cost: the placements that can be reached and their moves are found
/// once, a few hundred of some twenty each where three axes meet four dimensions; then
/// Dijkstra's algorithm, with a heap, for every placement that moves begin at and every set
/// of axes on which they may end in a sum.
class move_map {
 public:
  /// `on` must outlive it.
  move_map(const shape& whole, const mesh& on, const move_costs& costs) : whole_(whole), on_(&on), costs_(costs) {}

  const shape& whole() const { return whole_; }

  /// Seconds. Throws `invalid_argument` where no moves lead there.
  double seconds(const placement& from, const placement& to) {
    if (from == to) return 0;
    const std::size_t begin = number_of(from), end = number_of(to);
    unsigned sums = 0;
    for (int axis = 0; axis < on_->axes(); ++axis) sums |= unsigned{to.partial_on(axis)} << axis;
    std::vector<double>& reached = from_[begin << mesh::capacity | sums];
    if (reached.empty()) reached = all_from(begin, sums);
    if (end >= reached.size() || reached[end] < 0) throw error(errc::invalid_argument, detail::no_way(whole_));
    return reached[end];
  }

 private:
  // A move that a placement can make. What makes a sum is done only where the end is one over that axis.
  struct edge {
    std::size_t to;
    double seconds;
    int sum_over;  // or −1
  };
  struct node {
    placement at{};
    bool expanded = false;
    std::vector<edge> edges{};
  };
  struct hash {
    std::size_t operator()(const placement& p) const {
      std::size_t h = 0;
      for (int axis = 0; axis < static_cast<int>(mesh::capacity); ++axis) h = h << 1 | std::size_t{p.partial_on(axis)};
      for (std::size_t d = 0; d < shape::capacity; ++d) {
        h = h * 31 + static_cast<std::size_t>(p.axes_of(d).size());
        for (int axis : p.axes_of(d)) h = h * 31 + static_cast<std::size_t>(axis);
      }
      return h;
    }
  };

  std::size_t number_of(const placement& p) {
    const auto [known, added] = numbers_.try_emplace(p, nodes_.size());
    if (added) nodes_.push_back({.at = p});
    return known->second;
  }

  const std::vector<edge>& edges_of(std::size_t number) {
    if (!nodes_[number].expanded) {
      const placement here = nodes_[number].at;
      std::vector<edge> edges;
      for_each_move(here, whole_, *on_, [&](const move& next) {
        const bool sum = next.what == move_kind::keep_on_first || next.what == move_kind::pad;
        edges.push_back({.to = number_of(after(here, next)), .seconds = costs_.of(next, whole_, here, *on_), .sum_over = sum ? next.axis : -1});
      });
      nodes_[number].edges = std::move(edges);
      nodes_[number].expanded = true;
    }
    return nodes_[number].edges;
  }

  // By numbers of placements; −1 where there is no way. Of as good ways the one that
  // plan_moves takes: from whichever placement was found first.
  std::vector<double> all_from(std::size_t begin, unsigned sums) {
    struct place {
      double cost;
      std::size_t found, number;
      bool operator>(const place& other) const { return cost != other.cost ? cost > other.cost : found > other.found; }
    };
    std::vector<double> least(nodes_.size(), -1);
    std::vector<std::size_t> found(nodes_.size(), 0);
    std::vector<unsigned char> settled(nodes_.size(), 0);
    std::priority_queue<place, std::vector<place>, std::greater<place>> open;
    std::size_t count = 0;
    least[begin] = 0, found[begin] = count++;
    open.push({.cost = 0, .found = 0, .number = begin});
    while (!open.empty()) {
      const place here = open.top();
      open.pop();
      if (settled[here.number] != 0) continue;
      settled[here.number] = 1;
      const std::vector<edge>& edges = edges_of(here.number);
      least.resize(nodes_.size(), -1), found.resize(nodes_.size(), 0), settled.resize(nodes_.size(), 0);
      for (const edge& e : edges) {
        if (e.sum_over >= 0 && (sums >> e.sum_over & 1u) == 0) continue;
        const double cost = here.cost + e.seconds;
        if (settled[e.to] != 0 || (least[e.to] >= 0 && cost >= least[e.to])) continue;
        if (least[e.to] < 0) found[e.to] = count++;
        least[e.to] = cost;
        open.push({.cost = cost, .found = found[e.to], .number = e.to});
      }
    }
    return least;
  }

  shape whole_;
  const mesh* on_;
  move_costs costs_;
  std::vector<node> nodes_{};
  std::unordered_map<placement, std::size_t, hash> numbers_{};
  std::unordered_map<std::size_t, std::vector<double>> from_{};
};

/// The same of many tensors, whose placements and sizes are known by numbers: what was
/// asked once is a look into a table.
class move_table {
 public:
  /// `on` must outlive it.
  move_table(const mesh& on, const move_costs& costs) : on_(&on), costs_(costs) {}

  std::size_t number_of(const placement& at) {
    const auto known = std::find(placements_.begin(), placements_.end(), at);
    if (known != placements_.end()) return static_cast<std::size_t>(known - placements_.begin());
    placements_.push_back(at);
    return placements_.size() - 1;
  }
  /// Whatever the dimensions' names.
  std::size_t sizes_of(const shape& whole) {
    for (std::size_t n = 0; n < sizes_.size(); ++n)
      if (same_sizes(sizes_[n].map.whole(), whole)) return n;
    sizes_.push_back({.map = move_map(whole, *on_, costs_)});
    return sizes_.size() - 1;
  }

  /// Of a tensor of these sizes. Throws what `move_map` throws.
  double seconds(std::size_t sizes, std::size_t from, std::size_t to) {
    if (from == to) return 0;
    std::vector<std::vector<double>>& known = sizes_[sizes].seconds;
    if (known.size() <= from) known.resize(from + 1);
    std::vector<double>& ways = known[from];
    if (ways.size() <= to) ways.resize(placements_.size(), -1);
    if (ways[to] < 0) ways[to] = sizes_[sizes].map.seconds(placements_[from], placements_[to]);
    return ways[to];
  }

 private:
  struct sized {
    move_map map;
    std::vector<std::vector<double>> seconds{};  // −1 where nobody asked yet
  };

  static bool same_sizes(const shape& a, const shape& b) {
    if (a.rank() != b.rank()) return false;
    for (std::size_t d = 0; d < a.rank(); ++d)
      if (a[d].size != b[d].size) return false;
    return true;
  }

  const mesh* on_;
  move_costs costs_;
  std::vector<placement> placements_{};
  std::vector<sized> sizes_{};
};

}  // namespace tutti
