#pragma once
#include <tutti/comm/call_checks.hpp>
#include <tutti/comm/exchanges.hpp>
#include <tutti/comm/request.hpp>
#include <tutti/comm/scans.hpp>
#include <tutti/comm/uneven.hpp>

namespace tutti {

// Every collective exists in two forms: `name(…)` returns once this rank's part
// is done, `name_async(…)` at once, with a request. All take spans, or anything
// that converts to one, of any trivially copyable type; counts may be zero, and
// less than the number of ranks.
//
// All throw `error`: `invalid_argument` before anything is sent, `mismatch`
// where ranks call different things, `rank_died`, `rank_stopped`,
// `rank_failed`, `deadline` or `link` where a peer cannot take part any more.
// After one of the last six the session is over. (A mismatch among `split`,
// `duplicate` and `subset`, which are none of these, leaves it as it was.)

namespace detail {

template <class Out>
void refuse_without_operation() {
  static_assert(!requires(Out& out) { out.data(); },
                "tutti: reduce has no default operation; name the operation before the root, as in "
                "reduce(world, in, out, tutti::plus{}, root)");
}

// `Keep`: whether the call returns before it is done, so that the operation must
// hold a copy of the functor.
template <bool Keep, class T, class Op>
operation& start_all_reduce(communicator& c, span<const T> in, span<T> out, const Op& op, const call_options& options) {
  check_operation<T, Op>();
  need(in.size() == out.size(), c, collective::all_reduce, "input and output must hold as many elements", in.size(), out.size());
  need_memory(c, collective::all_reduce, in);
  need_memory(c, collective::all_reduce, out);
  need_apart(c, collective::all_reduce, in, out, in.data());
  return issue_reduction<collective::all_reduce, Keep>(c, in.size(), -1, options, in, out, 0, op);
}

template <bool Keep, class T, class Op>
operation& start_reduce_scatter(communicator& c, span<const T> in, span<T> out, const Op& op, const call_options& options) {
  check_operation<T, Op>();
  need(holds_blocks(c, in.size(), out.size()), c, collective::reduce_scatter,
       "the input must hold as many elements as the outputs of all ranks together", in.size(), out.size());
  need_memory(c, collective::reduce_scatter, in);
  need_memory(c, collective::reduce_scatter, out);
  // In place, the output is this rank's block of the input.
  const std::size_t before = static_cast<std::size_t>(c.rank()) * out.size();
  need_apart(c, collective::reduce_scatter, in, out, in.data() + before);
  return issue_reduction<collective::reduce_scatter, Keep>(c, out.size(), -1, options, in, out, before, op);
}

template <bool Keep, class T>
operation& start_all_gather(communicator& c, span<const T> in, span<T> out, const call_options& options) {
  check_element<T>();
  need(holds_blocks(c, out.size(), in.size()), c, collective::all_gather,
       "the output must hold as many elements as the inputs of all ranks together", in.size(), out.size());
  need_memory(c, collective::all_gather, in);
  need_memory(c, collective::all_gather, out);
  // In place, the input is this rank's block of the output.
  const std::size_t before = static_cast<std::size_t>(c.rank()) * in.size();
  need_apart(c, collective::all_gather, in, out, out.data() + before == in.data() ? out.data() : nullptr);
  return issue_move<collective::all_gather, Keep>(c, in.size(), -1, options, in.data(), out.data());
}

template <bool Keep, class T>
operation& start_broadcast(communicator& c, span<T> inout, int root, const call_options& options) {
  check_element<T>();
  need_root(c, collective::broadcast, root);
  need_memory(c, collective::broadcast, inout);
  return issue_move<collective::broadcast, Keep, T>(c, inout.size(), root, options, inout.data(), inout.data());
}

template <bool Keep, class T, class Op>
operation& start_reduce(communicator& c, span<const T> in, span<T> out, const Op& op, int root, const call_options& options) {
  check_operation<T, Op>();
  need_root(c, collective::reduce, root);
  need_memory(c, collective::reduce, in);
  if (c.rank() == root) {
    need(in.size() == out.size(), c, collective::reduce, "the root's output must hold as many elements as its input",
         in.size(), out.size());
    need_memory(c, collective::reduce, out);
    need_apart(c, collective::reduce, in, out, in.data());
  }
  if (c.rank() != root) out = {out.data(), 0};
  return issue_reduction<collective::reduce, Keep>(c, in.size(), root, options, in, out, 0, op);
}

template <bool Keep>
operation& start_barrier(communicator& c, const call_options& options) {
  const call_key key{kind_with<collective::barrier, Keep>(options)};
  if (operation* const again = c.issue_again(key, nullptr, nullptr, nullptr)) return *again;
  return c.issue({.what = collective::barrier, .algorithm = options.algorithm}, {.waits = !Keep, .kind = key.kind});
}

}  // namespace detail

/// Combines what all ranks hold, element by element, and leaves the result with
/// all: out[i] = in_0[i] ∘ in_1[i] ∘ … on every rank. `in` and `out`: (n).
/// Cost, by ring: 2 (p−1)/p n words a rank; `communicator::plan_for` says which
/// algorithm a shape gets.
template <class In, class Out, class Op = plus>
  requires requires(Out& out) { out.data(); }
void all_reduce(communicator& c, const In& in, Out&& out, const Op& op = {}, call_options options = {}) {
  using T = detail::output_value<Out>;
  c.wait(detail::start_all_reduce<false, T>(c, detail::input_of<T>(in), span<T>(out), op, options));
}

/// In place: `inout` (n) is both.
template <class InOut, class Op = plus>
  requires(!requires(Op& op) { op.data(); })
void all_reduce(communicator& c, InOut&& inout, const Op& op = {}, call_options options = {}) {
  using T = detail::output_value<InOut>;
  c.wait(detail::start_all_reduce<false, T>(c, detail::input_of<T>(inout), span<T>(inout), op, options));
}

/// `all_reduce` under way. Until the request is through, `in` must stay as it
/// is and `out` must not be looked at, and both must stay where they are; of
/// `op` a copy is kept. What is wrong with the arguments is thrown here, what
/// goes wrong later by the request's `wait` and `test`.
template <class In, class Out, class Op = plus>
  requires requires(Out& out) { out.data(); }
request all_reduce_async(communicator& c, const In& in, Out&& out, const Op& op = {}, call_options options = {}) {
  using T = detail::output_value<Out>;
  return {c, detail::start_all_reduce<true, T>(c, detail::input_of<T>(in), span<T>(out), op, options)};
}

/// In place: until the request is through, `inout` (n) is the library's; else as above.
template <class InOut, class Op = plus>
  requires(!requires(Op& op) { op.data(); })
request all_reduce_async(communicator& c, InOut&& inout, const Op& op = {}, call_options options = {}) {
  return all_reduce_async(c, inout, inout, op, options);
}

/// Combines what all ranks hold and leaves block r of the result with rank r:
/// `in` (p·n), `out` (n). In place where `out` is this rank's block of `in`.
/// Cost, by ring: (p−1) n words a rank.
template <class In, class Out, class Op = plus>
void reduce_scatter(communicator& c, const In& in, Out&& out, const Op& op = {}, call_options options = {}) {
  using T = detail::output_value<Out>;
  c.wait(detail::start_reduce_scatter<false, T>(c, detail::input_of<T>(in), span<T>(out), op, options));
}

/// `reduce_scatter` under way: until the request is through, `in` must stay as
/// it is and `out` must not be looked at; of `op` a copy is kept. Errors after
/// the start are thrown by the request's `wait` and `test`.
template <class In, class Out, class Op = plus>
request reduce_scatter_async(communicator& c, const In& in, Out&& out, const Op& op = {}, call_options options = {}) {
  using T = detail::output_value<Out>;
  return {c, detail::start_reduce_scatter<true, T>(c, detail::input_of<T>(in), span<T>(out), op, options)};
}

/// Leaves every rank's block with all: `in` (n), `out` (p·n), block r being
/// rank r's. In place where `in` is this rank's block of `out`. Cost, by ring:
/// (p−1) n words a rank.
template <class In, class Out>
void all_gather(communicator& c, const In& in, Out&& out, call_options options = {}) {
  using T = detail::output_value<Out>;
  c.wait(detail::start_all_gather<false, T>(c, detail::input_of<T>(in), span<T>(out), options));
}

/// `all_gather` under way: until the request is through, `in` must stay as it is
/// and `out` must not be looked at. Errors after the start are thrown by the
/// request's `wait` and `test`.
template <class In, class Out>
request all_gather_async(communicator& c, const In& in, Out&& out, call_options options = {}) {
  using T = detail::output_value<Out>;
  return {c, detail::start_all_gather<true, T>(c, detail::input_of<T>(in), span<T>(out), options)};
}

/// Leaves the root's elements with all: `inout` (n).
template <class InOut>
void broadcast(communicator& c, InOut&& inout, int root, call_options options = {}) {
  c.wait(detail::start_broadcast<false, detail::output_value<InOut>>(c, span<detail::output_value<InOut>>(inout), root, options));
}

/// `broadcast` under way: until the request is through, `inout` must not be
/// changed at the root, nor looked at elsewhere. Errors after the start are
/// thrown by the request's `wait` and `test`.
template <class InOut>
request broadcast_async(communicator& c, InOut&& inout, int root, call_options options = {}) {
  return {c, detail::start_broadcast<true, detail::output_value<InOut>>(c, span<detail::output_value<InOut>>(inout), root, options)};
}

/// Combines what all ranks hold and leaves the result with the root: `in` (n);
/// `out` (n) at the root, not looked at elsewhere.
template <class In, class Out, class Op>
void reduce(communicator& c, const In& in, Out&& out, const Op& op, int root, call_options options = {}) {
  using T = detail::output_value<Out>;
  c.wait(detail::start_reduce<false, T>(c, detail::input_of<T>(in), span<T>(out), op, root, options));
}

/// In place: the root's elements become the result, the others' stay.
template <class InOut, class Op>
  requires(!requires(Op& op) { op.data(); })
void reduce(communicator& c, InOut&& inout, const Op& op, int root, call_options options = {}) {
  reduce(c, inout, inout, op, root, options);
}

/// An input, an output and a root, but no operation: refused by a sentence.
template <class In, class Out>
  requires requires(Out& out) { out.data(); }
void reduce(communicator&, const In&, Out&&, int, call_options = {}) {
  detail::refuse_without_operation<Out>();
}

/// One vector and a root, but no operation: likewise.
template <class InOut>
void reduce(communicator&, InOut&&, int, call_options = {}) {
  detail::refuse_without_operation<InOut>();
}

/// `reduce` under way: until the request is through, `in` must stay as it is and
/// the root's `out` must not be looked at; of `op` a copy is kept. Errors after
/// the start are thrown by the request's `wait` and `test`.
template <class In, class Out, class Op>
request reduce_async(communicator& c, const In& in, Out&& out, const Op& op, int root, call_options options = {}) {
  using T = detail::output_value<Out>;
  return {c, detail::start_reduce<true, T>(c, detail::input_of<T>(in), span<T>(out), op, root, options)};
}

/// In place: until the request is through, `inout` (n) is the library's; else as above.
template <class InOut, class Op>
  requires(!requires(Op& op) { op.data(); })
request reduce_async(communicator& c, InOut&& inout, const Op& op, int root, call_options options = {}) {
  return reduce_async(c, inout, inout, op, root, options);
}

/// An input, an output and a root, but no operation: refused by a sentence.
template <class In, class Out>
  requires requires(Out& out) { out.data(); }
request reduce_async(communicator&, const In&, Out&&, int, call_options = {}) {
  detail::refuse_without_operation<Out>();
  return {};
}

/// One vector and a root, but no operation: likewise.
template <class InOut>
request reduce_async(communicator&, InOut&&, int, call_options = {}) {
  detail::refuse_without_operation<InOut>();
  return {};
}

/// Returns once every rank has called it.
inline void barrier(communicator& c, call_options options = {}) { c.wait(detail::start_barrier<false>(c, options)); }

/// `barrier` under way: the request is through once every rank has called it.
/// Errors after the start are thrown by its `wait` and `test`.
inline request barrier_async(communicator& c, call_options options = {}) {
  return {c, detail::start_barrier<true>(c, options)};
}

}  // namespace tutti
