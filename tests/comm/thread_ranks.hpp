#pragma once
// Ranks that are threads of this process, joined by loopback.
#include <exception>
#include <type_traits>

#include <tutti/comm/communicator.hpp>
#include <tutti/comm/session.hpp>
#include <tutti/launch/threads.hpp>
#include <tutti/transport/loopback.hpp>

namespace thread_ranks {

/// Runs `body(communicator&)`, or `body(communicator&, session&)`, on every
/// rank. A rank that throws gives up, so that nobody waits for it until the
/// deadline; what the first of them threw is thrown again.
/// `lends`: they read and write each other's buffers where they lie.
template <class Body>
void run(int ranks, Body body, tutti::communicator_options how = {}, tutti::session_options options = {}, bool lends = false) {
  tutti::loopback_fabric::world shared{.board = {}, .lends = lends};
  tutti::run_threads(ranks, [&](auto& b) {
    tutti::session s(b, shared, options);
    {
      tutti::communicator world(s, how);
      try {
        if constexpr (std::is_invocable_v<Body&, tutti::communicator&, tutti::session&>) body(world, s);
        else body(world);
      } catch (const std::exception& e) {
        s.abandon(e.what());
        throw;
      }
    }
    s.raise_mismatch();
  });
}

}  // namespace thread_ranks
