#pragma once
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include <tutti/comm/communicator.hpp>
#include <tutti/mesh/bill.hpp>
#include <tutti/mesh/legal.hpp>
#include <tutti/mesh/mesh.hpp>

namespace tutti {

/// A mesh whose ranks are those of a communicator, in their order, and the
/// communicators along its axes.
class process_mesh {
 public:
  /// Collective. Throws `invalid_argument` where the communicator has not as many
  /// ranks as the mesh. `all` must outlive it. Cost: a split for each axis.
  process_mesh(communicator& all, const mesh& m) : all_(&all), mesh_(m), me_{all.rank()} {
    need_accepted(why_not_ranks(m, all.size()));
    for (int axis = 0; axis < m.axes(); ++axis) over(1u << axis);
  }

  const tutti::mesh& shape() const { return mesh_; }
  tutti::rank rank() const { return me_; }
  communicator& all() { return *all_; }

  /// Of the ranks that differ from this one along an axis only, in its order.
  communicator& along(int axis) { return over(1u << axis); }

  /// Of the ranks that differ from this one along a set of axes only (bit a for
  /// axis a), in the mesh's order. Collective where the set is new: all ranks ask
  /// for the same sets in the same order.
  communicator& over(unsigned axes) { return group_over(axes).ranks; }

  /// Of the same ranks, for what is on its way while this rank computes: another
  /// communicator, which a thread of its own advances. Likewise collective.
  communicator& behind(unsigned axes) {
    group& of = group_over(axes);
    if (!of.behind) of.behind = of.ranks.duplicate({.progress = progress::thread});
    return *of.behind;
  }

  /// The mesh's ranks behind `over(axes)`, in order.
  std::vector<tutti::rank> members(unsigned axes) const { return mesh_.beside(me_, axes); }

 private:
  struct group {
    unsigned axes;
    communicator ranks;
    std::optional<communicator> behind = {};
  };

  group& group_over(unsigned axes) {
    for (group& known : groups_)
      if (known.axes == axes) return known;
    tutti::rank first = me_;
    for (int axis = 0; axis < mesh_.axes(); ++axis)
      if ((axes >> axis & 1u) != 0) first = mesh_.beside(first, axis, 0);
    groups_.push_back({axes, std::move(*all_->split(first.value, me_.value))});
    return groups_.back();
  }

  communicator* all_;
  tutti::mesh mesh_;
  tutti::rank me_;
  std::deque<group> groups_;
};

/// How a mesh's communicators do a call, for its bill. Collective where they were not
/// asked for these axes before.
struct chosen_by_ranks {
  process_mesh* on = nullptr;

  chosen_call operator()(unsigned axes, const call_shape& c) const {
    communicator& ranks = on->over(axes);
    return {.all = ranks.all(), .algorithm = ranks.plan_for(c).algorithm};
  }
};

}  // namespace tutti
