#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <unistd.h>

#include <tutti/base/config.hpp>
#include <tutti/device/device_memory.hpp>
#include <tutti/device/pointer.hpp>
#include <tutti/device/pull_body.hpp>
#include <tutti/device/range.hpp>
#include <tutti/device/stream.hpp>

namespace tutti {

#if TUTTI_ON_CUDA
namespace detail {

template <class Body>
__global__ void run_workers(Body body) {
  body(worker{static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x, static_cast<std::size_t>(gridDim.x) * blockDim.x});
}

}  // namespace detail
#endif

/// A CUDA device as the collectives use it. `Kernels`: whether the compiler makes
/// them; where it does not, data goes through the host. Ranks that are started by
/// a fork (`run`) can use one only where the process before them did not.
template <bool Kernels>
class basic_gpu {
 public:
  using space = cuda;
  using staging = pinned;
  using event = device_event;
  using order = ordered_on;
  using range = device_range;
  static constexpr bool launches = Kernels;
  /// What links are told of its memory.
  static constexpr memory_kind messages_move = memory_kind::cuda;

  /// Throws `device` where there is none of that number.
  explicit basic_gpu(int device = 0) : device_(device) {
    int devices = 0;
    detail::check_device(::cudaGetDeviceCount(&devices), "looking for CUDA devices");
    if (device < 0 || device >= devices)
      throw error(errc::device, format("there is no CUDA device %d here: they are numbered from 0 to %d", device, devices - 1));
    detail::check_device(::cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, device), "asking a device for its size");
  }

  int device() const { return device_; }

  /// Memory of this device, whichever is the current one: whole pages, since what
  /// other processes open is a page with all that lies in it.
  using taken = buffer<std::byte, cuda>;
  taken take(std::size_t bytes) const {
    constexpr std::size_t page = std::size_t{2} << 20;
    const detail::current_device here(device_);
    return taken((bytes + page - 1) / page * page);
  }

  /// `shared`: with other processes too, where the system lets them.
  event make_event(bool shared = false) const {
    if (shared) {
      try {
        return event(device_, true);
      } catch (const error&) {
        // Threads of this process need no more than the others.
      }
    }
    return event(device_, false);
  }
  void record(const event& e, const order& in) const { e.record(in); }
  void wait(const order& in, const event& e) const { detail::wait_for(in, e.native()); }
  void finish(const event& e) const { e.wait(); }
  bool is_done(const event& e) const { return e.is_done(); }

