#pragma once
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include <tutti/base/span.hpp>
#include <tutti/device/runtime.hpp>

namespace tutti {

/// In whose order a call's work is done: a CUDA stream, and the device that it
/// is of. Made by `on`; does not own the stream.
struct ordered_on {
  cudaStream_t native = nullptr;
  int device = 0;
};

/// Of a stream of any device. Throws `device` where it is none.
inline ordered_on on(cudaStream_t stream) {
  ordered_on order{stream, 0};
  detail::check_device(::cudaStreamGetDevice(stream, &order.device), "asking a stream for its device");
  return order;
}

/// A stream of its own, which does not wait for the legacy default stream.
/// Move-only; its work goes on when it is destroyed.
class device_stream {
 public:
  explicit device_stream(int device = 0) : device_(device) {
    const detail::current_device here(device);
    detail::check_device(::cudaStreamCreateWithFlags(&native_, cudaStreamNonBlocking), "making a stream");
  }
  device_stream(device_stream&& other) noexcept : native_(std::exchange(other.native_, nullptr)), device_(other.device_) {}
  device_stream& operator=(device_stream&& other) noexcept {
    std::swap(native_, other.native_);
    std::swap(device_, other.device_);
    return *this;
  }
  ~device_stream() {
    if (native_) ::cudaStreamDestroy(native_);
  }

  cudaStream_t native() const { return native_; }
  int device() const { return device_; }

  /// Returns once all that it was given is done; throws what went wrong.
  void wait() const { detail::check_device(::cudaStreamSynchronize(native_), "waiting for a stream"); }

 private:
  cudaStream_t native_ = nullptr;
  int device_ = 0;
};

inline ordered_on on(const device_stream& stream) { return {stream.native(), stream.device()}; }

/// A point in a stream's work, which other streams, of other processes too where
/// it is `shared`, and the host wait for. Move-only.
class device_event {
 public:
  using name = cudaIpcEventHandle_t;

  device_event() = default;
  device_event(int device, bool shared) {
    const detail::current_device here(device);
    const unsigned flags = cudaEventDisableTiming | (shared ? cudaEventInterprocess : 0u);
    detail::check_device(::cudaEventCreateWithFlags(&native_, flags), "making an event");
  }
  /// One of another process.
  device_event(int device, const name& of_another) {
    const detail::current_device here(device);
    detail::check_device(::cudaIpcOpenEventHandle(&native_, of_another), "opening an event of another process");
  }
  device_event(device_event&& other) noexcept : native_(std::exchange(other.native_, nullptr)) {}
  device_event& operator=(device_event&& other) noexcept {
    std::swap(native_, other.native_);
    return *this;
  }
  ~device_event() {
    if (native_) ::cudaEventDestroy(native_);
  }

  name shared_name() const {
    name n;
    detail::check_device(::cudaIpcGetEventHandle(&n, native_), "naming an event for other processes");
    return n;
  }
  cudaEvent_t native() const { return native_; }
  void record(const ordered_on& order) const {
    detail::check_device(::cudaEventRecord(native_, order.native), "recording an event");
  }
  /// The host waits.
  void wait() const { detail::check_device(::cudaEventSynchronize(native_), "waiting for an event"); }
  /// Whether it need not.
  bool is_done() const {
    const cudaError_t answer = ::cudaEventQuery(native_);
    if (answer == cudaErrorNotReady) ::cudaGetLastError();  // no error
    else detail::check_device(answer, "asking for an event");
    return answer == cudaSuccess;
  }

 private:
  cudaEvent_t native_ = nullptr;
};

namespace detail {
/// What the stream is given from now on waits for what the event stands for now.
inline void wait_for(const ordered_on& order, cudaEvent_t event) {
  check_device(::cudaStreamWaitEvent(order.native, event, 0), "making a stream wait for an event");
}
}  // namespace detail

}  // namespace tutti
