#pragma once
#include <cstddef>
#include <queue>
#include <vector>

#include <tutti/analysis/link_model.hpp>
#include <tutti/analysis/step_graph.hpp>

namespace tutti {

/// How long one slice takes through the schedules, and how long until the next
/// can follow: the busiest processor or wire sets the pace.
struct slice_times {
  double first_s = 0, pace_s = 0;
  constexpr double of(int slices) const { return first_s + (slices - 1) * pace_s; }
};

/// A step that may start at some time; of a queue, the earliest is on top.
struct due_step {
  double time = 0;
  int number = 0;
  bool operator<(const due_step& b) const { return time != b.time ? time > b.time : number > b.number; }
};

/// Runs schedules in time. Each rank has one processor and one wire, used in
/// the order in which steps become ready. Sends leave their bytes with the link
/// and do not wait for the receiver. Where cores are fewer than ranks, each host
/// has its part of them, and a core goes on with its rank while that has something
/// to do, then gives a turn to each of its ranks before the next that has.
template <class Model>
class simulation {
 public:
  /// `lengths` of the chunks where they differ, in multiples of `chunk_bytes`;
  /// must outlive it.
  simulation(const step_graph& graph, double chunk_bytes, double vector_bytes, const Model& model,
             const std::vector<double>& lengths)
      : graph_(graph), model_(model), chunk_bytes_(chunk_bytes), vector_bytes_(vector_bytes), lengths_(lengths),
        shared_(model.cores > 0 && model.cores < graph.ranks()), processors_(at(graph.ranks())), ready_(at(graph.size())),
        waits_(at(graph.size())), done_(at(graph.size())) {
    if (shared_) share_cores(graph.ranks());
  }

  slice_times run() {
    for (int s = 0; s < graph_.size(); ++s) {
      const bool arrives = graph_[s].what == verb::recv || graph_[s].what == verb::recv_reduce;
      waits_[at(s)] = graph_.waits(s) + arrives;
      if (waits_[at(s)] == 0) make_ready(s);
    }
    while (!queue_.empty()) {
      const due_step next = queue_.top();
      queue_.pop();
      if (done_[at(next.number)] != 0) continue;
      const int r = graph_.rank_of(next.number).value;
      processor& mine = processors_[at(r)];
      if (!shared_)
        perform(next.number, later(next.time, mine.free));
      else if (mine.free > next.time)  // others may use the core until then
        queue_.push({.time = mine.free, .number = next.number});
      else
        occupy(r, next);
    }
    return total();
  }

 private:
  struct processor {
    double free = 0, wire_free = 0, busy = 0, wire = 0;
    chunks last{chunk{0}, 0};  // what it has touched last: nothing
    std::priority_queue<due_step> todo = {};
  };
  struct core {
    int host = 0;
    double free = 0;
    int last = -1;
  };

  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  static double later(double a, double b) { return a > b ? a : b; }

  /// Each host has its part of the cores, one at least, and its ranks take them in turn.
  void share_cores(int ranks) {
    std::vector<int> mates, first, placed;  // by host
    for (int r = 0; r < ranks; ++r) {
      const auto host = at(model_.host({r}));
      if (host >= mates.size()) mates.resize(host + 1);
      ++mates[host];
    }
    placed.resize(mates.size());
    for (std::size_t host = 0; host < mates.size(); ++host) {
      first.push_back(static_cast<int>(cores_.size()));
      const int part = static_cast<int>(static_cast<long long>(model_.cores) * mates[host] / ranks);
      for (int i = 0; i < (part > 1 ? part : 1); ++i) cores_.push_back({.host = static_cast<int>(host)});
    }
    first.push_back(static_cast<int>(cores_.size()));
    for (int r = 0; r < ranks; ++r) {
      const auto host = at(model_.host({r}));
      core_of_.push_back(at(first[host] + placed[host]++ % (first[host + 1] - first[host])));
    }
    homes_.assign(core_of_.begin(), core_of_.end());
  }

  void make_ready(int s) {
    queue_.push({.time = ready_[at(s)], .number = s});
    if (shared_) processors_[at(graph_.rank_of(s).value)].todo.push({.time = ready_[at(s)], .number = s});
  }
  void release(int s, double time) {
    ready_[at(s)] = later(ready_[at(s)], time);
    if (--waits_[at(s)] == 0) make_ready(s);
  }

  /// A core takes rank r, and keeps it while it has something to do.
  void occupy(int r, due_step next) {
    core* on = nullptr;
    double start = 0;
    const int host = model_.host({r});
    for (core& c : cores_) {
      if (c.host != host) continue;
      const double change = c.last >= 0 && c.last != r ? turns_until(r, c) * model_.switch_s : 0;
      const double begin = later(c.free, next.time) + change;
      if (on != nullptr && begin >= start) continue;
      on = &c;
      start = begin;
    }
    processor& mine = processors_[at(r)];
    perform(next.number, start);
    while (!mine.todo.empty() && mine.todo.top().time <= mine.free) {
      const int s = mine.todo.top().number;
      mine.todo.pop();
      if (done_[at(s)] == 0) perform(s, mine.free);
    }
    on->free = mine.free;
    on->last = r;
    homes_[at(r)] = on - cores_.data();
  }

