#pragma once
#include <time.h>

namespace tutti {

/// Seconds of a clock that never goes back.
inline double now() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// The same clock as it was at the system's last tick, some milliseconds ago at
/// most: for a fraction of the cost.
inline double coarse_now() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

}  // namespace tutti
