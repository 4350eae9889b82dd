#pragma once
#include <vector>

#include <tutti/comm/collectives.hpp>
#include <tutti/transport/peers.hpp>

namespace tutti {

/// How many ranks share this host, this one included. Collective.
inline int ranks_on_this_host(communicator& comm) {
  const rank_home mine = rank_home::mine();
  std::vector<rank_home> all(static_cast<std::size_t>(comm.size()));
  all_gather(comm, span<const rank_home>(&mine, 1), all);
  int here = 0;
  for (const rank_home& other : all) here += other.same_host(mine);
  return here;
}

}  // namespace tutti
