#pragma once
#include <algorithm>
#include <cstddef>
#include <numeric>
#include <type_traits>

#include <tutti/comm/device_blocks.hpp>
#include <tutti/comm/device_collectives.hpp>
#include <tutti/comm/uneven.hpp>
#include <tutti/device/fold_together.hpp>

namespace tutti {

// The forms of comm/uneven.hpp, whose blocks differ in length, on memory of devices: the
// same arguments and results, and for the rest as comm/device_collectives.hpp says. Blocks
// travel as long as they are, from each rank straight to those that get them, or by the
// host's collective of the name where data goes through the host; only there is an algorithm
// that the options name what is done. Counts that ranks do not agree on are a `mismatch` on
// all of them before data moves. What each call costs besides: one all-gather among the
// hosts, 16 bytes for each pair of ranks; reduce_scatter_v takes as much memory of the device
// as `window_bytes`, once, where not all goes through the host, and an all_to_all_v in place
// as much as its input. They cannot be recorded into a graph.

namespace detail {

template <class T, class Op>
block_moves moves_of(const communicator& c, const uneven_call<T, Op>& call, const block_lengths& elements) {
  block_moves moves{.bytes = block_lengths(c.size()), .one_for_all = call.what == collective::all_gather,
                    .from = reinterpret_cast<const std::byte*>(call.input), .into = reinterpret_cast<std::byte*>(call.output)};
  std::size_t from = 0, into = 0;
  for (int r = 0; r < c.size(); ++r) {
    for (int s = 0; s < c.size(); ++s) moves.bytes.of(r, s) = elements.of(r, s) * sizeof(T);
    moves.from_at.push_back(from), moves.into_at.push_back(into);
    if (call.sent.size() > 1) from += elements.of(c.rank(), r) * sizeof(T);
    if (call.got.size() > 1) into += elements.of(r, c.rank()) * sizeof(T);
  }
  return moves;
}

/// Others' parts of this rank's block come to lie beside each other, as much at once as the
/// scratch holds, and are folded in the order of ranks.
template <class T, class Op, class Device>
void fold_blocks(device_communicator<Device>& c, device_way way, const uneven_call<T, Op>& call, const block_lengths& elements, const order_of<Device>& order) {
  using fold = fold_together<T, Op>;
  const int ranks = c.size(), me = c.rank();
  device_scratch<Device>& scratch = c.scratch();
  const std::size_t grain = fold::packed, fit = scratch.bytes() / (static_cast<std::size_t>(ranks) * sizeof(T)) / grain * grain,
                    piece = std::max<std::size_t>(1, std::min(elements.longest(), fit));
  const block_moves whole = moves_of(c.host_side(), call, elements);
  // Of several kernels the first writes where this rank's own block may be.
  const bool several = ranks > most_arenas;
  for (std::size_t begin = 0; begin < elements.longest(); begin += piece) {
    block_moves moves = whole;
    T* into = nullptr;
    for_all_ranks(c.host_side(), [&] { into = reinterpret_cast<T*>(scratch.begin(order)); });
    moves.into = reinterpret_cast<std::byte*>(into);
    for (int r = 0; r < ranks; ++r) {
      const auto at = static_cast<std::size_t>(r);
      for (int s = 0; s < ranks; ++s) moves.bytes.of(r, s) = r == s && !several ? 0 : whole.piece(r, s, begin * sizeof(T), piece * sizeof(T));
      moves.from_at[at] += begin * sizeof(T), moves.into_at[at] = at * piece * sizeof(T);
    }
    c.exchange(way, moves, order, [&] {
      const std::size_t own = whole.piece(me, me, begin * sizeof(T), piece * sizeof(T)) / sizeof(T);
      const auto operand = [&](int r) { return r == me && !several ? reinterpret_cast<const T*>(moves.source(me)) : into + static_cast<std::size_t>(r) * piece; };
      // A kernel takes so many operands, and then what it has made of them with those after.
      for (int first = 0; own > 0 && first < ranks;) {
        fold body{.outputs = 1, .elements = own, .op = call.op};
        body.out[0] = call.output + begin;
        if (first > 0) body.in[body.ranks++] = body.out[0];
        while (body.ranks < most_arenas && first < ranks) body.in[body.ranks++] = operand(first++);
        c.launch(body, own / fold::packed + 1, order);
      }
      scratch.end(order);
    });
  }
}

/// Checks the sizes by `check`, and runs it.
template <class T, class Op, class Device, class Check>
void uneven_on_device(device_communicator<Device>& c, uneven_call<T, Op> call, const order_of<Device>& order, Check check) {
  check_device_call<T, Op>(c);
  communicator& host = c.host_side();
  const auto total = [](counts_view counts) { return std::accumulate(counts.begin(), counts.end(), std::size_t{0}); };
  const std::size_t bytes_in = total(call.sent) * sizeof(T);
  // Its output would lie where its input has not been read yet.
  const bool in_place = call.what == collective::all_to_all && call.input == call.output && !call.sent.empty();
  const auto mine = refused_by([&] {
    check(host);
    with_algorithm(host, device_call<T, Op>{.what = call.what, .algorithm = call.options.algorithm});
    c.prepare(call, bytes_in, total(call.got) * sizeof(T), order);
    // One element of each block at least, though windows hold none.
    const bool folds = reduces(call.what) && !c.stages_all();
    c.scratch().prepare(host, folds ? std::max(c.scratch().bytes(), static_cast<std::size_t>(c.size()) * sizeof(T)) : 0, in_place ? bytes_in : 0);
  });
  const block_lengths elements = uneven_agreement::of(host, call, mine);
  if (elements.longest() == 0) return;
  if (in_place) for_all_ranks(host, [&] {
    c.scratch().begin(order);
    call.input = static_cast<const T*>(c.scratch().keep(call.input, bytes_in, order));
  });
  const device_way way = c.way_of(call, elements.longest());
  if (way == device_way::staging) c.stage(call, elements.longest(), order);
  else if constexpr (std::is_same_v<Op, no_operation>) c.exchange(way, moves_of(host, call, elements), order, [] {});
  else fold_blocks(c, way, call, elements, order);
  if (in_place) for_all_ranks(host, [&] { c.scratch().end(order); });
}

// Where a device's memory lies, for checks that look at no element.
template <class T, memory_space Space>
span<T> seen_as_host(span<T, Space> s) {
  return {s.data(), s.size()};
}

}  // namespace detail

/// As of host memory: `in` (counts[me]), `out` (the sum of the counts), of which `in` may be
/// this rank's block.
template <class Device, class In, class Out>
void all_gather_v(device_communicator<Device>& c, const In& in, Out&& out, span<const std::size_t> counts, const detail::order_of<Device>& order,
                  call_options options = {}) {
  using T = detail::value_of<Out>;
  const auto from = detail::input_on<T>(c, in);
  const auto into = detail::output_on<T>(c, out);
  const std::size_t mine = from.size();
  detail::uneven_on_device(c, detail::uneven_call<T, no_operation>{.what = collective::all_gather, .name = "all_gather_v", .input = from.data(), .output = into.data(),
                                                                    .sent = {&mine, 1}, .got = counts, .options = options},
                           order, [&](communicator& host) { detail::need_gathered(host, "all_gather_v", detail::seen_as_host(from), detail::seen_as_host(into), counts); });
}

/// As of host memory: `in` (the sum of the counts), `out` (counts[me]), which may be this
/// rank's block of `in`.
template <class Device, class In, class Out, class Op>
void reduce_scatter_v(device_communicator<Device>& c, const In& in, Out&& out, span<const std::size_t> counts, const Op& op, const detail::order_of<Device>& order,
                      call_options options = {}) {
  using T = detail::value_of<Out>;
  const auto from = detail::input_on<T>(c, in);
  const auto into = detail::output_on<T>(c, out);
  const std::size_t mine = into.size();
  detail::uneven_on_device(c, detail::uneven_call<T, Op>{.what = collective::reduce_scatter, .name = "reduce_scatter_v", .input = from.data(), .output = into.data(),
                                                          .sent = counts, .got = {&mine, 1}, .op = op, .options = options},
                           order, [&](communicator& host) { detail::need_scattered(host, "reduce_scatter_v", detail::seen_as_host(from), detail::seen_as_host(into), counts); });
}

/// As of host memory: `in` (this rank's count); at the root `out` (the sum of the counts), of
/// which `in` may be the root's block. Only the root's counts are looked at.
template <class Device, class In, class Out>
void gather_v(device_communicator<Device>& c, const In& in, Out&& out, span<const std::size_t> counts, int root, const detail::order_of<Device>& order,
              call_options options = {}) {
  using T = detail::value_of<Out>;
  const auto from = detail::input_on<T>(c, in);
  const auto into = detail::output_on<T>(c, out);
  const std::size_t mine = from.size();
  const bool gets = c.rank() == root;
  detail::uneven_on_device(c, detail::uneven_call<T, no_operation>{.what = collective::gather, .name = "gather_v", .root = root, .input = from.data(),
                                                                    .output = gets ? into.data() : nullptr, .sent = {&mine, 1},
                                                                    .got = gets ? counts : detail::counts_view{}, .options = options},
                           order, [&](communicator& host) {
                             detail::need_root(host, "gather_v", root);
                             if (gets) detail::need_gathered(host, "gather_v", detail::seen_as_host(from), detail::seen_as_host(into), counts);
                           });
}

/// As of host memory: at the root `in` (the sum of the counts); `out` (this rank's count),
/// which may be the root's block of `in`. Only the root's counts are looked at.
template <class Device, class In, class Out>
void scatter_v(device_communicator<Device>& c, const In& in, Out&& out, span<const std::size_t> counts, int root, const detail::order_of<Device>& order,
               call_options options = {}) {
  using T = detail::value_of<Out>;
  const auto from = detail::input_on<T>(c, in);
  const auto into = detail::output_on<T>(c, out);
  const std::size_t mine = into.size();
  const bool sends = c.rank() == root;
  detail::uneven_on_device(c, detail::uneven_call<T, no_operation>{.what = collective::scatter, .name = "scatter_v", .root = root, .input = sends ? from.data() : nullptr,
                                                                    .output = into.data(), .sent = sends ? counts : detail::counts_view{}, .got = {&mine, 1},
                                                                    .options = options},
                           order, [&](communicator& host) {
                             detail::need_root(host, "scatter_v", root);
                             if (sends) detail::need_scattered(host, "scatter_v", detail::seen_as_host(from), detail::seen_as_host(into), counts);
                           });
}

/// As of host memory: `in` (the sum of `counts`), `out` (the sum of `received`), which may
/// begin at one address.
template <class Device, class In, class Out>
void all_to_all_v(device_communicator<Device>& c, const In& in, span<const std::size_t> counts, Out&& out, span<const std::size_t> received,
                  const detail::order_of<Device>& order, call_options options = {}) {
  using T = detail::value_of<Out>;
  const auto from = detail::input_on<T>(c, in);
  const auto into = detail::output_on<T>(c, out);
  detail::uneven_on_device(c, detail::uneven_call<T, no_operation>{.what = collective::all_to_all, .name = "all_to_all_v", .input = from.data(), .output = into.data(),
                                                                    .sent = counts, .got = received, .options = options},
                           order, [&](communicator& host) { detail::need_exchange(host, detail::seen_as_host(from), counts, detail::seen_as_host(into), received); });
}

}  // namespace tutti
