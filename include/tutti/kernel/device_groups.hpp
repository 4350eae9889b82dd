#pragma once
#include <algorithm>
#include <cstddef>
#include <list>

#include <tutti/comm/device_collectives.hpp>

namespace tutti {

/// Communicators of ranks on devices beside those of the host, made when they are
/// first used.
template <class Device>
class device_groups {
 public:
  /// Collective over `along`, which must outlive it: `values`, added up over its ranks,
  /// in the order of the context's stream.
  template <class Context, class T>
  void add_up(Context& c, communicator& along, span<T, typename Device::space> values) {
    constexpr std::size_t of_a_norm = std::size_t{1} << 20;  // a few numbers a channel
    all_reduce(over(c, along, of_a_norm), values, plus{}, c.order());
  }

  /// Collective over `along` where it is the first to be over these with windows of so many
  /// bytes; `along` must outlive it.
  template <class Context>
  device_communicator<Device>& over(Context& c, communicator& along, std::size_t bytes) {
    for (group& known : groups_)
      if (known.host == &along && known.bytes == bytes) return known.ranks;
    return groups_.emplace_back(along, c.device(), bytes).ranks;
  }

 private:
  struct group {
    group(communicator& c, const Device& device, std::size_t window) : host(&c), bytes(window), ranks(c, device, {.window_bytes = window, .piece_bytes = std::min(window, most_pinned)}) {}
    static constexpr std::size_t most_pinned = std::size_t{4} << 20;
    communicator* host;
    std::size_t bytes;
    device_communicator<Device> ranks;
  };

  std::list<group> groups_;
};

}  // namespace tutti
