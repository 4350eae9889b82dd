#pragma once
#include <tutti/comm/call_checks.hpp>
#include <tutti/comm/request.hpp>

// Prefixes of a reduction, by rank. For what holds of every call, see
// comm/collectives.hpp.

namespace tutti {

namespace detail {

template <bool Keep, class T, class Op>
operation& start_scan(communicator& c, collective what, span<const T> in, span<T> out, const Op& op, const call_options& options) {
  check_operation<T, Op>();
  need(in.size() == out.size(), c, what, "input and output must hold as many elements", in.size(), out.size());
  need_memory(c, what, in);
  need_memory(c, what, out);
  need_apart(c, what, in, out, in.data());
  static_assert(!travel<T, Op>::averages,
                "tutti: every rank of a scan has the sum of another number of ranks; scan by plus, and divide after it");
  if (what == collective::exclusive_scan && c.rank() == 0) out = {out.data(), 0};
  return issue_reduction<Keep>(c, shape_of<T, Op>(what, in.size(), -1, options), in, out, 0, op);
}

}  // namespace detail

/// Combines, element by element, what the ranks up to this one hold:
/// out[i] = in_0[i] ∘ … ∘ in_r[i] on rank r. `in` and `out`: (n). Cost: n words a
/// rank in p−1 hops, or at most n log2 p in log2 p.
template <class In, class Out, class Op = plus>
  requires requires(Out& out) { out.data(); }
void scan(communicator& c, const In& in, Out&& out, const Op& op = {}, call_options options = {}) {
  using T = detail::output_value<Out>;
  c.wait(detail::start_scan<false, T>(c, collective::scan, detail::input_of<T>(in), span<T>(out), op, options));
}

/// In place: `inout` (n) is both.
template <class InOut, class Op = plus>
  requires(!requires(Op& op) { op.data(); })
void scan(communicator& c, InOut&& inout, const Op& op = {}, call_options options = {}) {
  scan(c, inout, inout, op, options);
}

/// `scan` under way: until the request is through, `in` must stay as it is and
/// `out` must not be looked at; of `op` a copy is kept. Errors after the start
/// are thrown by the request's `wait` and `test`.
template <class In, class Out, class Op = plus>
  requires requires(Out& out) { out.data(); }
request scan_async(communicator& c, const In& in, Out&& out, const Op& op = {}, call_options options = {}) {
  using T = detail::output_value<Out>;
  return {c, detail::start_scan<true, T>(c, collective::scan, detail::input_of<T>(in), span<T>(out), op, options)};
}

/// In place: until the request is through, `inout` (n) is the library's; else as above.
template <class InOut, class Op = plus>
  requires(!requires(Op& op) { op.data(); })
request scan_async(communicator& c, InOut&& inout, const Op& op = {}, call_options options = {}) {
  return scan_async(c, inout, inout, op, options);
}

/// Combines, element by element, what the ranks before this one hold:
/// out[i] = in_0[i] ∘ … ∘ in_{r−1}[i] on rank r. Before rank 0 there are none:
/// its `out` stays as it was. `in` and `out`: (n). Cost: n words a rank more
/// than `scan`.
template <class In, class Out, class Op = plus>
  requires requires(Out& out) { out.data(); }
void exclusive_scan(communicator& c, const In& in, Out&& out, const Op& op = {}, call_options options = {}) {
  using T = detail::output_value<Out>;
  c.wait(detail::start_scan<false, T>(c, collective::exclusive_scan, detail::input_of<T>(in), span<T>(out), op, options));
}

/// In place: `inout` (n) is both; on rank 0 it stays as it was.
template <class InOut, class Op = plus>
  requires(!requires(Op& op) { op.data(); })
void exclusive_scan(communicator& c, InOut&& inout, const Op& op = {}, call_options options = {}) {
  exclusive_scan(c, inout, inout, op, options);
}

/// `exclusive_scan` under way: until the request is through, `in` must stay as
/// it is and `out` must not be looked at; of `op` a copy is kept. Errors after
/// the start are thrown by the request's `wait` and `test`.
template <class In, class Out, class Op = plus>
  requires requires(Out& out) { out.data(); }
request exclusive_scan_async(communicator& c, const In& in, Out&& out, const Op& op = {}, call_options options = {}) {
  using T = detail::output_value<Out>;
  return {c, detail::start_scan<true, T>(c, collective::exclusive_scan, detail::input_of<T>(in), span<T>(out), op, options)};
}

/// In place: until the request is through, `inout` (n) is the library's; else as above.
template <class InOut, class Op = plus>
  requires(!requires(Op& op) { op.data(); })
request exclusive_scan_async(communicator& c, InOut&& inout, const Op& op = {}, call_options options = {}) {
  return exclusive_scan_async(c, inout, inout, op, options);
}

}  // namespace tutti
