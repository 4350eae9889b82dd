#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

#include <tutti/transport/peer_lines.hpp>

namespace tutti::detail {

/// Ranks that are called since they have not come by themselves: they may not
/// have noticed yet, or be gone.
class calls {
 public:
  explicit calls(std::size_t ranks) : since_(ranks) {}

  void all(double t) { since_.assign(since_.size(), t); }
  void one(int r, double t) {
    if (double& since = since_[static_cast<std::size_t>(r)]; since == 0) since = t;
  }
  bool under_way() const {
    return std::any_of(since_.begin(), since_.end(), [](double since) { return since != 0; });
  }

  /// How long, in seconds, a rank gets to come by itself, then to answer where
  /// nobody listens at its address, and where nothing is heard.
  struct patience {
    double first, refused, silent;
  };

  /// Dials those that `wanted(r)` and have no line; `lost(r)` is told of those
  /// that do not answer.
  template <class Wanted, class Lost>
  void step(double t, const patience& p, peer_lines& lines, Wanted wanted, Lost lost) {
    for (int r = 0; r < static_cast<int>(since_.size()); ++r) {
      double& since = since_[static_cast<std::size_t>(r)];
      if (!wanted(r) || lines.to(r)) since = 0;
      if (since == 0) continue;
      if (t - since > p.first) lines.dial(r, t);
      if (t - since <= (lines.refused(r) ? p.refused : p.silent)) continue;
      lines.stop_dialing(r);
      lost(r);
    }
  }

 private:
  std::vector<double> since_;  // by rank; 0: not called
};

}  // namespace tutti::detail
