#pragma once
// Ranks that are processes forked by a test. UCX does not survive a fork: the
// test program itself must not have used it.
#include <cstdio>
#include <exception>
#include <string>

#include <tutti/comm/group.hpp>
#include <tutti/launch/local_processes.hpp>

#include "../need.hpp"

namespace processes {

using tests::need;
using tutti::detail::everyone;

/// Runs `body(shared_bootstrap&)` on `ranks` processes. 0 where none of them
/// threw, otherwise the exit code of the first that failed.
template <class Body>
int run(int ranks, Body body) {
  return tutti::run_local_processes({.ranks = ranks, .grace = 20, .timeout = 60}, [&](tutti::shared_bootstrap b) {
    try {
      body(b);
      return 0;
    } catch (const std::exception& e) {
      std::fprintf(stderr, "rank %d: %s\n", b.rank(), e.what());
      b.fail(e.what());
      return 1;
    }
  });
}

/// Until `holds()`, at most `seconds`.
template <class Condition>
bool within(double seconds, Condition holds) {
  for (const double limit = tutti::now() + seconds; !holds();) {
    if (tutti::now() > limit) return false;
    ::usleep(1000);
  }
  return true;
}

}  // namespace processes
