#pragma once
#include <optional>

#include <sched.h>
#include <unistd.h>

#include <tutti/base/clock.hpp>
#include <tutti/comm/communicator.hpp>
#include <tutti/transport/link.hpp>

namespace tutti::detail {

/// What ended the session, the same on all ranks; nothing while it goes on.
inline std::optional<verdict> verdict_on(communicator& c) {
  fabric& all = c.home().fabric();
  if (!all.board().any()) return {};
  return all.given();
}

/// The host waits for an event of a device as long as all ranks are there: throws the
/// session's verdict where there is one, since the device may then wait for what will not
/// come, and what was found wrong with what this rank's devices wait for.
template <class Device>
void finish_watched(const Device& device, communicator& c, const typename Device::event& e) {
  constexpr double short_wait = 1e-3, between_looks = 5e-3;  // seconds
  const verdict_board& board = c.home().fabric().board();
  const double begun = now();
  double looked = begun;
  while (!device.is_done(e)) {
    const double t = now();
    if (board.any() || t - looked > between_looks) {
      c.watch_peers();
      c.home().device_waits().check();
      looked = t;
    } else if (t - begun < short_wait) {
      ::sched_yield();
    } else {
      ::usleep(50);
    }
  }
  device.finish(e);
}

/// Once the session has ended, no stream is to wait for other ranks any more.
template <class Body>
void or_give_up_waits(communicator& c, Body body) {
  try {
    body();
  } catch (...) {
    if (const auto ended = verdict_on(c)) c.home().device_waits().give_up(ended->text);
    throw;
  }
}

/// The others are past the point where they could be told in time.
template <class Body>
void for_all_ranks(communicator& c, Body body) {
  try {
    body();
  } catch (const error& e) {
    if (e.code() == errc::device) c.home().abandon(e.what());
    throw;
  }
}

/// For who waits for what any calls have given to a stream: `finish_watched`, and what a
/// device says ends the session.
template <class Device>
void finish_for_all(const Device& device, communicator& c, const typename Device::event& e) {
  or_give_up_waits(c, [&] {
    for_all_ranks(c, [&] { finish_watched(device, c, e); });
  });
}

}  // namespace tutti::detail
