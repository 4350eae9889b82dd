#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include <tutti/base/tally.hpp>
#include <tutti/schedule/contract.hpp>
#include <tutti/transport/link_kind.hpp>

namespace tutti {

/// What a rank has done so far. A message is a piece that a link took, be it
/// empty; bytes are payload, so that those of a call are its plan's
/// `bytes_sent`. Of devices that read each other's memory, what others fetch from this
/// rank's, once a call has it in its stream (within a graph: when that is recorded); what
/// NCCL moves is not counted.
struct statistics {
  /// Times that a rank slept, because spinning had brought nothing.
  struct sleep {
    std::uint64_t times = 0;
    double seconds = 0;

    sleep& operator+=(const sleep& other) {
      times += other.times;
      seconds += other.seconds;
      return *this;
    }
    sleep& operator-=(const sleep& other) {
      times -= other.times;
      seconds -= other.seconds;
      return *this;
    }
    friend bool operator==(const sleep&, const sleep&) = default;
  };
  /// Of one collective: calls that are done, and what they sent.
  struct calls {
    std::uint64_t done = 0;
    traffic sent{};
    friend bool operator==(const calls&, const calls&) = default;
  };

  std::array<traffic, std::size(every_link_kind)> links{};
  std::array<calls, std::size(every_collective)> collectives{};
  std::array<sleep, std::size(every_collective)> collective_sleeps{};
  sleep message_sleeps{};  ///< for messages between two ranks
  std::array<sleep, std::size(every_link_kind)> sleeps{};  ///< of all these, by the link to the rank that was waited for
  /// Between two ranks; of the receiver's bytes no link counts any, and none those
  /// of a rank to itself.
  traffic messages_sent{}, messages_received{};
  std::uint64_t waits = 0;   ///< times that it slept, because spinning had brought nothing
  double seconds_slept = 0;  ///< in these

  const traffic& over(link_kind kind) const { return links[static_cast<std::size_t>(kind)]; }
  const sleep& slept_in(collective what) const { return collective_sleeps[static_cast<std::size_t>(what)]; }
  const sleep& slept_for(link_kind kind) const { return sleeps[static_cast<std::size_t>(kind)]; }
  const calls& of(collective what) const { return collectives[static_cast<std::size_t>(what)]; }
  traffic sent() const {
    traffic all;
    for (const traffic& one : links) all += one;
    return all;
  }

  statistics& operator+=(const statistics& other) {
    for (std::size_t i = 0; i < links.size(); ++i) links[i] += other.links[i];
    for (std::size_t i = 0; i < collectives.size(); ++i) {
      collectives[i].done += other.collectives[i].done;
      collectives[i].sent += other.collectives[i].sent;
      collective_sleeps[i] += other.collective_sleeps[i];
    }
    for (std::size_t i = 0; i < sleeps.size(); ++i) sleeps[i] += other.sleeps[i];
    message_sleeps += other.message_sleeps;
    messages_sent += other.messages_sent;
    messages_received += other.messages_received;
    waits += other.waits;
    seconds_slept += other.seconds_slept;
    return *this;
  }
  /// What came after `earlier`.
  statistics since(const statistics& earlier) const {
    statistics s = *this;
    for (std::size_t i = 0; i < links.size(); ++i) s.links[i] -= earlier.links[i];
    for (std::size_t i = 0; i < collectives.size(); ++i) {
      s.collectives[i].done -= earlier.collectives[i].done;
      s.collectives[i].sent -= earlier.collectives[i].sent;
      s.collective_sleeps[i] -= earlier.collective_sleeps[i];
    }
    for (std::size_t i = 0; i < sleeps.size(); ++i) s.sleeps[i] -= earlier.sleeps[i];
    s.message_sleeps -= earlier.message_sleeps;
    s.messages_sent -= earlier.messages_sent;
    s.messages_received -= earlier.messages_received;
    s.waits -= earlier.waits;
    s.seconds_slept -= earlier.seconds_slept;
    return s;
  }
};

namespace detail {

/// What one communicator, or one thread that waits, counts. Each number is
/// written by one thread.
struct counter_block {
  struct wait_tally {
    tally times, nanoseconds;
    void add(double seconds) {
      times.add(1);
      nanoseconds.add(seconds > 0 ? static_cast<std::uint64_t>(seconds * 1e9) : 0);
    }
    statistics::sleep read() const { return {times.read(), 1e-9 * static_cast<double>(nanoseconds.read())}; }
  };
  struct call_tally {
    tally done;
    traffic_tally sent;
    wait_tally slept;
  };

  traffic_tally links[std::size(every_link_kind)];
  call_tally collectives[std::size(every_collective)];
  wait_tally messages_slept, sleeps[std::size(every_link_kind)];
  traffic_tally messages_sent, messages_received;
  wait_tally moving, calling;  ///< of the thread that moves operations, and of one that waits for that thread

  traffic_tally& over(link_kind kind) { return links[static_cast<std::size_t>(kind)]; }
  [[gnu::always_inline]] void completed(collective what, const traffic& sent, std::size_t calls = 1) {
    call_tally& c = collectives[static_cast<std::size_t>(what)];
    c.done.add(calls);
    if (sent.messages > 0) c.sent.add(sent);
  }
  statistics read() const {
    statistics s;
    for (std::size_t i = 0; i < s.links.size(); ++i) s.links[i] = links[i].read();
    for (std::size_t i = 0; i < s.collectives.size(); ++i)
      s.collectives[i] = {collectives[i].done.read(), collectives[i].sent.read()}, s.collective_sleeps[i] = collectives[i].slept.read();
    for (std::size_t i = 0; i < s.sleeps.size(); ++i) s.sleeps[i] = sleeps[i].read();
    s.message_sleeps = messages_slept.read();
    s.messages_sent = messages_sent.read();
    s.messages_received = messages_received.read();
    s.waits = moving.times.read() + calling.times.read();
    s.seconds_slept = 1e-9 * static_cast<double>(moving.nanoseconds.read() + calling.nanoseconds.read());
    return s;
  }
};

}  // namespace detail
}  // namespace tutti
