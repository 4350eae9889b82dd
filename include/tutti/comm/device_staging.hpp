#pragma once
#include <algorithm>
#include <array>
#include <cstddef>

#include <tutti/comm/collectives.hpp>
#include <tutti/comm/device_call.hpp>
#include <tutti/comm/device_wait.hpp>
#include <tutti/device/buffer.hpp>

namespace tutti::detail {

template <class T, class Op>
void call_on_host(communicator& c, const device_call<T, Op>& call, T* in, T* out, std::size_t count) {
  const span<const T> from(in, call.input_blocks * count);
  const span<T> into(out, call.output_blocks * count);
  const call_options how{.algorithm = call.algorithm};
  // A functor for anything that is folded; the others' calls have none.
  if constexpr (!std::is_same_v<Op, no_operation>) {
    switch (call.what) {
      case collective::all_reduce: return all_reduce(c, from, into, call.op, how);
      case collective::reduce_scatter: return reduce_scatter(c, from, into, call.op, how);
      case collective::reduce: return reduce(c, from, into, call.op, call.root, how);
      case collective::scan: return scan(c, from, into, call.op, how);
      // Rank 0 gets nothing, and gives its input for a place.
      case collective::exclusive_scan: return exclusive_scan(c, from, into.empty() ? span<T>(in, count) : into, call.op, how);
      default: return;
    }
  } else {
    switch (call.what) {
      case collective::all_gather: return all_gather(c, from, into, how);
      case collective::broadcast: return broadcast(c, from.empty() ? into : span<T>(in, count), call.root, how);
      case collective::gather: return gather(c, from, into, call.root, how);
      case collective::scatter: return scatter(c, from, into, call.root, how);
      case collective::all_to_all: return all_to_all(c, from, into, how);
      default: return;
    }
  }
}

/// Collectives by way of the host: piece by piece, a vector comes into pinned
/// memory, goes through the communicator's own collective, and back, while the
/// piece after it is on its way already. Between any ranks.
template <class Device>
class device_staging {
 public:
  using order = typename Device::order;

  device_staging(const Device& device, std::size_t piece_bytes) : device_(device), piece_bytes_(piece_bytes) {
    for (slot& s : slots_) s.fetched = device_.make_event(), s.stored = device_.make_event();
  }

  /// Takes the memory that the call needs.
  template <class T, class Op>
  void prepare(communicator& c, const device_call<T, Op>& call) {
    const std::size_t blocks = std::max<std::size_t>({1, call.input_blocks, call.output_blocks, static_cast<std::size_t>(c.size())});
    const std::size_t bytes = std::min(piece_of(c, call), call.count) * blocks * sizeof(T);
    for (slot& s : slots_)
      if (s.in.size() < bytes) {
        finish_watched(device_, c, s.stored);
        s.out = buffer<std::byte, typename Device::staging>(bytes);
        s.in = buffer<std::byte, typename Device::staging>(bytes);
      }
  }

  /// Waits for what went through it.
  void finish(communicator& c) const {
    for (const slot& s : slots_) finish_watched(device_, c, s.stored);
  }

  /// Returns once the last piece's way back was given to the stream: the host
  /// waits for what the stream was given before, and for the other ranks.
  template <class T, class Op>
  void run(communicator& c, const device_call<T, Op>& call, const order& in_order) {
    const std::size_t piece = piece_of(c, call);
    fetch(call, 0, piece, in_order);
    for (std::size_t begin = 0, k = 0; begin < call.count || begin == 0; begin += piece, ++k) {
      if (begin + piece < call.count) fetch(call, begin + piece, piece, in_order);
      slot& s = slots_[k % 2];
      const std::size_t n = std::min(piece, call.count - begin);
      finish_watched(device_, c, s.fetched);
      finish_watched(device_, c, s.stored);
      T* const out = reinterpret_cast<T*>(s.out.data());
      call_on_host(c, call, reinterpret_cast<T*>(s.in.data()), out, n);
      const bool has_it = call.what == collective::broadcast && call.input_blocks > 0;
      for (std::size_t b = 0; b < call.output_blocks && !has_it; ++b)
        device_.copy(call.output + b * call.count + begin, out + b * n, n * sizeof(T), in_order);
      device_.record(s.stored, in_order);
    }
  }

 private:
  struct slot {
    buffer<std::byte, typename Device::staging> in, out;
    typename Device::event fetched, stored;
  };

  // Elements of a block: the same on all ranks, though blocks are not.
  template <class T, class Op>
  std::size_t piece_of(const communicator& c, const device_call<T, Op>&) const {
    return std::max<std::size_t>(1, piece_bytes_ / (static_cast<std::size_t>(c.size()) * sizeof(T)));
  }

  template <class T, class Op>
  void fetch(const device_call<T, Op>& call, std::size_t begin, std::size_t piece, const order& in_order) {
    slot& s = slots_[begin / piece % 2];
    const std::size_t n = std::min(piece, call.count - begin);
    for (std::size_t b = 0; b < call.input_blocks; ++b)
      device_.copy(s.in.data() + b * n * sizeof(T), call.input + b * call.count + begin, n * sizeof(T), in_order);
    device_.record(s.fetched, in_order);
  }

  Device device_;
  std::size_t piece_bytes_;
  std::array<slot, 2> slots_{};
};

}  // namespace tutti::detail
