#pragma once
#include <vector>

#include <tutti/kernel/random.hpp>
#include <tutti/mesh/move.hpp>

// Meshes and placements to try everything on.

namespace worlds {

/// Of 1 to 6 ranks, along one axis and along two.
inline std::vector<tutti::mesh> meshes() {
  std::vector<tutti::mesh> all;
  for (int a = 1; a <= 6; ++a) all.push_back({{"a", a}});
  for (int a = 1; a <= 3; ++a)
    for (int b = 2; a * b <= 6; ++b) all.push_back({{"a", a}, {"b", b}});
  return all;
}

/// Every placement of a tensor of so many dimensions.
inline std::vector<tutti::placement> placements(std::size_t dimensions, const tutti::mesh& on) {
  std::vector<tutti::placement> all{{}};
  // All orders of the axes on a dimension come from all orders of giving them away.
  for (std::size_t done = 0; done < all.size(); ++done)
    for (int axis = 0; axis < on.axes(); ++axis) {
      if (!all[done].replicated_on(axis)) continue;
      auto add = [&](const tutti::placement& next) {
        for (const tutti::placement& known : all)
          if (known == next) return;
        all.push_back(next);
      };
      for (std::size_t d = 0; d < dimensions; ++d) add(all[done].sharded(d, axis));
      add(all[done].with_partial(axis));
    }
  return all;
}

}  // namespace worlds
