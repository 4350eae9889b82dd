#pragma once
// A device of the host that can be told to NCCL, and the library that stands in for it.
#include <array>
#include <functional>

#include "host_device.hpp"
#include "stand_in_nccl.hpp"

namespace nccl_device {

inline void give(void* stream, void (*task)(void*), void* argument) {
  static_cast<host_device::stream*>(stream)->give([=] { task(argument); });
}

/// Tells the stand-in what to do from now on, and says what it was asked since the last time.
inline stand_in::report tell(stand_in::orders told = {}, const char* path = STAND_IN_NCCL) {
  told.give = give;
  return stand_in::tell(path, told);
}

struct device : host_device::device {
  explicit device(int n) { number = n; }
  bool is_lost = false;  ///< it cannot be made the current one
  std::array<unsigned char, 16> identity() const {
    work();
    return {static_cast<unsigned char>(number), 1};
  }
  void* native(order in) const { return in; }
  int made_current() const {
    work();
    if (is_lost) throw tutti::error(tutti::errc::device, "the device is lost");
    return number;
  }
};

}  // namespace nccl_device
