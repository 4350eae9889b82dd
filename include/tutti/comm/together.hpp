#pragma once
#include <utility>

#include <tutti/comm/communicator.hpp>
#include <tutti/comm/request.hpp>

namespace tutti {

namespace detail {

template <class Calls>
operation& start_together(communicator& c, Calls& calls) {
  struct collection {
    communicator& of;
    explicit collection(communicator& c) : of(c) { of.collect(); }
    ~collection() { of.drop_collected(); }
  } all(c);
  calls();
  return c.issue_collected();
}

}  // namespace detail

/// Several calls issued as one: those that `calls()` makes on this communicator,
/// collectives of any kind (but those with counts that two ranks know only) and
/// messages, blocking ones or not, begin together and are under way at the same
/// time, over one agreement of all ranks. They return at once, and so do what
/// they return `wait` and `test`; all are done when this one is. All ranks make the
/// same collectives in the same order; anything else is a `mismatch`, which names
/// the calls of each, as any error does. No call may write to what another reads
/// or writes. Buffers must live until then. What `calls` throws is thrown, and nothing was issued. Cost: that
/// of the calls' messages, which do not wait for each other but between two ranks;
/// neighbouring all-reduces that differ in their memory and length only, each of
/// at most 16 KiB, are copied together and sent as one.
template <class Calls>
void together(communicator& c, Calls&& calls) {
  c.wait(detail::start_together(c, calls));
}

/// The same under way: until the request is through, all buffers are the library's.
/// Errors after the start are thrown by its `wait` and `test`.
template <class Calls>
request together_async(communicator& c, Calls&& calls) {
  return {c, detail::start_together(c, calls)};
}

}  // namespace tutti
