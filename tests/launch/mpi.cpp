#include <tutti/launch/mpi.hpp>

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "process.hpp"

using tests::count;
using tests::nobody_left;
using tests::process;

static_assert(tutti::bootstrap<tutti::mpi_bootstrap>);

namespace {

/// An MPI whose program was built, and how that is started.
struct implementation {
  const char* name;
  const char* probe;
  std::vector<std::string> launcher;
};

std::vector<implementation> implementations() {
  std::vector<implementation> there;
#if defined(MPI_PROBE_OPEN_MPI)
  there.push_back({"Open MPI", MPI_PROBE_OPEN_MPI, {"mpirun.openmpi", "--allow-run-as-root", "--oversubscribe"}});
#else
  MESSAGE("skipped: Open MPI (libopenmpi-dev) is not installed");
#endif
#if defined(MPI_PROBE_MPICH)
  there.push_back({"MPICH", MPI_PROBE_MPICH, {"mpiexec.hydra"}});
#else
  MESSAGE("skipped: MPICH (libmpich-dev) is not installed");
#endif
  std::erase_if(there, [](const implementation& i) {
    if (process({i.launcher[0], "--version"}).wait() == 0) return false;
    MESSAGE("skipped: there is no " << i.launcher[0]);
    return true;
  });
  return there;
}

process start(const implementation& of, int ranks, const char* what) {
  std::vector<std::string> words = of.launcher;
  for (const std::string& word : {std::string("-n"), std::to_string(ranks), std::string(of.probe), std::string(what)})
    words.push_back(word);
  return process(words);
}

}  // namespace

TEST_CASE("mpi: the processes of a communicator join, the program's own messages beside them") {
  for (const implementation& i : implementations())
    for (int ranks : {1, 2, 5}) {
      CAPTURE(i.name);
      CAPTURE(ranks);
      process p = start(i, ranks, "join");
      const int code = p.wait();
      CAPTURE(p.errors());
      CHECK(code == 0);
      for (int r = 0; r < ranks; ++r)
        CHECK(count(p.output(), tutti::format("rank %d of %d: %d\n", r, ranks, ranks * (ranks + 1) / 2)) >= 1);
      for (int odd : {0, 1}) {
        const int members = (ranks + 1 - odd) / 2;
        for (int r = 0; r < members; ++r)
          CHECK(count(p.output(), tutti::format("half %d, rank %d of %d: %d\n", odd, r, members, members * (members + 1) / 2)) == 1);
      }
      CHECK(nobody_left());
    }
}

TEST_CASE("mpi: what cannot be handed in is an error that says what and why") {
  for (const implementation& i : implementations()) {
    CAPTURE(i.name);
    process p = start(i, 2, "bad");
    const int code = p.wait();
    CAPTURE(p.errors());
    CAPTURE(p.output());
    CHECK(code == 0);
    for (const char* line :
         {"before: launch: mpi_bootstrap: call MPI_Init first\n", "after: launch: mpi_bootstrap: after MPI_Finalize\n",
          "null: invalid argument: mpi_bootstrap: MPI_COMM_NULL: give it an intracommunicator, such as MPI_COMM_WORLD\n",
          "between: invalid argument: mpi_bootstrap: an intercommunicator: give it",
          "thread: invalid argument: mpi_bootstrap: this is not the thread that called MPI_Init"})
      CHECK(count(p.output(), line) == 2);
    CHECK(nobody_left());
  }
}
