#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <numeric>
#include <type_traits>
#include <vector>

#include <tutti/comm/collectives.hpp>
#include <tutti/comm/device_blocks.hpp>
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

/// A form with counts, which are of what lies in `in` and `out` packed.
template <class T, class Op>
void call_on_host(communicator& c, const uneven_call<T, Op>& call, span<T> in, const std::vector<std::size_t>& sent, span<T> out, const std::vector<std::size_t>& got) {
  const span<const T> from = in;
  const call_options how{.algorithm = call.options.algorithm};
  if constexpr (!std::is_same_v<Op, no_operation>) {
    if (call.what == collective::reduce_scatter) reduce_scatter_v(c, from, out, sent, call.op, how);
  } else {
    switch (call.what) {
      case collective::all_gather: return all_gather_v(c, from, out, got, how);
      case collective::gather: return gather_v(c, from, out, got, call.root, how);
      case collective::scatter: return scatter_v(c, from, out, sent, call.root, how);
      case collective::all_to_all: return all_to_all_v(c, from, sent, out, got, how);
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
  device_staging(const device_staging&) = delete;
  device_staging& operator=(const device_staging&) = delete;
  // Streams may have copies from and to pinned memory before them yet.
  ~device_staging() {
    for (const slot& s : slots_)
      for (const auto* done : {&s.fetched, &s.stored}) refused_by([&] { device_.finish(*done); });
  }

  /// Takes the memory that the call needs.
  template <class T, class Op>
  void prepare(communicator& c, const device_call<T, Op>& call) {
    const std::size_t blocks = std::max<std::size_t>({1, call.input_blocks, call.output_blocks, static_cast<std::size_t>(c.size())});
    hold(c, std::min(piece_of<T>(c), call.count) * blocks * sizeof(T));
  }
  template <class T, class Op>
  void prepare(communicator& c, const uneven_call<T, Op>& call) {
    hold(c, std::max(total(part_of(call.sent, 0, piece_of<T>(c))), total(part_of(call.got, 0, piece_of<T>(c)))) * sizeof(T));
  }

  /// Waits for what went through it.
  void finish(communicator& c) const {
    for (const slot& s : slots_) finish_watched(device_, c, s.stored);
  }

  /// Returns once the last piece's way back was given to the stream: the host
  /// waits for what the stream was given before, and for the other ranks.
  template <class T, class Op>
  void run(communicator& c, const device_call<T, Op>& call, const order& in_order) {
    const std::size_t piece = piece_of<T>(c);
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

  /// As it is, of a form with counts of which `longest` is the largest of all ranks'.
  template <class T, class Op>
  void run(communicator& c, const uneven_call<T, Op>& call, std::size_t longest, const order& in_order) {
    const std::size_t piece = piece_of<T>(c);
    fetch(call, 0, piece, in_order);
    for (std::size_t begin = 0, k = 0; begin < longest; begin += piece, ++k) {
      if (begin + piece < longest) fetch(call, begin + piece, piece, in_order);
      slot& s = slots_[k % 2];
      const std::vector<std::size_t> sent = part_of(call.sent, begin, piece), got = part_of(call.got, begin, piece);
      finish_watched(device_, c, s.fetched);
      finish_watched(device_, c, s.stored);
      T* const out = reinterpret_cast<T*>(s.out.data());
      call_on_host(c, call, span<T>(reinterpret_cast<T*>(s.in.data()), total(sent)), sent, span<T>(out, total(got)), got);
      std::size_t there = 0, packed = 0;
      for (std::size_t b = 0; b < got.size(); there += call.got[b], packed += got[b++])
        if (got[b] > 0) device_.copy(call.output + there + begin, out + packed, got[b] * sizeof(T), in_order);
      device_.record(s.stored, in_order);
    }
  }

 private:
  struct slot {
    buffer<std::byte, typename Device::staging> in, out;
    typename Device::event fetched, stored;
  };

  // Elements of a block: the same on all ranks, though blocks are not.
  template <class T>
  std::size_t piece_of(const communicator& c) const {
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

  // Of every block.
  static std::vector<std::size_t> part_of(counts_view counts, std::size_t begin, std::size_t most) {
    std::vector<std::size_t> part;
    for (std::size_t count : counts) part.push_back(count > begin ? std::min(most, count - begin) : 0);
    return part;
  }
  static std::size_t total(const std::vector<std::size_t>& counts) { return std::accumulate(counts.begin(), counts.end(), std::size_t{0}); }

  template <class T, class Op>
  void fetch(const uneven_call<T, Op>& call, std::size_t begin, std::size_t piece, const order& in_order) {
    slot& s = slots_[begin / piece % 2];
    const std::vector<std::size_t> sent = part_of(call.sent, begin, piece);
    std::size_t there = 0, packed = 0;
    for (std::size_t b = 0; b < sent.size(); there += call.sent[b], packed += sent[b++])
      if (sent[b] > 0) device_.copy(reinterpret_cast<T*>(s.in.data()) + packed, call.input + there + begin, sent[b] * sizeof(T), in_order);
    device_.record(s.fetched, in_order);
  }

  void hold(communicator& c, std::size_t bytes) {
    for (slot& s : slots_)
      if (s.in.size() < bytes) {
        finish_watched(device_, c, s.stored);
        s.out = buffer<std::byte, typename Device::staging>(bytes);
        s.in = buffer<std::byte, typename Device::staging>(bytes);
      }
  }

  Device device_;
  std::size_t piece_bytes_;
  std::array<slot, 2> slots_{};
};

}  // namespace tutti::detail
