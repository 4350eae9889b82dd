#pragma once
#include <cstddef>

#include <tutti/comm/device_communicator.hpp>

namespace tutti {

// The collectives of comm/collectives.hpp, exchanges.hpp and scans.hpp on memory
// of devices (those with a count for each rank are in comm/device_uneven.hpp): the same arguments and results, in the order of a stream. What the
// stream was given before a call is done before it, what it is given after the
// call comes after it; neither the device nor the stream is waited for as a whole.
// The call returns when the stream has its work. Until then the host waits for
// the other ranks to call as well, and, where data goes by messages or through the
// host, for the data. The operation is called on the device: a functor whose call is
// constexpr or for both sides. A sum of short floats is rounded once for each time that
// it is stored on the way; with `prefer_nccl`, as NCCL does.
//
// All throw `error`, on every rank and in the same words: `invalid_argument` for
// memory or a stream that is not the device's, before anything moves; `mismatch`
// where ranks call different things; `device` where there is not enough memory; and
// what the host's collectives throw. What the runtime refuses later ends the session.

namespace detail {

template <class Device>
using order_of = typename device_communicator<Device>::order;

template <class T, class Device, class Range>
span<const T, typename Device::space> input_on(const device_communicator<Device>&, const Range& range) {
  const span<const T, typename Device::space> s(range);
  return s;
}
template <class T, class Device, class Range>
span<T, typename Device::space> output_on(const device_communicator<Device>&, Range& range) {
  return span<T, typename Device::space>(range);
}

template <class T, class Op, class Device>
void check_device_call(const device_communicator<Device>&) {
  check_element<T>();
  static_assert(!is_converting<Op> && !std::is_same_v<Op, average>,
                "tutti: on a device, convert before the call and scale after it (see device/thrust.hpp); short floats are "
                "added up in float anyway");
  if constexpr (!std::is_same_v<Op, no_operation>) check_operation<T, Op>();
}

/// Checks the sizes and runs it. `count` of a block.
template <class T, class Op, class Device>
void call_on_device(device_communicator<Device>& c, collective what, span<const T, typename Device::space> in, span<T, typename Device::space> out,
                    std::size_t count, int root, const Op& op, const order_of<Device>& order, const call_options& options) {
  check_device_call<T, Op>(c);
  const std::size_t from = blocks_brought(what, c.rank(), c.size(), root), into = blocks_got(what, c.rank(), c.size(), root);
  const device_call<T, Op> call{.what = what, .root = rooted(what) ? root : -1, .input = from > 0 ? in.data() : nullptr,
                                .output = into > 0 ? out.data() : nullptr, .count = count, .op = op, .algorithm = options.algorithm,
                                .input_blocks = from, .output_blocks = into};
  c.run(call, order, [&] {
    communicator& host = c.host_side();
    const auto ranks = static_cast<std::size_t>(c.size());
    if (rooted(what)) need_root(host, what, root);
    if (what == collective::all_to_all) need(in.size() % ranks == 0, host, what, "there must be as many elements for each rank", in.size(), ranks);
    need(count <= static_cast<std::size_t>(-1) / sizeof(T) / ranks, host, what, "no memory holds so many elements for so many ranks", count, ranks);
    need(from == 0 || in.size() == from * count, host, what, "the input holds another number of elements than the call needs", in.size(), from * count);
    need(into == 0 || out.size() == into * count, host, what, "the output holds another number of elements than the call needs", out.size(), into * count);
    // In place, one of the two is this rank's block of the other.
    const T* allowed = in.data();
    const auto me = static_cast<std::size_t>(c.rank());
    if (into < from && into > 0) allowed = in.data() + me * count;
    if (from < into && from > 0) allowed = in.data() == out.data() + me * count ? out.data() : nullptr;
    if (from > 0 && into > 0) need_apart(host, what, in, out, allowed);
  });
}

}  // namespace detail

/// As `all_reduce` of host memory: `in` and `out` (n), which may be the same.
template <class Device, class In, class Out, class Op>
void all_reduce(device_communicator<Device>& c, const In& in, Out&& out, const Op& op, const detail::order_of<Device>& order, call_options options = {}) {
  using T = detail::value_of<Out>;
  detail::call_on_device<T>(c, collective::all_reduce, detail::input_on<T>(c, in), detail::output_on<T>(c, out), out.size(), -1, op, order, options);
}

/// In place: `inout` (n) is both.
template <class Device, class InOut, class Op>
  requires(!requires(Op& op) { op.data(); })
void all_reduce(device_communicator<Device>& c, InOut&& inout, const Op& op, const detail::order_of<Device>& order, call_options options = {}) {
  all_reduce(c, inout, inout, op, order, options);
}

/// As of host memory: `in` (p·n), `out` (n), which may be this rank's block of `in`.
template <class Device, class In, class Out, class Op>
void reduce_scatter(device_communicator<Device>& c, const In& in, Out&& out, const Op& op, const detail::order_of<Device>& order,
                    call_options options = {}) {
  using T = detail::value_of<Out>;
  detail::call_on_device<T>(c, collective::reduce_scatter, detail::input_on<T>(c, in), detail::output_on<T>(c, out), out.size(), -1, op, order, options);
}

/// As of host memory: `in` (n), which may be this rank's block of `out` (p·n).
template <class Device, class In, class Out>
void all_gather(device_communicator<Device>& c, const In& in, Out&& out, const detail::order_of<Device>& order, call_options options = {}) {
  using T = detail::value_of<Out>;
  detail::call_on_device<T>(c, collective::all_gather, detail::input_on<T>(c, in), detail::output_on<T>(c, out), in.size(), -1, no_operation{}, order, options);
}

/// As of host memory: `inout` (n).
template <class Device, class InOut>
void broadcast(device_communicator<Device>& c, InOut&& inout, int root, const detail::order_of<Device>& order, call_options options = {}) {
  using T = detail::value_of<InOut>;
  detail::call_on_device<T>(c, collective::broadcast, detail::input_on<T>(c, inout), detail::output_on<T>(c, inout), inout.size(), root, no_operation{},
                            order, options);
}

/// As of host memory: `in` (n); `out` (n) at the root.
template <class Device, class In, class Out, class Op>
void reduce(device_communicator<Device>& c, const In& in, Out&& out, const Op& op, int root, const detail::order_of<Device>& order,
            call_options options = {}) {
  using T = detail::value_of<Out>;
  detail::call_on_device<T>(c, collective::reduce, detail::input_on<T>(c, in), detail::output_on<T>(c, out), in.size(), root, op, order, options);
}

/// As of host memory: `in` (n); `out` (p·n) at the root.
template <class Device, class In, class Out>
void gather(device_communicator<Device>& c, const In& in, Out&& out, int root, const detail::order_of<Device>& order, call_options options = {}) {
  using T = detail::value_of<Out>;
  detail::call_on_device<T>(c, collective::gather, detail::input_on<T>(c, in), detail::output_on<T>(c, out), in.size(), root, no_operation{}, order, options);
}

/// As of host memory: `in` (p·n) at the root; `out` (n).
template <class Device, class In, class Out>
void scatter(device_communicator<Device>& c, const In& in, Out&& out, int root, const detail::order_of<Device>& order, call_options options = {}) {
  using T = detail::value_of<Out>;
  detail::call_on_device<T>(c, collective::scatter, detail::input_on<T>(c, in), detail::output_on<T>(c, out), out.size(), root, no_operation{}, order, options);
}

/// As of host memory: `in` and `out` (p·n), which may be the same.
template <class Device, class In, class Out>
void all_to_all(device_communicator<Device>& c, const In& in, Out&& out, const detail::order_of<Device>& order, call_options options = {}) {
  using T = detail::value_of<Out>;
  const auto ranks = static_cast<std::size_t>(c.size());
  detail::call_on_device<T>(c, collective::all_to_all, detail::input_on<T>(c, in), detail::output_on<T>(c, out), in.size() / ranks, -1, no_operation{},
                            order, options);
}

/// As of host memory: `in` and `out` (n), which may be the same.
template <class Device, class In, class Out, class Op>
void scan(device_communicator<Device>& c, const In& in, Out&& out, const Op& op, const detail::order_of<Device>& order, call_options options = {}) {
  using T = detail::value_of<Out>;
  detail::call_on_device<T>(c, collective::scan, detail::input_on<T>(c, in), detail::output_on<T>(c, out), in.size(), -1, op, order, options);
}

/// As of host memory: rank 0's `out` stays as it was.
template <class Device, class In, class Out, class Op>
void exclusive_scan(device_communicator<Device>& c, const In& in, Out&& out, const Op& op, const detail::order_of<Device>& order,
                    call_options options = {}) {
  using T = detail::value_of<Out>;
  detail::call_on_device<T>(c, collective::exclusive_scan, detail::input_on<T>(c, in), detail::output_on<T>(c, out), in.size(), -1, op, order, options);
}

}  // namespace tutti
