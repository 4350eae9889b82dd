#pragma once
// The monitors' connections of all ranks of a session, in one process.
#include <cstdint>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <tutti/transport/peer_lines.hpp>

namespace tests {

struct lines {
  std::vector<std::uint16_t> ports;
  std::vector<tutti::detail::peer_lines> of;  // by rank

  /// `stranger` (−1: none) has another session's secret.
  explicit lines(int ranks, int stranger = -1) {
    namespace detail = tutti::detail;
    const auto secret = detail::session_secret::fresh();
    std::vector<detail::socket> listeners;
    for (int r = 0; r < ranks; ++r) {
      listeners.push_back(detail::listen_for_peers(true));
      REQUIRE(listeners.back());
      ports.push_back(detail::port_of(listeners.back()));
    }
    const std::vector<detail::reach> here(ports.size(), detail::reach::mine());
    for (int r = 0; r < ranks; ++r)
      of.emplace_back(r, here, ports, r == stranger ? detail::session_secret::fresh() : secret,
                      std::move(listeners[static_cast<std::size_t>(r)]));
  }
};

}  // namespace tests
