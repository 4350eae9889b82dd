#pragma once
#include <cstdint>

namespace tutti {

/// Which kind of channel joins two ranks.
enum class link_kind : std::uint8_t { self, loopback, window, message, simulated };

constexpr const char* name_of(link_kind kind) {
  constexpr const char* names[] = {"self", "loopback", "window", "message", "simulated"};
  return names[static_cast<int>(kind)];
}

}  // namespace tutti
