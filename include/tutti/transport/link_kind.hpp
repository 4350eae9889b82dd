#pragma once
#include <cstdint>

namespace tutti {

/// Which kind of channel joins two ranks.
enum class link_kind : std::uint8_t {
  self, loopback, window, message, simulated,
  device,  ///< of calls on the memory of devices: memory of one that the other's device reads
};

inline constexpr link_kind every_link_kind[] = {link_kind::self, link_kind::loopback, link_kind::window,
                                                link_kind::message, link_kind::simulated, link_kind::device};

constexpr const char* name_of(link_kind kind) {
  constexpr const char* names[] = {"self", "loopback", "window", "message", "simulated", "device"};
  return names[static_cast<int>(kind)];
}

}  // namespace tutti
