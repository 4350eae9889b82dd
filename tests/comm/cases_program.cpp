// Every case on whatever link the ranks have; exit code 0 where all is right.
// Usage: cases_program [--ranks N] all|quick|mixed|groups|mixed-groups|bill|mixed-bill,
// where `mixed` joins rank 1 to all others by messages, as if it could open no window.
#include <cstdio>
#include <cstdlib>
#include <string>

#include <tutti/launch/run.hpp>

#include "bill.hpp"

int main(int argc, char** argv) {
  return tutti::run_ranks(argc, argv, [&](tutti::any_bootstrap& ranks) {
    const std::string how = argc > 1 ? argv[1] : "all";
    if (how.find("mixed") == 0 && ranks.rank() == 1) ::setenv("TUTTI_LINK", "message", 1);
    tutti::session joined(ranks);
    tutti::communicator world(joined);
    if (how.find("groups") != std::string::npos) {
      groups::check_groups(world);
      groups::check_refusals(world);
    } else if (how.find("bill") != std::string::npos) {
      bill::check_bill(world);
      if (how == "bill" && world.size() > 1 && world.link_to(1 - (world.rank() > 0)) == tutti::link_kind::window) bill::check_lent(world);
    } else {
      cases::check_all(world, how != "all");
    }
    if (world.rank() == 0)
      std::printf("%d ranks, %s: right\n", world.size(), name_of(world.link_to(world.size() - 1)));
  });
}
