#pragma once
#include <cstddef>
#include <vector>

#include <tutti/analysis/simulation.hpp>
#include <tutti/schedule/repertoire.hpp>

namespace tutti {

/// Larger teams are timed by one rank's steps where all ranks do alike and
/// steps or chunks grow with p².
inline constexpr int simulated_whole = 40;

/// Seconds that a collective takes. `bytes` are those of the whole vector: of
/// what is cut by ranks, everyone's blocks together. Deterministic;
/// 0 where the algorithm is not available.
///
/// One slice is simulated through all dependencies; the slices after it follow
/// at the pace of the busiest processor, or of all cores together.
template <class Model = cost_model>
double predict(collective what, algorithm how, team all, std::size_t bytes, const Model& model = {}, rank root = {}) {
  if (!available(what, how, all)) return 0;
  rank typical{all.size / 2};
  schedule one = make_schedule(what, how, all, typical, root);
  const double vector_bytes = what == collective::barrier ? 1 : static_cast<double>(bytes);
  const double chunk_bytes = vector_bytes * vectors_of(what) / one.parts;
  const int slices = model.slice_bytes > 0 && chunk_bytes > model.slice_bytes
                         ? static_cast<int>((chunk_bytes - 1) / model.slice_bytes) + 1
                         : 1;
  const bool alike = how == algorithm::ring || how == algorithm::halving || how == algorithm::pairwise ||
                     how == algorithm::bruck || how == algorithm::one_shot;
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
  return simulate(schedules, chunk_bytes / slices, vector_bytes, model).of(slices);
}

/// The algorithm that is predicted to be fastest, among those that keep the
/// order of operands where the operation is not commutative. The same answer
/// on every rank that asks with the same arguments; the earlier in the table
/// where two are equal. Takes some milliseconds at most.
template <class Model = cost_model>
algorithm choose(collective what, team all, std::size_t bytes, bool commutative, const Model& model = {}) {
  algorithm best = algorithm::automatic;
  double least = 0;
  for (const repertoire_entry& entry : repertoire) {
    if (entry.what != what || (!commutative && !keeps_order(what, entry.how, all))) continue;
    const double seconds = predict(what, entry.how, all, bytes, model);
    if (best != algorithm::automatic && seconds >= least) continue;
    best = entry.how;
    least = seconds;
  }
  return best;
}

}  // namespace tutti
