#pragma once
#include <cstddef>
#include <string>

#include <cuda_runtime_api.h>

#include <tutti/base/error.hpp>

// What the CUDA runtime answers, in sentences. Needs its headers and library,
// and no CUDA compiler.

namespace tutti {

static_assert(CUDART_VERSION >= 13000, "tutti: needs the toolkit of CUDA 13, the oldest that it is tested with");

namespace detail {

/// A sentence for what the runtime answered; `bytes` where memory was asked for.
inline std::string device_sentence(cudaError_t answer, const char* doing, std::size_t bytes = 0) {
  ::cudaGetLastError();  // it has been heard
  if (answer == cudaErrorNoDevice) return format("%s: there is no CUDA device here", doing);
  if (answer == cudaErrorInsufficientDriver) {
    int driver = 0, runtime = 0;
    ::cudaDriverGetVersion(&driver);
    ::cudaRuntimeGetVersion(&runtime);
    if (driver == 0) return format("%s: there is no CUDA driver here", doing);
    return format("%s: the CUDA driver is for CUDA %d.%d at most, and this program is built with %d.%d; install a newer driver", doing,
                  driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
  }
  if (answer == cudaErrorMemoryAllocation && bytes > 0) {
    std::size_t left = 0, all = 0;
    int device = 0;
    ::cudaGetDevice(&device);
    if (::cudaMemGetInfo(&left, &all) == cudaSuccess)
      return format("%s: %zu bytes are more than there are: device %d has %zu of %zu left", doing, bytes, device, left, all);
    return format("%s: %zu bytes are more than there are", doing, bytes);
  }
  return format("%s: %s (%s)", doing, ::cudaGetErrorString(answer), ::cudaGetErrorName(answer));
}

/// Throws `error` of kind `device` unless the runtime answered that all is well.
inline void check_device(cudaError_t answer, const char* doing, std::size_t bytes = 0) {
  if (answer != cudaSuccess) throw error(errc::device, device_sentence(answer, doing, bytes));
}

/// Lets work go to a device until the scope ends.
class current_device {
 public:
  explicit current_device(int device) {
    check_device(::cudaGetDevice(&before_), "asking for the current device");
    if (device != before_) check_device(::cudaSetDevice(device), "choosing a device");
    changed_ = device != before_;
  }
  current_device(const current_device&) = delete;
  current_device& operator=(const current_device&) = delete;
  ~current_device() {
    if (changed_) ::cudaSetDevice(before_);
  }

 private:
  int before_ = 0;
  bool changed_ = false;
};

}  // namespace detail

/// How many CUDA devices there are. Throws `device` where there is none, and says why.
inline int device_count() {
  int devices = 0;
  detail::check_device(::cudaGetDeviceCount(&devices), "looking for CUDA devices");
  if (devices == 0) throw error(errc::device, "looking for CUDA devices: there is no CUDA device here");
  return devices;
}

/// Why no CUDA device can be used; empty where one can.
inline std::string why_no_device() {
  int devices = 0;
  const cudaError_t answer = ::cudaGetDeviceCount(&devices);
  if (answer != cudaSuccess) return detail::device_sentence(answer, "looking for CUDA devices");
  return devices > 0 ? std::string() : "there is no CUDA device here";
}

}  // namespace tutti
