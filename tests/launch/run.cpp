#include <tutti/launch/run.hpp>

#include <cstdlib>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "job.hpp"

using tests::count;
using tests::has;
using tests::nobody_left;
using tests::process;

namespace {

/// Sums 1 + … + ranks, and says so once a rank.
void check_sums(const std::string& output, int ranks) {
  for (int r = 0; r < ranks; ++r)
    CHECK(count(output, tutti::format("rank %d of %d: sum %d\n", r, ranks, ranks * (ranks + 1) / 2)) == 1);
}

}  // namespace

TEST_CASE("run: alone, and as local processes") {
  process alone({RUN_PROBE});
  CHECK(alone.wait() == 0);
  check_sums(alone.output(), 1);
  for (int ranks : {1, 2, 3, 5}) {
    CAPTURE(ranks);
    process p({RUN_PROBE, "--ranks", std::to_string(ranks)});
    CHECK(p.wait() == 0);
    CHECK(p.errors() == "");
    check_sums(p.output(), ranks);
    CHECK(nobody_left());
  }
}

TEST_CASE("run: as ranks that meet over tcp") {
  tests::job j{.size = 3, .program = RUN_PROBE};
  std::string output;
  for (process& p : j.all()) {
    CHECK(p.wait() == 0);
    CHECK(p.errors() == "");
    output += p.output();
  }
  check_sums(output, 3);
}

TEST_CASE("run: a rank that throws, or is killed, is named by the others in their next call") {
  struct {
    const char* what;
    int code;
    const char* text;
  } cases[] = {{"throw", 1, "out of luck"}, {"throw-other", 1, "an exception that is no std::exception"}, {"kill", 137, "rank 1"}};
  for (auto [what, code, text] : cases) {
    CAPTURE(what);
    process p({RUN_PROBE, "--ranks", "3", what, "1"});
    CHECK(p.wait() == code);
    std::string errors = p.errors();
    CAPTURE(errors);
    for (int r : {0, 2}) CHECK(has(errors, tutti::format("rank %d: ", r)));
    CHECK(count(errors, text) >= 3);
    CHECK(!has(p.output(), "sum"));
    CHECK(nobody_left());
  }
}

TEST_CASE("run: ranks that named different roots in their last call fail, and those whose communicators end in unlike orders do not") {
  for (const char* link : {"window", "message"}) {
    CAPTURE(link);
    ::setenv("TUTTI_LINK", link, 1);
    for (const char* ranks : {"2", "3"}) {
      CAPTURE(ranks);
      process astray({RUN_PROBE, "--ranks", ranks, "own-root"});
      CHECK(astray.wait() == 1);
      const std::string errors = astray.errors();
      CAPTURE(errors);
      CHECK(has(errors, "ranks called different things: rank "));
      CHECK(has(errors, "called broadcast of 2 int, root "));
      CHECK(nobody_left());
      process fine({RUN_PROBE, "--ranks", ranks, "unlike-ends"});
      CHECK(fine.wait() == 0);
      CHECK(fine.errors() == "");
      CHECK(nobody_left());
    }
  }
  ::unsetenv("TUTTI_LINK");
}

#if defined(RUN_PROBE_PMIX)
TEST_CASE("run: under mpirun") {
  process p({"mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "3", RUN_PROBE_PMIX});
  int code = p.wait();
  if (code == 127) {
    MESSAGE("skipped: mpirun is not installed");
    return;
  }
  CHECK(code == 0);
  check_sums(p.output(), 3);
  CHECK(nobody_left());
}
#endif

TEST_CASE("run: under srun") {
  tests::script s("slurm.sh", {"srun", "-n", "3", RUN_PROBE});
  if (s.skipped()) return;
  CHECK(s.code == 0);
  check_sums(s.output, 3);
}

TEST_CASE("run: between two network namespaces") {
  tests::script s("namespaces.sh", {"10.77.0.1", RUN_PROBE});
  if (s.skipped()) return;
  CHECK(s.code == 0);
  CHECK(s.errors == "");
  check_sums(s.output, 2);
}
