#pragma once
#include <cstddef>
#include <memory>

#include <tutti/device/buffer.hpp>
#include <tutti/device/runtime.hpp>
#include <tutti/device/stream.hpp>

namespace tutti {

/// On the current device. Taking and giving back may wait for the device: take
/// buffers before a loop, or from a `stream_pool`.
template <>
struct memory<cuda> {
  static constexpr std::size_t alignment = 256;

  /// Throws `device`, which says how much is left.
  static void* allocate(std::size_t bytes) {
    void* data = nullptr;
    if (bytes > 0) detail::check_device(::cudaMalloc(&data, bytes), "taking device memory", bytes);
    return data;
  }
  static void release(void* data) noexcept {
    if (data) ::cudaFree(data);
  }
};

/// Known to all devices.
template <>
struct memory<pinned> {
  static constexpr std::size_t alignment = 64;

  static void* allocate(std::size_t bytes) {
    void* data = nullptr;
    if (bytes > 0) detail::check_device(::cudaHostAlloc(&data, bytes, cudaHostAllocPortable), "taking pinned memory", bytes);
    return data;
  }
  static void release(void* data) noexcept {
    if (data) ::cudaFreeHost(data);
  }
};

/// Device memory in the order of a stream: `buffer<float, cuda> x(pool, n)` may be
/// used by what the stream is given from now on, and goes back once the stream
/// has done what it was given before the buffer's end. Nothing waits. The stream
/// must outlive the buffers.
class stream_pool {
 public:
  using space = cuda;

  explicit stream_pool(const ordered_on& order) : source_(std::make_shared<source>(order)) {}
  std::shared_ptr<memory_source> memory() const { return source_; }

 private:
  struct source final : memory_source {
    explicit source(const ordered_on& o) : order(o) {}
    void* allocate(std::size_t bytes) override {
      const detail::current_device here(order.device);
      void* data = nullptr;
      detail::check_device(::cudaMallocAsync(&data, bytes, order.native), "taking device memory in a stream", bytes);
      return data;
    }
    void release(void* data, std::size_t) noexcept override { ::cudaFreeAsync(data, order.native); }
    ordered_on order;
  };
  std::shared_ptr<source> source_;
};

}  // namespace tutti
