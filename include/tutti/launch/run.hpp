#pragma once
#include <tutti/base/config.hpp>
#include <tutti/comm/communicator.hpp>
#include <tutti/launch/run_ranks.hpp>

namespace tutti {

namespace detail {
int run_communicator(int& argc, char** argv, rank_body<communicator> body);
}

/// Finds this program's ranks, or starts them, joins them and runs `body` on
/// each: with `communicator&` of all ranks. Inside torchrun, srun or (with
/// `<tutti/launch/pmix.hpp>`) mpirun it joins the ranks that they started;
/// otherwise `--ranks N` starts N processes here, and without it there is one.
/// `argc` and `argv` lose the launcher's own flags (`parse_launch_options`).
///
/// Returns what `main` should: the body's own int or 0; 1 where it threw, which
/// every other rank then learns from its next call; in the process that started
/// the ranks, the first failure's code; with `--survive`, which lets the others go
/// on for as long as they need, 0 where these end well (see `communicator::shrink`).
template <class Body>
int run(int& argc, char** argv, Body body) {
  return detail::run_communicator(argc, argv, rank_body<communicator>(body));
}

}  // namespace tutti

#if TUTTI_WITH_BODIES
#include <exception>

namespace tutti {

TUTTI_BODY int detail::run_communicator(int& argc, char** argv, rank_body<communicator> body) {
  return tutti::run_ranks(argc, argv, [&](any_bootstrap& ranks) {
    session joined(ranks);
    const int code = [&] {
      communicator world(joined);
      // Before `world` goes: what others learn is why, not that this rank has left.
      try {
        return body(world);
      } catch (const std::exception& e) {
        joined.abandon(e.what());
        throw;
      } catch (...) {
        joined.abandon("an exception that is no std::exception");
        throw;
      }
    }();
    joined.raise_mismatch();
    return code;
  });
}

}  // namespace tutti
#endif
