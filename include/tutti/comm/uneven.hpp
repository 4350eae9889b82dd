#pragma once
#include <tutti/comm/call_checks.hpp>
#include <tutti/comm/request.hpp>

// The forms whose blocks differ in length, by a count for each rank (anything
// that converts to span<const std::size_t>); blocks lie one after the other, and
// may be empty. For what holds of every call, see comm/collectives.hpp. Counts
// need not outlive the call that starts it.
//
// Where every rank names all counts, ranks that name different ones called
// different things; where only two know a count, they must agree on it. Either
// is a `mismatch` on all ranks, which names the count and who gave it. How a
// call is done is kept for the 64 shapes used last: with others, it is planned
// anew, and allocates.

namespace tutti {

namespace detail {

using counts_view = span<const std::size_t>;

/// The sum of the counts, one a rank.
inline std::size_t total_of(const communicator& c, called what, counts_view counts) {
  need(counts.size() == static_cast<std::size_t>(c.size()), c, what, "there must be a count for each rank", counts.size(),
       static_cast<std::size_t>(c.size()));
  need_memory(c, what, counts);
  std::size_t total = 0;
  for (std::size_t one : counts) {
    need(one <= static_cast<std::size_t>(-1) - total, c, what, "the counts add up to more than a number holds", total, one);
    total += one;
  }
  return total;
}

/// Elements before a rank's block.
inline std::size_t elements_before(counts_view counts, int rank) {
  std::size_t before = 0;
  for (int r = 0; r < rank; ++r) before += counts[static_cast<std::size_t>(r)];
  return before;
}

/// That `whole` has all blocks, and `own` this rank's. Returns where that is.
template <class T, class U>
std::size_t need_blocks(const communicator& c, called what, span<T> whole, span<U> own, counts_view counts) {
  const std::size_t total = total_of(c, what, counts), mine = counts[static_cast<std::size_t>(c.rank())];
  need(whole.size() == total, c, what, "the buffer of all blocks must hold as many elements as the counts add up to", whole.size(), total);
  need(own.size() == mine, c, what, "the buffer of this rank's block must hold as many elements as its count says", own.size(), mine);
  need_memory(c, what, whole);
  need_memory(c, what, own);
  return elements_before(counts, c.rank());
}

/// Of what is gathered: in place, `own` is this rank's block of `all`.
template <class T>
void need_gathered(const communicator& c, called what, span<const T> own, span<T> all, counts_view counts) {
  const std::size_t before = need_blocks(c, what, all, own, counts);
  need_apart(c, what, own, all, all.data() + before == own.data() ? all.data() : nullptr);
}
/// Of what is scattered. Returns where this rank's block is, which `own` may be.
template <class T>
std::size_t need_scattered(const communicator& c, called what, span<const T> all, span<T> own, counts_view counts) {
  const std::size_t before = need_blocks(c, what, all, own, counts);
  need_apart(c, what, all, own, all.data() + before);
  return before;
}

inline call_shape uneven(call_shape shape, counts_view counts, counts_view received = {}) {
  shape.uneven = true;
  shape.counts = counts;
  shape.received = received;
  return shape;
}

template <class T>
operation& start_all_gather_v(communicator& c, span<const T> in, span<T> out, counts_view counts, const call_options& options) {
  check_element<T>();
  need_gathered(c, "all_gather_v", in, out, counts);
  return c.issue(uneven(shape_of<T>(collective::all_gather, out.size(), -1, options), counts),
                 {.input = in.data(), .output = out.data()});
}

template <bool Keep, class T, class Op>
operation& start_reduce_scatter_v(communicator& c, span<const T> in, span<T> out, counts_view counts, const Op& op,
                                  const call_options& options) {
  check_operation<T, Op>();
  const std::size_t before = need_scattered(c, "reduce_scatter_v", in, out, counts);
  return issue_reduction<Keep>(c, uneven(shape_of<T, Op>(collective::reduce_scatter, in.size(), -1, options), counts), in, out,
                               before, op);
}

template <class T>
operation& start_gather_v(communicator& c, span<const T> in, span<T> out, counts_view counts, int root, const call_options& options) {
  check_element<T>();
  need_root(c, "gather_v", root);
  need_memory(c, "gather_v", in);
  call_shape shape = uneven(shape_of<T>(collective::gather, in.size(), root, options), {});
  if (c.rank() != root) return c.issue(shape, {.input = in.data()});
  need_gathered(c, "gather_v", in, out, counts);
  shape.count = out.size();
  shape.counts = counts;
  return c.issue(shape, {.input = in.data(), .output = out.data()});
}

template <class T>
operation& start_scatter_v(communicator& c, span<const T> in, span<T> out, counts_view counts, int root, const call_options& options) {
  check_element<T>();
  need_root(c, "scatter_v", root);
  need_memory(c, "scatter_v", out);
  call_shape shape = uneven(shape_of<T>(collective::scatter, out.size(), root, options), {});
  if (c.rank() != root) return c.issue(shape, {.output = out.data()});
  need_scattered(c, "scatter_v", in, out, counts);
  shape.count = in.size();
  shape.counts = counts;
  return c.issue(shape, {.input = in.data(), .output = out.data()});
}

template <class T>
void need_exchange(const communicator& c, span<const T> in, counts_view counts, span<T> out, counts_view received) {
  const char* const name = "all_to_all_v";
  const std::size_t sum = total_of(c, name, counts), sum_received = total_of(c, name, received);
  const auto me = static_cast<std::size_t>(c.rank());
  need(in.size() == sum, c, name, "the input must hold as many elements as its counts add up to", in.size(), sum);
  need(out.size() == sum_received, c, name, "the output must hold as many elements as its counts add up to", out.size(), sum_received);
  need(counts[me] == received[me], c, name, "this rank must send itself as many elements as it expects", counts[me], received[me]);
  need_memory(c, name, in);
  need_memory(c, name, out);
  need_apart(c, name, in, out, in.data());
}

template <class T>
operation& start_all_to_all_v(communicator& c, span<const T> in, counts_view counts, span<T> out, counts_view received,
                              const call_options& options) {
  check_element<T>();
  need_exchange(c, in, counts, out, received);
  call_shape shape = uneven(shape_of<T>(collective::all_to_all, in.size(), -1, options), counts, received);
  shape.in_place = in.data() == out.data() && !in.empty();
  return c.issue(shape, {.input = in.data(), .output = out.data()});
}

}  // namespace detail

/// Leaves every rank's block with all: `in` (counts[me]), `out` (n, the sum of
/// the counts), block r being rank r's; all ranks name the same counts. In place
/// where `in` is this rank's block of `out`. Cost, by ring: n words a rank less
/// a block.
template <class In, class Out>
void all_gather_v(communicator& c, const In& in, Out&& out, span<const std::size_t> counts, call_options options = {}) {
  using T = detail::output_value<Out>;
  c.wait(detail::start_all_gather_v<T>(c, detail::input_of<T>(in), span<T>(out), counts, options));
}

/// `all_gather_v` under way: until the request is through, `in` must stay as it
/// is and `out` must not be looked at. Errors after the start are thrown by the
/// request's `wait` and `test`.
template <class In, class Out>
request all_gather_v_async(communicator& c, const In& in, Out&& out, span<const std::size_t> counts, call_options options = {}) {
  using T = detail::output_value<Out>;
  return {c, detail::start_all_gather_v<T>(c, detail::input_of<T>(in), span<T>(out), counts, options)};
}

/// Combines what all ranks hold and leaves block r of the result with rank r:
/// `in` (n, the sum of the counts), `out` (counts[me]); all ranks name the same
/// counts. In place where `out` is this rank's block of `in`. Cost, by ring: n
/// words a rank less a block.
template <class In, class Out, class Op = plus>
void reduce_scatter_v(communicator& c, const In& in, Out&& out, span<const std::size_t> counts, const Op& op = {},
                      call_options options = {}) {
  using T = detail::output_value<Out>;
  c.wait(detail::start_reduce_scatter_v<false, T>(c, detail::input_of<T>(in), span<T>(out), counts, op, options));
}

/// `reduce_scatter_v` under way: until the request is through, `in` must stay as
/// it is and `out` must not be looked at; of `op` a copy is kept. Errors after
/// the start are thrown by the request's `wait` and `test`.
template <class In, class Out, class Op = plus>
request reduce_scatter_v_async(communicator& c, const In& in, Out&& out, span<const std::size_t> counts, const Op& op = {},
                               call_options options = {}) {
  using T = detail::output_value<Out>;
  return {c, detail::start_reduce_scatter_v<true, T>(c, detail::input_of<T>(in), span<T>(out), counts, op, options)};
}

/// Leaves every rank's block with the root: `in` (n_r); at the root, counts says
/// n_r for every r, and `out` is (n, their sum), block r being rank r's.
/// Elsewhere neither is looked at. In place where the root's `in` is its block of
/// `out`. Cost: n words into the root less its block, in two messages from each.
template <class In, class Out>
void gather_v(communicator& c, const In& in, Out&& out, span<const std::size_t> counts, int root, call_options options = {}) {
  using T = detail::output_value<Out>;
  c.wait(detail::start_gather_v<T>(c, detail::input_of<T>(in), span<T>(out), counts, root, options));
}

/// `gather_v` under way: until the request is through, `in` must stay as it is
/// and the root's `out` must not be looked at. Errors after the start are thrown
/// by the request's `wait` and `test`.
template <class In, class Out>
request gather_v_async(communicator& c, const In& in, Out&& out, span<const std::size_t> counts, int root, call_options options = {}) {
  using T = detail::output_value<Out>;
  return {c, detail::start_gather_v<T>(c, detail::input_of<T>(in), span<T>(out), counts, root, options)};
}

/// Leaves block r of the root's elements with rank r: `out` (n_r); at the root,
/// counts says n_r for every r, and `in` is (n, their sum). Elsewhere neither is
/// looked at. In place where the root's `out` is its block of `in`. Cost: n words
/// from the root less its block, once it has heard from everyone.
template <class In, class Out>
void scatter_v(communicator& c, const In& in, Out&& out, span<const std::size_t> counts, int root, call_options options = {}) {
  using T = detail::output_value<Out>;
  c.wait(detail::start_scatter_v<T>(c, detail::input_of<T>(in), span<T>(out), counts, root, options));
}

/// `scatter_v` under way: until the request is through, the root's `in` must stay
/// as it is and `out` must not be looked at. Errors after the start are thrown by
/// the request's `wait` and `test`.
template <class In, class Out>
request scatter_v_async(communicator& c, const In& in, Out&& out, span<const std::size_t> counts, int root, call_options options = {}) {
  using T = detail::output_value<Out>;
  return {c, detail::start_scatter_v<T>(c, detail::input_of<T>(in), span<T>(out), counts, root, options)};
}

/// Leaves block d of rank s's elements as block s with rank d: `in` (the sum of
/// `counts`), of which counts[d] go to rank d; `out` (the sum of `received`), of
/// which received[s] come from rank s. In place where both begin at one address,
/// for as much scratch as the output is long. Cost: every word once, in p−1
/// messages from each rank, after p−1 + ⌈log2 p⌉ empty ones by which all agree; on
/// one host after a round in which all see all counts, and the words too where no
/// rank has more than 16 KiB of both.
template <class In, class Out>
  requires requires(Out& out) { out.data(); }
void all_to_all_v(communicator& c, const In& in, span<const std::size_t> counts, Out&& out, span<const std::size_t> received,
                  call_options options = {}) {
  using T = detail::output_value<Out>;
  c.wait(detail::start_all_to_all_v<T>(c, detail::input_of<T>(in), counts, span<T>(out), received, options));
}

/// In place: `inout` is both, and from each rank come as many elements as go to it.
template <class InOut>
void all_to_all_v(communicator& c, InOut&& inout, span<const std::size_t> counts, call_options options = {}) {
  all_to_all_v(c, inout, counts, inout, counts, options);
}

/// `all_to_all_v` under way: until the request is through, `in` must stay as it
/// is and `out` must not be looked at. Errors after the start are thrown by the
/// request's `wait` and `test`.
template <class In, class Out>
  requires requires(Out& out) { out.data(); }
request all_to_all_v_async(communicator& c, const In& in, span<const std::size_t> counts, Out&& out,
                           span<const std::size_t> received, call_options options = {}) {
  using T = detail::output_value<Out>;
  return {c, detail::start_all_to_all_v<T>(c, detail::input_of<T>(in), counts, span<T>(out), received, options)};
}

/// In place: until the request is through, `inout` is the library's; else as above.
template <class InOut>
request all_to_all_v_async(communicator& c, InOut&& inout, span<const std::size_t> counts, call_options options = {}) {
  return all_to_all_v_async(c, inout, counts, inout, counts, options);
}

}  // namespace tutti
