#pragma once
#include <cstddef>
#include <vector>

#include <tutti/mesh/process_mesh.hpp>
#include <tutti/nn/parameter.hpp>

namespace tutti {

/// Gradients that are added up in one all-reduce over axes of a mesh.
struct gradient_bucket {
  unsigned axes = 0;                 ///< bit a for axis a; none where every rank has the sums already
  std::size_t first_parameter = 0;   ///< of the network, the one that backward reaches last
  std::size_t first = 0, count = 0;  ///< elements of the store, with what pads them in between
  friend constexpr bool operator==(const gradient_bucket&, const gradient_bucket&) = default;
};

/// Cuts the gradients of a store into buckets, in the order in which backward
/// fills them; one is full as soon as it holds `elements`. Gradient number i is a
/// sum over the axes `sums[i]`, and the store is grouped by them. The same on all
/// ranks that share a bucket: what they add up lies alike on each of them.
inline std::vector<gradient_bucket> buckets_of(const std::vector<parameter>& all, const std::vector<unsigned>& sums,
                                               std::size_t elements) {
  std::vector<gradient_bucket> full, open;  // open: at most one for each set of axes
  for (std::size_t i = all.size(); i-- > 0;) {
    auto mine = open.begin();
    while (mine != open.end() && mine->axes != sums[i]) ++mine;
    if (mine == open.end()) mine = open.insert(mine, {.axes = sums[i], .first = all[i].offset, .count = all[i].stored});
    mine->count += mine->first - all[i].offset;
    mine->first = all[i].offset;
    mine->first_parameter = i;
    bool last = true;
    for (std::size_t earlier = 0; earlier < i; ++earlier) last &= sums[earlier] != sums[i];
    if (!last && mine->count < elements) continue;
    full.push_back(*mine);
    open.erase(mine);
  }
  return full;
}

namespace detail {

/// Of the lines of ranks that add up buckets the one over these axes, or null.
template <class Lines>
auto* line_over(Lines& all, unsigned axes) {
  for (auto& line : all)
    if (line.axes == axes) return &line;
  return static_cast<decltype(&all.front())>(nullptr);
}

/// Collective: calls `join(axes, ranks)` once for each set of axes over which gradients
/// are sums of several ranks. By parameters, whose order is everybody's, and not by
/// buckets: where pieces are uneven, some ranks have more of them.
template <class Lines, class Join>
void join_lines(const Lines& lines, process_mesh& on, const std::vector<unsigned>& sums, Join join) {
  for (unsigned axes : sums)
    if (axes != 0 && !line_over(lines, axes) && on.over(axes).size() > 1) join(axes, on.over(axes));
}

}  // namespace detail

}  // namespace tutti
