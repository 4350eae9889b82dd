#pragma once
#include <nvtx3/nvToolsExt.h>

namespace tutti {

/// What a profiler shows of the host's time, as long as it lives.
class device_range {
 public:
  explicit device_range(const char* name) { ::nvtxRangePushA(name); }
  device_range(const device_range&) = delete;
  device_range& operator=(const device_range&) = delete;
  ~device_range() { ::nvtxRangePop(); }
};

}  // namespace tutti
