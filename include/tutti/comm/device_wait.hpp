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
/// come. `look` is called now and then, and throws what else speaks against waiting on.
template <class Device, class Look>
void finish_watched(const Device& device, communicator& c, const typename Device::event& e, Look look) {
  constexpr double short_wait = 1e-3, between_looks = 5e-3;  // seconds
  const verdict_board& board = c.home().fabric().board();
  const double begun = now();
  double looked = begun;
  while (!device.is_done(e)) {
    const double t = now();
    if (board.any() || t - looked > between_looks) {
      c.watch_peers();
      look();
      looked = t;
    } else if (t - begun < short_wait) {
      ::sched_yield();
    } else {
      ::usleep(50);
    }
  }
  device.finish(e);
}
template <class Device>
void finish_watched(const Device& device, communicator& c, const typename Device::event& e) {
  finish_watched(device, c, e, [] {});
}

}  // namespace tutti::detail
