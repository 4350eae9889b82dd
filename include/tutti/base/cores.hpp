#pragma once
#include <sched.h>
#include <unistd.h>

namespace tutti {

/// Cores that this process may run on, at least 1.
inline int usable_cores() {
  cpu_set_t mine;
  CPU_ZERO(&mine);
  if (::sched_getaffinity(0, sizeof mine, &mine) == 0 && CPU_COUNT(&mine) > 0) return CPU_COUNT(&mine);
  // More than a cpu_set_t has room for: what is online, allowed or not.
  const long online = ::sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? static_cast<int>(online) : 1;
}

}  // namespace tutti
