#pragma once
#include <cstddef>
#include <string>

#include <tutti/comm/communicator.hpp>
#include <tutti/comm/device_staging.hpp>
#include <tutti/comm/device_windows.hpp>

namespace tutti {

struct device_options {
  /// Of device memory, which the other ranks of this host map.
  std::size_t window_bytes = std::size_t{64} << 20;
  /// Of pinned memory, twice for each direction; grows where one element of every
  /// rank is more.
  std::size_t piece_bytes = std::size_t{4} << 20;
  /// Go through the host though devices could read each other.
  bool staged = false;
};

/// Ranks that communicate what is in the memory of devices, one each; several
/// may have the same. Its collectives are the free functions of
/// comm/device_collectives.hpp. Used by one thread at a time. Must not outlive the
/// communicator that it was made from, and stays until the streams of all ranks
/// have done what its calls gave them.
template <class Device>
class device_communicator {
 public:
  using device_type = Device;
  using order = typename Device::order;
  using space = typename Device::space;

  /// Collective; all ranks pass the same options. Throws `device` where the device
  /// or its memory is not there.
  device_communicator(communicator& c, const Device& device, const device_options& options = {})
      : device_(device), host_(c.duplicate()), staging_(device, options.piece_bytes),
        windows_(device, host_, options.window_bytes, options.staged) {}

  int rank() const { return host_.rank(); }
  int size() const { return host_.size(); }

  /// Why data goes through the host: because the devices cannot read each other's
  /// memory. Empty where they do.
  const std::string& why_staged() const { return windows_.why_not(); }

  /// What all collectives do. See `device_call`.
  template <class T, class Op>
  void run(device_call<T, Op> call, const order& in_order) {
    const std::string who = format("rank %d: %s", host_.world_rank(), name_of(call.what));
    device_.need_order(who.c_str(), in_order);
    device_.need_memory(who.c_str(), call.input, call.bytes_in());
    device_.need_memory(who.c_str(), call.output, call.bytes_out());
    if (why_staged().empty()) windows_.run(host_, call, in_order);
    else staging_.run(host_, call, in_order);
  }

  communicator& host_side() { return host_; }

 private:
  Device device_;
  communicator host_;
  detail::device_staging<Device> staging_;
  detail::device_windows<Device> windows_;
};

}  // namespace tutti
