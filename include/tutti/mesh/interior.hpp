#pragma once
#include <cstddef>
#include <vector>

#include <tutti/base/share.hpp>
#include <tutti/mesh/block.hpp>
#include <tutti/mesh/halo.hpp>
#include <tutti/mesh/tensor_operation.hpp>

namespace tutti {

/// Of some outputs those whose windows lie in what is owned, and need no halo.
constexpr share interior(const window& w, share outputs, share owned, std::size_t inputs) {
  std::size_t first = outputs.first, end = outputs.end();
  while (first < end && read_by(w, {first, 1}, inputs).first < owned.first) ++first;
  while (end > first && read_by(w, {end - 1, 1}, inputs).end() > owned.end()) --end;
  return {.first = first, .count = end - first};
}

/// What is made in parts that do not overlap: first its interior, which may be empty, then
/// the rims around it, which are not. Precondition: the operation slides windows.
constexpr std::vector<block> interior_and_rims(const tensor_operation& o, const block& owned, const block& made) {
  std::vector<block> parts{made};
  for (std::size_t d = 2; d < made.rank(); ++d) {
    const share all = parts[0][d], in = interior(o.windows[d - 2], all, owned[d], o.x[d].size);
    for (const share& beside : {share{all.first, in.first - all.first}, share{in.end(), all.end() - in.end()}}) {
      block rim = parts[0];
      rim[d] = beside;
      if (rim.elements() > 0) parts.push_back(rim);
    }
    parts[0][d] = in;
  }
  return parts;
}

}  // namespace tutti