  // Ranks that share a core take turns: those in between get theirs, and find nothing to do.
  int turns_until(int r, const core& on) const {
    int turns = 1;
    for (int other = (on.last + 1) % graph_.ranks(); other != r; other = (other + 1) % graph_.ranks())
      turns += homes_[at(other)] == &on - cores_.data();
    return turns;
  }

  void perform(int s, double start) {
    const rank me = graph_.rank_of(s);
    processor& mine = processors_[at(me.value)];
    const double bytes = chunk_bytes_ * mean_length(graph_[s].where);
    // A slice that was touched just before is still near.
    const bool again = graph_[s].what == verb::recv_reduce && mine.last == graph_[s].where;
    mine.last = graph_[s].where;
    const step_cost cost = cost_of(graph_[s], me, bytes, again ? bytes * graph_[s].where.count : vector_bytes_, model_);
    mine.free = start + cost.busy_s;
    mine.busy += cost.busy_s;
    mine.wire += cost.wire_s;
    done_[at(s)] = 1;
    if (graph_[s].what == verb::send) {
      mine.wire_free = later(mine.wire_free, mine.free) + cost.wire_s;
      release(graph_.match(s), mine.wire_free + cost.latency_s);
    }
    graph_.for_each_waiting(s, [&](int waiting) { release(waiting, mine.free); });
  }

  double mean_length(chunks of) const {
    if (lengths_.empty()) return 1;
    double sum = 0;
    for (int i = 0; i < of.count; ++i) sum += lengths_[at(of.first.value + i) % lengths_.size()];
    return sum / of.count;
  }

  slice_times total() const {
    slice_times result;
    // A slice takes a turn of each rank, and ranks that have nothing to do stay where they are.
    std::vector<double> turns(cores_.size());
    for (std::size_t r = 0; r < processors_.size(); ++r) {
      const processor& p = processors_[r];
      result.first_s = later(result.first_s, p.free);
      result.pace_s = later(result.pace_s, later(p.busy, p.wire));
      if (shared_) turns[core_of_[r]] += model_.switch_s + p.busy;
    }
    for (double t : turns) result.pace_s = later(result.pace_s, t);
    return result;
  }

  const step_graph& graph_;
  const Model& model_;
  double chunk_bytes_, vector_bytes_;
  const std::vector<double>& lengths_;
  bool shared_;
  std::vector<core> cores_;
  std::vector<std::size_t> core_of_;   // by rank: on which its turns are counted
  std::vector<std::ptrdiff_t> homes_;  // by rank: the core that had it last
  std::vector<processor> processors_;
  std::vector<double> ready_;
  std::vector<int> waits_;
  std::vector<char> done_;
  std::priority_queue<due_step> queue_;
};

/// One slice through everyone's schedules. Precondition: they have no fault.
template <class Model>
slice_times simulate(const std::vector<schedule>& team, double chunk_bytes, double vector_bytes, const Model& model,
                     const std::vector<double>& lengths = {}) {
  const step_graph graph(team);
  return simulation<Model>(graph, chunk_bytes, vector_bytes, model, lengths).run();
}

/// The same for algorithms in which every rank does as every other: one rank's
/// steps in their order, its k-th receive meeting what a peer sent when this
/// rank made its own k-th send. Where cores are shared, each wait lets the
/// others of the core take their turn. Time proportional to one rank's steps.
template <class Model>
slice_times simulate_one(const schedule& mine, const team& all, rank me, double chunk_bytes, double vector_bytes,
                         const Model& model) {
  slice_times result;
  std::vector<double> arrives;
  double now = 0, wire = 0, wire_free = 0;
  std::size_t received = 0;
  int pauses = 0;
  for (const step& s : mine.steps) {
    const step_cost cost = cost_of(s, me, chunk_bytes, vector_bytes, model);
    const bool receives = s.what == verb::recv || s.what == verb::recv_reduce;
    if (receives && received < arrives.size()) {
      const double arrival = arrives[received++];
      if (arrival > now) ++pauses, now = arrival;
    }
    now += cost.busy_s;
    result.pace_s += cost.busy_s;
    wire += cost.wire_s;
    if (s.what != verb::send) continue;
    wire_free = (wire_free > now ? wire_free : now) + cost.wire_s;
    arrives.push_back(wire_free + cost.latency_s);
  }
  result.first_s = now;
  if (wire > result.pace_s) result.pace_s = wire;
  if (model.cores > 0 && model.cores < all.size) {
    const double share = static_cast<double>(all.size) / model.cores;
    result.pace_s *= share;
    const double turns = result.pace_s + pauses * share * model.switch_s;
    if (turns > result.first_s) result.first_s = turns;
  }
  return result;
}

}  // namespace tutti
