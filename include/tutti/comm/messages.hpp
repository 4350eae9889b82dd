#pragma once
#include <cstddef>
#include <initializer_list>
#include <type_traits>

#include <tutti/base/names.hpp>
#include <tutti/comm/call_checks.hpp>
#include <tutti/comm/message_call.hpp>
#include <tutti/comm/request.hpp>

// Messages between two ranks. Those from one rank to another with the same tag
// are received in the order in which they were sent; those with other tags, to
// others, and collectives go their own ways. Tags are numbers from 0. Both sides
// name the same number of elements, zero included, of the same type: any other
// receive ends, before anything is written, as a `mismatch` that names both
// calls, on every rank. A rank may send to itself.
//
// A message of fewer than 8 KiB is on its way as soon as it is sent, and its
// sender may go on, while fewer than 32 from that rank to the same peer wait to
// be received. Any other message waits for its receive, and then goes without
// being stored; of these at most 1024 a peer can be received in any order.
// Between ranks of one host, what lies in a library buffer is copied once. What
// this takes of memory, on a rank and for each peer that it exchanges messages
// with: at most half a megabyte, untouched until messages come unasked.
//
// Errors are `invalid_argument` before anything is sent, else as for collectives:
// whoever waits longer than the session's deadline is told what the other side
// waits for, if it does. An error's `operation` is the next collective of the
// communicator, which will not be done either.

namespace tutti {

/// What goes to, or comes from, one of several peers.
template <class T>
struct outgoing {
  int to = -1;
  span<const T> data;
};
template <class T>
struct incoming {
  int from = -1;
  span<T> data;
};

namespace detail {

template <class T>
message_call sending(span<const T> in, int to, int tag) {
  check_element<T>();
  return {.sends = true, .peer = to, .tag = tag, .data = const_cast<T*>(in.data()), .count = in.size(), .element = sizeof(T), .type = type_name<T>};
}
template <class T>
message_call receiving(span<T> out, int from, int tag) {
  check_element<T>();
  return {.sends = false, .peer = from, .tag = tag, .data = out.data(), .count = out.size(), .element = sizeof(T), .type = type_name<T>};
}

template <class In>
operation& start_send(communicator& c, const In& in, int to, int tag) {
  const message_call m = sending(input_of<value_of<const In>>(in), to, tag);
  return c.post({&m, 1});
}
template <class Out>
operation& start_recv(communicator& c, Out& out, int from, int tag) {
  const message_call m = receiving(span<output_value<Out>>(out), from, tag);
  return c.post({&m, 1});
}
template <class In, class Out>
operation& start_send_recv(communicator& c, const In& in, int to, Out& out, int from, int tag) {
  const message_call both[] = {receiving(span<output_value<Out>>(out), from, tag), sending(input_of<value_of<const In>>(in), to, tag)};
  return c.post({both, 2});
}
template <class Sends, class Receives>
operation& start_exchange(communicator& c, const Sends& sends, const Receives& receives, int tag) {
  auto& calls = c.message_calls();
  for (const auto& r : receives) calls.push_back(receiving(r.data, r.from, tag));
  for (const auto& s : sends) calls.push_back(sending(s.data, s.to, tag));
  return c.post(calls);
}

template <class Range>
concept of_outgoing = requires(const Range& r) { r.begin()->to, r.begin()->data; };
template <class Range>
concept of_incoming = requires(const Range& r) { r.begin()->from, r.begin()->data; };

}  // namespace detail

/// Sends `in` (n) to rank `to`. Returns once `in` may be changed, which for a
/// message of 8 KiB or more is after the receive has begun: two ranks that send
/// each other such messages before either receives wait for the deadline; use
/// `send_recv`. Cost: n words in one message, and from 8 KiB on a word each way.
template <class In>
void send(communicator& c, const In& in, int to, int tag = 0) {
  c.wait(detail::start_send(c, in, to, tag));
}

/// `send` under way: until the request is through, `in` must stay as it is.
template <class In>
request send_async(communicator& c, const In& in, int to, int tag = 0) {
  return {c, detail::start_send(c, in, to, tag)};
}

/// Receives what rank `from` sends with this tag into `out` (n).
template <class Out>
void recv(communicator& c, Out&& out, int from, int tag = 0) {
  c.wait(detail::start_recv(c, out, from, tag));
}

/// `recv` under way: until the request is through, `out` must not be looked at.
template <class Out>
request recv_async(communicator& c, Out&& out, int from, int tag = 0) {
  return {c, detail::start_recv(c, out, from, tag)};
}

/// Sends `in` (n) to rank `to`, and at the same time receives `out` (m) from rank
/// `from`; the two must not overlap, and may differ in type.
template <class In, class Out>
void send_recv(communicator& c, const In& in, int to, Out&& out, int from, int tag = 0) {
  c.wait(detail::start_send_recv(c, in, to, out, from, tag));
}

/// `send_recv` under way: until the request is through, `in` must stay as it is
/// and `out` must not be looked at.
template <class In, class Out>
request send_recv_async(communicator& c, const In& in, int to, Out&& out, int from, int tag = 0) {
  return {c, detail::start_send_recv(c, in, to, out, from, tag)};
}

/// Sends a block to each of some peers and receives one from each of some, which
/// may be others, or none: ranges of `outgoing<T>` and `incoming<T>`. No block
/// that is received may overlap another. Who names a rank twice exchanges as many
/// blocks with it, in that order. Not collective: a rank with no neighbours need
/// not call it. Cost: that of the messages, all under way at once.
template <detail::of_outgoing Sends, detail::of_incoming Receives>
void neighbour_exchange(communicator& c, const Sends& sends, const Receives& receives, int tag = 0) {
  c.wait(detail::start_exchange(c, sends, receives, tag));
}
/// The same with lists in place: `neighbour_exchange<float>(c, {{1, a}}, {{3, b}})`.
template <class T>
void neighbour_exchange(communicator& c, std::initializer_list<outgoing<T>> sends, std::initializer_list<incoming<T>> receives,
                        int tag = 0) {
  c.wait(detail::start_exchange(c, sends, receives, tag));
}

/// `neighbour_exchange` under way: until the request is through, what is sent
/// must stay as it is and what is received must not be looked at; the lists need
/// not live.
template <detail::of_outgoing Sends, detail::of_incoming Receives>
request neighbour_exchange_async(communicator& c, const Sends& sends, const Receives& receives, int tag = 0) {
  return {c, detail::start_exchange(c, sends, receives, tag)};
}
template <class T>
request neighbour_exchange_async(communicator& c, std::initializer_list<outgoing<T>> sends,
                                 std::initializer_list<incoming<T>> receives, int tag = 0) {
  return {c, detail::start_exchange(c, sends, receives, tag)};
}

}  // namespace tutti
