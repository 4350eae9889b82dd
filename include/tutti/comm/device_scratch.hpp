#pragma once
#include <algorithm>
#include <cstddef>
#include <optional>

#include <tutti/comm/device_wait.hpp>

namespace tutti::detail {

/// Memory of a device for calls whose data must lie somewhere else on the way, one after the
/// other, on whichever stream: blocks that are to be folded, and what the call would
/// overwrite before it has read it.
template <class Device>
class device_scratch {
 public:
  using order = typename Device::order;

  /// `bytes`: of blocks, at most.
  device_scratch(const Device& device, std::size_t bytes) : device_(device), bytes_(bytes) {}

  /// Takes so many bytes for blocks and so many that are kept, where it has fewer.
  void prepare(communicator& c, std::size_t blocks, std::size_t kept) {
    if (!last_) last_.emplace(device_.make_event());
    if (blocks_.size() >= blocks && kept_.size() >= kept) return;
    finish(c);
    if (blocks_.size() < blocks) blocks_ = device_.take(blocks);
    if (kept_.size() < kept) kept_ = device_.take(kept);
  }
  std::size_t bytes() const { return bytes_; }

  /// Where blocks lie, once the call before has done with them; after `end` this one has.
  std::byte* begin(const order& in_order) {
    device_.wait(in_order, *last_);
    return blocks_.data();
  }
  void end(const order& in_order) { device_.record(*last_, in_order); }
  /// A copy of what the call would overwrite before it has read it.
  const void* keep(const void* data, std::size_t bytes, const order& in_order) {
    device_.copy(kept_.data(), data, bytes, in_order);
    return kept_.data();
  }

  /// Waits for what went through it.
  void finish(communicator& c) const {
    if (last_) finish_watched(device_, c, *last_);
  }

 private:
  Device device_;
  std::size_t bytes_;
  typename Device::taken blocks_{}, kept_{};
  std::optional<typename Device::event> last_{};
};

}  // namespace tutti::detail
