#pragma once
#include <tutti/comm/call_checks.hpp>
#include <tutti/comm/request.hpp>

// Calls that move blocks and combine nothing; all_gather stands with the
// reductions that it is part of. For what holds of every call, see
// comm/collectives.hpp.

namespace tutti {

namespace detail {

template <class T>
operation& start_gather(communicator& c, span<const T> in, span<T> out, int root, const call_options& options) {
  check_element<T>();
  need_root(c, collective::gather, root);
  need_memory(c, collective::gather, in);
  const bool here = c.rank() == root;
  if (here) {
    need(out.size() == in.size() * static_cast<std::size_t>(c.size()), c, collective::gather,
         "the root's output must hold as many elements as the inputs of all ranks together", in.size(), out.size());
    need_memory(c, collective::gather, out);
    // In place, the input is this rank's block of the output.
    const std::size_t before = static_cast<std::size_t>(root) * in.size();
    need_apart(c, collective::gather, in, out, out.data() + before == in.data() ? out.data() : nullptr);
  }
  return c.issue(shape_of<T>(collective::gather, in.size(), root, options),
                 {.input = in.data(), .output = here ? out.data() : nullptr});
}

template <class T>
operation& start_scatter(communicator& c, span<const T> in, span<T> out, int root, const call_options& options) {
  check_element<T>();
  need_root(c, collective::scatter, root);
  need_memory(c, collective::scatter, out);
  const bool here = c.rank() == root;
  if (here) {
    need(in.size() == out.size() * static_cast<std::size_t>(c.size()), c, collective::scatter,
         "the root's input must hold as many elements as the outputs of all ranks together", in.size(), out.size());
    need_memory(c, collective::scatter, in);
    // In place, the output is this rank's block of the input.
    need_apart(c, collective::scatter, in, out, in.data() + static_cast<std::size_t>(root) * out.size());
  }
  return c.issue(shape_of<T>(collective::scatter, out.size(), root, options),
                 {.input = here ? in.data() : nullptr, .output = out.data()});
}

}  // namespace detail

/// Leaves every rank's block with the root: `in` (n), `out` (p·n) at the root,
/// block r being rank r's; elsewhere not looked at. In place where the root's
/// `in` is its block of `out`. Cost: (p−1) n words into the root; by tree,
/// ⌈log2 p⌉ messages there instead of p−1.
template <class In, class Out>
void gather(communicator& c, const In& in, Out&& out, int root, call_options options = {}) {
  using T = detail::value_of<Out>;
  c.wait(detail::start_gather<T>(c, detail::input_of<T>(in), span<T>(out), root, options));
}

/// `gather` under way: until the request is through, `in` must stay as it is and
/// the root's `out` must not be looked at. Errors after the start are thrown by
/// the request's `wait` and `test`.
template <class In, class Out>
request gather_async(communicator& c, const In& in, Out&& out, int root, call_options options = {}) {
  using T = detail::value_of<Out>;
  return {c, detail::start_gather<T>(c, detail::input_of<T>(in), span<T>(out), root, options)};
}

/// Leaves block r of the root's elements with rank r: `in` (p·n) at the root,
/// elsewhere not looked at; `out` (n). In place where the root's `out` is its
/// block of `in`. Cost: (p−1) n words from the root; by tree, ⌈log2 p⌉ messages
/// there instead of p−1.
template <class In, class Out>
void scatter(communicator& c, const In& in, Out&& out, int root, call_options options = {}) {
  using T = detail::value_of<Out>;
  c.wait(detail::start_scatter<T>(c, detail::input_of<T>(in), span<T>(out), root, options));
}

/// `scatter` under way: until the request is through, the root's `in` must stay
/// as it is and `out` must not be looked at. Errors after the start are thrown
/// by the request's `wait` and `test`.
template <class In, class Out>
request scatter_async(communicator& c, const In& in, Out&& out, int root, call_options options = {}) {
  using T = detail::value_of<Out>;
  return {c, detail::start_scatter<T>(c, detail::input_of<T>(in), span<T>(out), root, options)};
}

}  // namespace tutti
