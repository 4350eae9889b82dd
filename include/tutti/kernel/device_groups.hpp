#pragma once
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
    all_reduce(over(c, along), values, plus{}, c.order());
  }

 private:
  struct group {
    group(communicator& c, const Device& device) : host(&c), ranks(c, device, {.window_bytes = of_a_norm, .piece_bytes = of_a_norm}) {}
    static constexpr std::size_t of_a_norm = std::size_t{1} << 20;  // a few numbers a channel
    communicator* host;
    device_communicator<Device> ranks;
  };

  template <class Context>
  device_communicator<Device>& over(Context& c, communicator& along) {
    for (group& known : groups_)
      if (known.host == &along) return known.ranks;
    return groups_.emplace_back(along, c.device()).ranks;
  }

  std::list<group> groups_;
};

}  // namespace tutti
