#pragma once
#include <tutti/comm/call_checks.hpp>
#include <tutti/comm/request.hpp>

// Calls that move blocks and combine nothing; all_gather stands with the
// reductions that it is part of. For what holds of every call, see
// comm/collectives.hpp.

namespace tutti {

namespace detail {

template <bool Keep, class T>
operation& start_gather(communicator& c, span<const T> in, span<T> out, int root, const call_options& options) {
  check_element<T>();
  need_root(c, collective::gather, root);
  need_memory(c, collective::gather, in);
  const bool here = c.rank() == root;
  if (here) {
    need(holds_blocks(c, out.size(), in.size()), c, collective::gather,
         "the root's output must hold as many elements as the inputs of all ranks together", in.size(), out.size());
    need_memory(c, collective::gather, out);
    // In place, the input is this rank's block of the output.
    const std::size_t before = static_cast<std::size_t>(root) * in.size();
    need_apart(c, collective::gather, in, out, out.data() + before == in.data() ? out.data() : nullptr);
  }
  return issue_move<collective::gather, Keep, T>(c, in.size(), root, options, in.data(), here ? out.data() : nullptr);
}

template <bool Keep, class T>
operation& start_scatter(communicator& c, span<const T> in, span<T> out, int root, const call_options& options) {
  check_element<T>();
  need_root(c, collective::scatter, root);
  need_memory(c, collective::scatter, out);
  const bool here = c.rank() == root;
  if (here) {
    need(holds_blocks(c, in.size(), out.size()), c, collective::scatter,
         "the root's input must hold as many elements as the outputs of all ranks together", in.size(), out.size());
    need_memory(c, collective::scatter, in);
    // In place, the output is this rank's block of the input.
    need_apart(c, collective::scatter, in, out, in.data() + static_cast<std::size_t>(root) * out.size());
  }
  return issue_move<collective::scatter, Keep, T>(c, out.size(), root, options, here ? in.data() : nullptr, out.data());
}

template <bool Keep, class T>
operation& start_all_to_all(communicator& c, span<const T> in, span<T> out, const call_options& options) {
  check_element<T>();
  const std::size_t ranks = static_cast<std::size_t>(c.size()), count = in.size() / ranks;
  need(in.size() == out.size(), c, collective::all_to_all, "input and output must hold as many elements", in.size(), out.size());
  need(in.size() == count * ranks, c, collective::all_to_all, "there must be as many elements for each rank", in.size(), ranks);
  need_memory(c, collective::all_to_all, in);
  need_memory(c, collective::all_to_all, out);
  need_apart(c, collective::all_to_all, in, out, in.data());
  const bool in_place = in.data() == out.data();
  const call_key key{in_place ? nullptr : kind_with<collective::all_to_all, Keep, T>(options), count};
  if (operation* const again = c.issue_again(key, in.data(), out.data(), nullptr)) return *again;
  call_shape shape = shape_of<T>(collective::all_to_all, count, -1, options);
  shape.in_place = in_place;
  return c.issue(shape, {.input = in.data(), .output = out.data(), .waits = !Keep, .kind = key.kind});
}

}  // namespace detail

/// Leaves every rank's block with the root: `in` (n), `out` (p·n) at the root,
/// block r being rank r's; elsewhere not looked at. In place where the root's
/// `in` is its block of `out`. Cost: (p−1) n words into the root; by tree,
/// ⌈log2 p⌉ messages there instead of p−1.
template <class In, class Out>
void gather(communicator& c, const In& in, Out&& out, int root, call_options options = {}) {
  using T = detail::output_value<Out>;
  c.wait(detail::start_gather<false, T>(c, detail::input_of<T>(in), span<T>(out), root, options));
}

/// `gather` under way: until the request is through, `in` must stay as it is and
/// the root's `out` must not be looked at. Errors after the start are thrown by
/// the request's `wait` and `test`.
template <class In, class Out>
request gather_async(communicator& c, const In& in, Out&& out, int root, call_options options = {}) {
  using T = detail::output_value<Out>;
  return {c, detail::start_gather<true, T>(c, detail::input_of<T>(in), span<T>(out), root, options)};
}

/// Leaves block r of the root's elements with rank r: `in` (p·n) at the root,
/// elsewhere not looked at; `out` (n). In place where the root's `out` is its
/// block of `in`. Cost: (p−1) n words from the root; by tree, ⌈log2 p⌉ messages
/// there instead of p−1.
template <class In, class Out>
void scatter(communicator& c, const In& in, Out&& out, int root, call_options options = {}) {
  using T = detail::output_value<Out>;
  c.wait(detail::start_scatter<false, T>(c, detail::input_of<T>(in), span<T>(out), root, options));
}

/// `scatter` under way: until the request is through, the root's `in` must stay
/// as it is and `out` must not be looked at. Errors after the start are thrown
/// by the request's `wait` and `test`.
template <class In, class Out>
request scatter_async(communicator& c, const In& in, Out&& out, int root, call_options options = {}) {
  using T = detail::output_value<Out>;
  return {c, detail::start_scatter<true, T>(c, detail::input_of<T>(in), span<T>(out), root, options)};
}

/// Leaves block d of rank s's elements as block s with rank d: `in` and `out`
/// (p·n). In place where they are the same memory, for p·n words of scratch.
/// Cost, pairwise: (p−1) n words a rank in p−1 messages; by bruck, about
/// ½ p n log2 p words in ⌈log2 p⌉ messages.
template <class In, class Out>
  requires requires(Out& out) { out.data(); }
void all_to_all(communicator& c, const In& in, Out&& out, call_options options = {}) {
  using T = detail::output_value<Out>;
  c.wait(detail::start_all_to_all<false, T>(c, detail::input_of<T>(in), span<T>(out), options));
}

/// In place: `inout` (p·n) is both.
template <class InOut>
void all_to_all(communicator& c, InOut&& inout, call_options options = {}) {
  all_to_all(c, inout, inout, options);
}

/// `all_to_all` under way: until the request is through, `in` must stay as it is
/// and `out` must not be looked at. Errors after the start are thrown by the
/// request's `wait` and `test`.
template <class In, class Out>
  requires requires(Out& out) { out.data(); }
request all_to_all_async(communicator& c, const In& in, Out&& out, call_options options = {}) {
  using T = detail::output_value<Out>;
  return {c, detail::start_all_to_all<true, T>(c, detail::input_of<T>(in), span<T>(out), options)};
}

/// In place: until the request is through, `inout` (p·n) is the library's; else as above.
template <class InOut>
request all_to_all_async(communicator& c, InOut&& inout, call_options options = {}) {
  return all_to_all_async(c, inout, inout, options);
}

}  // namespace tutti
