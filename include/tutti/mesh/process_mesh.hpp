#pragma once
#include <utility>
#include <vector>

#include <tutti/comm/communicator.hpp>
#include <tutti/mesh/mesh.hpp>

namespace tutti {

/// A mesh whose ranks are those of a communicator, in their order, and the
/// communicators along its axes.
class process_mesh {
 public:
  /// Collective. Throws `invalid_argument` where the communicator has not as many
  /// ranks as the mesh. `all` must outlive it. Cost: a split for each axis.
  process_mesh(communicator& all, const mesh& m) : all_(&all), mesh_(m), me_{all.rank()} {
    if (m.size() != all.size())
      throw error(errc::invalid_argument, format("the mesh '%s' has %d ranks, and there are %d", m.text().c_str(), m.size(), all.size()));
    for (int axis = 0; axis < m.axes(); ++axis)
      along_.push_back(std::move(*all.split(m.beside(me_, axis, 0).value, m.coordinate(me_, axis))));
  }

  const tutti::mesh& shape() const { return mesh_; }
  tutti::rank rank() const { return me_; }
  communicator& all() { return *all_; }
  /// Of the ranks that differ from this one along an axis only, in its order.
  communicator& along(int axis) { return along_[static_cast<std::size_t>(axis)]; }

 private:
  communicator* all_;
  tutti::mesh mesh_;
  tutti::rank me_;
  std::vector<communicator> along_;
};

}  // namespace tutti
