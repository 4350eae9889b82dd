#include <tutti/launch/run_ranks.hpp>

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "process.hpp"

using tests::count;
using tests::has;
using tests::nobody_left;
using tests::process;
using tests::script;

TEST_CASE("run ranks: one rank where nothing is said") {
  process p({RANKS_PROBE, "gather"});
  CHECK(p.wait() == 0);
  CHECK(p.output() == "once rank 0 of 1 has all, arguments 1\n");
}

TEST_CASE("run ranks: a bad flag is refused before anything starts") {
  process p({RANKS_PROBE, "--ranks", "x"});
  CHECK(p.wait() == 1);
  CHECK(p.errors() == "--ranks: 'x' is not a number from 1 to 4096\n");
  CHECK(!has(p.output(), "has all"));
}

TEST_CASE("run ranks: bad settings are refused, and named") {
  for (const char* name : {"TUTTI_GRACE", "TUTTI_DEADLINE", "TUTTI_JOIN_TIMEOUT"}) {
    CAPTURE(name);
    process p({RANKS_PROBE}, {std::string(name) + "=soon"});
    CHECK(p.wait() == 1);
    CHECK(has(p.errors(), std::string(name) + " is 'soon': it takes a number from "));
  }
}

TEST_CASE("run ranks: --ranks beside a launcher must say the same") {
  tests::settings two{"RANK=1", "WORLD_SIZE=2", "MASTER_ADDR=127.0.0.1"};
  process p({RANKS_PROBE, "--ranks", "3"}, two);
  CHECK(p.wait() == 1);
  CHECK(p.errors() ==
        "rank 1: --ranks 3, but RANK and WORLD_SIZE started 2 ranks: leave it out, or start one process\n");
}

TEST_CASE("run ranks: a launcher of one process leaves room for --ranks") {
  process p({RANKS_PROBE, "--ranks", "2"}, {"RANK=0", "WORLD_SIZE=1", "MASTER_ADDR=127.0.0.1"});
  CHECK(p.wait() == 0);
  CHECK(count(p.output(), " of 2 has all") == 2);
  CHECK(nobody_left());
}

TEST_CASE("run ranks: a rank alone that throws") {
  process p({RANKS_PROBE, "throw", "0"});
  CHECK(p.wait() == 1);
  CHECK(p.errors() == "rank 0: out of luck\n");
}

TEST_CASE("run ranks: between two network namespaces, by IPv4 and IPv6") {
  for (const char* address : {"10.77.0.1", "fd00:77::1"}) {
    CAPTURE(address);
    script s("namespaces.sh", {address, RANKS_PROBE});
    if (s.skipped()) return;
    CHECK(s.code == 0);
    CHECK(s.errors == "");
    CHECK(count(s.output, "rank 0 of 2 has all") == 1);
    CHECK(count(s.output, "rank 1 of 2 has all") == 1);
    CHECK(nobody_left());
  }
}

TEST_CASE("run ranks: between two network namespaces a rank that is killed is named") {
  script s("namespaces.sh", {"10.77.0.1", RANKS_PROBE, "kill", "1"});
  if (s.skipped()) return;
  CHECK(s.code == 1);
  CHECK(has(s.errors, "rank 0: rank 1 ("));
  CHECK(has(s.errors, ") closed its connection"));
  CHECK(nobody_left());
}

TEST_CASE("run ranks: under srun") {
  script s("slurm.sh", {"srun", "-n", "3", RANKS_PROBE});
  if (s.skipped()) return;
  CHECK(s.code == 0);
  CHECK(s.errors == "");
  for (int r = 0; r < 3; ++r) CHECK(count(s.output, tutti::format("rank %d of 3 has all", r)) == 1);
  CHECK(nobody_left());
}

TEST_CASE("run ranks: under srun two jobs at once do not meet, and a rank that gives up is named") {
  script s("slurm.sh", {"sh", "-c", "srun -n 3 \"$0\" throw 2 & srun -n 2 \"$0\"; wait", RANKS_PROBE});
  if (s.skipped()) return;
  CHECK(count(s.output, " of 2 has all") == 2);
  CHECK(count(s.errors, "rank 2: out of luck\n") == 1);
  CHECK(count(s.errors, "rank 0: rank 2 gave up: out of luck\n") == 1);
  CHECK(count(s.errors, "rank 1: rank 2 gave up: out of luck\n") == 1);
  CHECK(nobody_left());
}

TEST_CASE("run ranks: mpirun without the header that knows PMIx is an error that says so") {
  process p({"mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2", RANKS_PROBE});
  int code = p.wait();
  if (code == 127) {
    MESSAGE("skipped: mpirun is not installed");
    return;
  }
  CHECK(code == 1);
  CHECK(has(p.errors(), "started by mpirun, but this program does not know PMIx: include <tutti/launch/pmix.hpp> and link "
                        "libpmix (pkg-config pmix)\n"));
  CHECK(nobody_left());
}
