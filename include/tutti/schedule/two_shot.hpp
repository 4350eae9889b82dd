#pragma once
#include <tutti/schedule/pairwise.hpp>

namespace tutti {

/// Everyone sends each block straight to its owner, and the owner its sum to
/// everyone: 2 (p−1)/p of the vector from each rank, the least there is, in two
/// hops but 2 (p−1) messages. Keeps the order of operands.
constexpr schedule two_shot_all_reduce(const team& all, rank me) {
  schedule s = pairwise_reduce_scatter(all, me);
  for (const step& next : pairwise_all_gather(all, me).steps) s.steps.push_back(next);
  return s;
}

}  // namespace tutti
