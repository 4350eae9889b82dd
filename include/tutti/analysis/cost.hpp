#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include <tutti/analysis/simulation.hpp>
#include <tutti/schedule/repertoire.hpp>

namespace tutti {

/// Larger teams are timed by one rank's steps where all ranks do alike and
/// steps or chunks grow with p².
inline constexpr int simulated_whole = 40;

namespace detail {

/// Of what is cut into `parts` chunks, in multiples of their mean; nothing where
/// blocks are alike, or empty.
inline std::vector<double> chunk_lengths(const std::vector<double>& blocks, int parts) {
  double sum = 0;
  for (double length : blocks) sum += length;
  std::vector<double> lengths;
  if (sum <= 0) return lengths;
  const double mean = sum / static_cast<double>(blocks.size());
  for (double length : blocks)
    for (std::size_t i = 0; i < static_cast<std::size_t>(parts) / blocks.size(); ++i) lengths.push_back(length / mean);
  return lengths;
}

}  // namespace detail

/// The model as the steps of a collective on one host meet it. Of a reduce each operand is
/// read once, and passes in slices that stay in cache; a root that gets them all from their
/// owners folds them in one pass.
template <class Model>
constexpr Model met_by(collective what, algorithm how, const team& all, Model model) {
  if constexpr (requires { model.link.near_bytes = model.folds_at_once; }) {
    if (all.hosts() > 1) return model;
    const bool several = how == algorithm::linear && all.size > 2;
    if (what == collective::reduce) {
      model.link.near_bytes = 0;
      if (several) model.link.fold_bytes_per_s /= model.folds_at_once;
    }
    if ((what == collective::scan || what == collective::exclusive_scan) && several && model.cores > 0 && model.cores < all.size)
      model.link.latency_s *= model.waits_in_line, model.switch_s *= model.waits_in_line;
  }
  return model;
}

/// Seconds that a collective takes. `bytes` are those of the whole vector: of
/// what is cut by ranks, everyone's blocks together. Deterministic;
/// 0 where the algorithm is not available. `blocks`, where they differ: how many
/// elements each has, or anything in proportion.
///
/// One slice is simulated through all dependencies; the slices after it follow
/// at the pace of the busiest processor, or of all cores together.
template <class Model = cost_model>
double predict(collective what, algorithm how, const team& all, std::size_t bytes, const Model& links = {}, rank root = {},
               const std::vector<double>& blocks = {}) {
  if (!available(what, how, all)) return 0;
  const Model model = met_by(what, how, all, links);
  rank typical{all.size / 2};
  // One that the slow links touch: the others wait for it.
  if (all.hosts() > 1)
    while (all.same_host(typical, all.next(typical))) typical = all.next(typical);
  schedule one = make_schedule(what, how, all, typical, root);
  const double vector_bytes = what == collective::barrier ? 1 : static_cast<double>(bytes);
  const double chunk_bytes = vector_bytes * vectors_of(what) / one.parts;
  const std::vector<double> lengths = detail::chunk_lengths(blocks, one.parts);
  const double longest = lengths.empty() ? chunk_bytes : chunk_bytes * *std::max_element(lengths.begin(), lengths.end());
  const int slices = model.slice_bytes > 0 && longest > model.slice_bytes
                         ? static_cast<int>((longest - 1) / model.slice_bytes) + 1
                         : 1;
  const bool alike = how == algorithm::ring || how == algorithm::halving || how == algorithm::pairwise ||
                     how == algorithm::bruck || how == algorithm::one_shot || how == algorithm::two_shot ||
                     how == algorithm::bidirectional;
  // But for halving's ranges, which are two steps where they reach around the end.
  for (rank r{0}; how == algorithm::halving && all.size > simulated_whole && r.value < all.size; ++r.value)
    if (schedule other = make_schedule(what, how, all, r, root); other.steps.size() > one.steps.size()) {
      one = static_cast<schedule&&>(other);
      typical = r;
    }
  if (alike && all.size > simulated_whole)
    return simulate_one(one, all, typical, chunk_bytes / slices, vector_bytes, model).of(slices);
  std::vector<schedule> schedules;
  schedules.reserve(static_cast<std::size_t>(all.size));
  for (rank r{0}; r.value < all.size; ++r.value) schedules.push_back(make_schedule(what, how, all, r, root));
  return simulate(schedules, chunk_bytes / slices, vector_bytes, model, lengths).of(slices);
}

/// How ranks that see each other's memory do without messages.
enum class direct_form {
  none,   ///< with messages
  shown,  ///< in one round: everyone copies its input to where all read it
  lent,   ///< between two rounds: all is read and written where it lies
  relayed,  ///< in rounds: everyone shows the next piece of its input, and of what it has folded for others
};

/// Bytes that a rank shows at most in one round of several.
inline constexpr double relayed_bytes = 128 << 10;

/// What a round in which all look at all takes where each rank has a core, of what its
/// link's values say: these are of messages, by default and as `tutti-perf --tune` finds them.
inline constexpr double shown_share = 0.75;

/// Seconds that the same takes in such a form, where the algorithm has it: what
/// its steps receive is read, and what was folded is written to whom it is sent,
/// which costs what is moved and no step.
/// Calls follow each other: a rank begins the next in the turn in which it ends
/// one, so that for each round ranks that share a core wait for one turn of each.
/// Where there is a root, who is not waited for runs ahead of the others: a round of
/// these costs no turns, and takes as long as whoever has more to move. Where each rank
/// has a core, a round in which all look at all is done without an operation around it,
/// out of caches: as measured on two ranks, in `shown_share` of what the links' values say.
template <class Model = cost_model>
double predict_direct(collective what, algorithm how, const team& all, std::size_t bytes, direct_form form, const Model& model = {}) {
  if (!available(what, how, all)) return 0;
  const bool runs_ahead = form == direct_form::shown && rooted(what);
  double rounds = form == direct_form::lent ? 2 : 1;
  auto busy_of = [&](rank me) {
    const schedule one = make_schedule(what, how, all, me);
    const double vector_bytes = what == collective::barrier ? 1 : static_cast<double>(bytes);
    const double chunk_bytes = vector_bytes * vectors_of(what) / one.parts;
    const double step_s = model.between(me, all.next(me)).step_s;
    auto moving = [&](const step& s) { return cost_of(s, me, chunk_bytes, vector_bytes, model).busy_s - step_s; };
    const contract agreed{.what = what, .all = all, .parts = one.parts};
    step shows{.what = verb::send, .peer = all.next(me), .where = {chunk{0}, 0}};
    // Of a rank that sends nothing nobody reads anything.
    const bool is_read = std::any_of(one.steps.begin(), one.steps.end(), [](const step& s) { return s.what == verb::send; });
    for (int k = 0; form == direct_form::shown && is_read && k < one.parts; ++k) shows.where.count += agreed.holds_before(me, chunk{k});
    double busy = step_s + moving(shows), parts = 0;
    bool folded = false, results = false;
    std::vector<char> shown(static_cast<std::size_t>(one.parts + one.scratch));  // since it was folded
    for (const step& next : one.steps) {
      if (next.what == verb::recv_reduce && !std::exchange(folded, true)) shown.assign(shown.size(), 0);
      const bool sends = next.what == verb::send;
      if (form == direct_form::relayed && sends) {
        if (std::exchange(shown[static_cast<std::size_t>(next.where.first.value)], 1)) continue;  // many read it
        parts += 1;
        results |= folded;
      }
      const bool taken = is_local(next.what) || next.what == verb::recv_reduce || sends == folded || form == direct_form::relayed;
      if (taken) busy += moving(next);
    }
    if (form == direct_form::relayed) rounds = std::ceil(std::max(1.0, chunk_bytes * parts / relayed_bytes)) + results;
    return busy;
  };
  const rank typical{all.size / 2};
  double busy = busy_of(typical);
  if (runs_ahead) busy = std::max(busy, busy_of({0}));
  const bool shared = model.cores > 0 && model.cores < all.size;
  const double turns = shared ? static_cast<double>(all.size) / model.cores : 1;
  const double latency_s = model.between(typical, all.next(typical)).latency_s;
  const double share = form == direct_form::shown && !shared && !rooted(what) ? shown_share : 1;
  return share * (turns * (busy + (shared && !runs_ahead ? rounds * model.switch_s : 0)) + rounds * latency_s);
}

/// Whether an algorithm is for such a team. On one host, or with one rank on
/// each, what tells hosts apart does as others do. K-nomial trees save hops of
/// messages; through windows they measured slower than binary ones.
constexpr bool fits(algorithm how, const team& all) {
  const int hosts = all.hosts();
  if (tells_hosts_apart(how)) return hosts > 1 && hosts < all.size;
  return hosts > 1 || (how != algorithm::k_nomial_4 && how != algorithm::k_nomial_8);
}

/// The algorithm that is predicted to be fastest, among those that fit the team
/// and keep the order of operands where the operation is not commutative. The same answer
/// on every rank that asks with the same arguments; the earlier in the table
/// where two are equal. Takes some milliseconds at most. Of `blocks`, see
/// `predict`: with them, only what serves such.
template <class Model = cost_model>
algorithm choose(collective what, const team& all, std::size_t bytes, bool commutative, const Model& model = {},
                 const std::vector<double>& blocks = {}) {
  algorithm best = algorithm::automatic;
  double least = 0;
  for (const repertoire_entry& entry : repertoire) {
    if (entry.what != what || !fits(entry.how, all) || (!commutative && !keeps_order(what, entry.how, all))) continue;
    if (!blocks.empty() && !entry.uneven) continue;
    double seconds = predict(what, entry.how, all, bytes, model, rank{}, blocks);
    // The ranks of a host share its way to others, which no pair's link shows: who
    // sends least over it is preferred to what seems faster by less than a tenth.
    if (tells_hosts_apart(entry.how)) seconds *= 0.9;
    if (best != algorithm::automatic && seconds >= least) continue;
    best = entry.how;
    least = seconds;
  }
  return best;
}

}  // namespace tutti
