#pragma once
// Jobs of probes that meet over TCP.
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <tutti/launch/socket.hpp>

#include "process.hpp"

namespace tests {

/// A probe's rank of a job that meets at a port.
struct job {
  int size;
  std::string host = "127.0.0.1", port = free_port(), join_timeout = "30", timeout = "60";
  std::vector<std::string> words{};
  std::string program = RANKS_PROBE;

  process rank(int r, int said_size = 0) const {
    std::vector<std::string> all{program};
    all.insert(all.end(), words.begin(), words.end());
    return process(all, {tutti::format("RANK=%d", r), tutti::format("WORLD_SIZE=%d", said_size ? said_size : size),
                         "MASTER_ADDR=" + host, "MASTER_PORT=" + port, "TUTTI_JOIN_TIMEOUT=" + join_timeout,
                         "TUTTI_DEADLINE=" + timeout});
  }

  std::vector<process> all() const {
    std::vector<process> ranks;
    for (int r = size - 1; r >= 0; --r) ranks.push_back(rank(r));  // rank 0 last: the others try until it is there
    return ranks;
  }

  /// A connection of our own to rank 0, as soon as it listens.
  tutti::detail::socket stranger() const {
    tutti::detail::socket s;
    std::string why;
    auto where = tutti::detail::resolve(host, std::stoi(port), why);
    CHECK(eventually([&] { return static_cast<bool>(s = tutti::detail::connect_to(where[0], tutti::now() + 1, why)); }));
    return s;
  }
};

}  // namespace tests