  void copy(void* to, const void* from, std::size_t bytes, const order& in) const {
    if (bytes > 0) detail::check_device(::cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, in.native), "copying");
  }
  /// Runs `body(worker)` on as many threads as are good for so many pieces of work.
  template <class Body>
  void launch([[maybe_unused]] const Body& body, [[maybe_unused]] std::size_t pieces, [[maybe_unused]] const order& in) const {
#if TUTTI_ON_CUDA
    constexpr unsigned threads = 256;
    const auto most = static_cast<std::size_t>(multiprocessors_) * 8;
    const auto blocks = static_cast<unsigned>(std::clamp<std::size_t>((pieces + threads - 1) / threads, 1, most));
    const detail::current_device here(device_);
    detail::run_workers<<<blocks, threads, 0, in.native>>>(body);
    detail::check_device(::cudaGetLastError(), "starting a kernel");
#endif
  }

  /// What tells this device from all others, on other hosts too.
  std::array<unsigned char, 16> identity() const {
    cudaDeviceProp found{};
    detail::check_device(::cudaGetDeviceProperties(&found, device_), "asking a device for its name");
    std::array<unsigned char, 16> id;
    std::memcpy(id.data(), &found.uuid, id.size());
    return id;
  }
  /// As other libraries take a stream.
  void* native(const order& in) const { return in.native; }
  /// The current one, until the scope of what is returned ends.
  detail::current_device made_current() const { return detail::current_device(device_); }
  /// Which graph the stream is recorded into; 0: none.
  std::uint64_t recorded_into(const order& in) const {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    unsigned long long graph = 0;
    detail::check_device(::cudaStreamGetCaptureInfo(in.native, &status, &graph, nullptr, nullptr, nullptr, nullptr), "asking a stream whether it is recorded");
    if (status == cudaStreamCaptureStatusInvalidated)
      throw error(errc::invalid_argument, "the stream is recorded into a graph that is none any more: what a graph cannot hold was given to it");
    return status == cudaStreamCaptureStatusActive ? graph : 0;
  }

  void need_order(const char* who, const order& in) const { detail::need_stream(who, in, device_); }
  void need_memory(const char* who, const void* data, std::size_t bytes) const { detail::need_device_memory(who, data, bytes, device_); }

  /// How another rank of this host reaches an arena and its events.
  struct card {
    int process = 0, device = 0;
    std::byte* base = nullptr;
    cudaEvent_t events[4] = {};
    bool named = false;  ///< other processes can open it
    cudaIpcMemHandle_t memory{};
    cudaIpcEventHandle_t event_names[2] = {};
    char why_not[96] = {};
  };
  /// `events`: two that others wait for, and two that they do within a graph, which
  /// those of other processes cannot.
  card card_of(std::byte* base, const event (&events)[4]) const {
    card c{.process = static_cast<int>(::getpid()), .device = device_, .base = base};
    for (int i = 0; i < 4; ++i) c.events[i] = events[i].native();
    try {
      detail::check_device(::cudaIpcGetMemHandle(&c.memory, base), "naming memory for other processes");
      for (int i = 0; i < 2; ++i) c.event_names[i] = events[i].shared_name();
      c.named = true;
    } catch (const error& e) {
      std::strncpy(c.why_not, e.what(), sizeof c.why_not - 1);
    }
    return c;
  }

  bool same_process(const card& c) const { return c.process == static_cast<int>(::getpid()); }

  bool same_device(const card& c) const { return c.device == device_; }

  class peer {
   public:
    peer() = default;
    peer(peer&& other) noexcept { *this = std::move(other); }
    peer& operator=(peer&& other) noexcept {
      std::swap(base_, other.base_);
      std::swap(opened_, other.opened_);
      std::swap(mapped_, other.mapped_);
      std::swap(events_, other.events_);
      std::swap(device_, other.device_);
      return *this;
    }
    ~peer() {
      if (!mapped_) return;
      try {
        const detail::current_device here(device_);
        ::cudaIpcCloseMemHandle(base_);
      } catch (const error&) {
        // The device has gone.
      }
    }
    std::byte* base() const { return base_; }

   private:
    friend class basic_gpu;
    std::byte* base_ = nullptr;
    bool mapped_ = false;
    int device_ = 0;
    event opened_[2] = {};
    cudaEvent_t events_[4] = {};
  };

  /// Throws where this device cannot read the other's memory.
  peer reach(const card& c) const {
    const detail::current_device here(device_);
    peer p;
    if (same_process(c)) {
      if (c.device != device_) {
        int can = 0;
        detail::check_device(::cudaDeviceCanAccessPeer(&can, device_, c.device), "asking whether devices reach each other");
        if (!can) throw error(errc::device, format("device %d cannot read the memory of device %d", device_, c.device));
        const cudaError_t answer = ::cudaDeviceEnablePeerAccess(c.device, 0);
        if (answer == cudaErrorPeerAccessAlreadyEnabled) ::cudaGetLastError();
        else detail::check_device(answer, "reaching another device");
      }
      p.base_ = c.base;
      for (int i = 0; i < 4; ++i) p.events_[i] = c.events[i];
      return p;
    }
    if (!c.named) throw error(errc::device, c.why_not);
    void* base = nullptr;
    detail::check_device(::cudaIpcOpenMemHandle(&base, c.memory, cudaIpcMemLazyEnablePeerAccess), "opening memory of another process");
    p.base_ = static_cast<std::byte*>(base);
    p.mapped_ = true;
    p.device_ = device_;
    for (int i = 0; i < 2; ++i) {
      p.opened_[i] = event(device_, c.event_names[i]);
      p.events_[i] = p.opened_[i].native();
    }
    return p;
  }
  /// The stream waits for what the peer's event stands for now.
  void wait_for_peer(const order& in, const peer& p, std::size_t which) const { detail::wait_for(in, p.events_[which]); }

 private:
  int device_;
  int multiprocessors_ = 1;
};

using gpu = basic_gpu<TUTTI_ON_CUDA != 0>;

}  // namespace tutti
