#pragma once
#include <vector>

#include <tutti/comm/collectives.hpp>
#include <tutti/transport/peers.hpp>

namespace tutti {

/// How many ranks share this machine's cores, this one included, in whatever
/// namespaces. Collective.
inline int ranks_on_this_machine(communicator& comm) {
  comm.need_result_at_once("ranks_on_this_machine");
  const rank_home mine = rank_home::mine();
  std::vector<rank_home> all(static_cast<std::size_t>(comm.size()));
  all_gather(comm, span<const rank_home>(&mine, 1), all);
  int here = 0;
  for (const rank_home& other : all) here += other.same_machine(mine);
  return here;
}

}  // namespace tutti
