#include <tutti/launch/pmix.hpp>

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "process.hpp"

using tests::count;
using tests::has;
using tests::nobody_left;
using tests::process;

static_assert(tutti::bootstrap<tutti::pmix_bootstrap>);

namespace {

process under_mpirun(int ranks, std::vector<std::string> words) {
  words.insert(words.begin(), {"mpirun", "--allow-run-as-root", "--oversubscribe", "-n", std::to_string(ranks),
                               RANKS_PROBE_PMIX});
  return process(words);
}

bool has_mpirun() {
  process p({"mpirun", "--version"});
  if (p.wait() == 0) return true;
  MESSAGE("skipped: mpirun is not installed");
  return false;
}

}  // namespace

TEST_CASE("pmix: the header makes itself known") {
  CHECK(tutti::detail::pmix_registered);
  CHECK(static_cast<bool>(tutti::detail::join_through_pmix));
}

TEST_CASE("pmix: ranks under mpirun gather what they have") {
  if (!has_mpirun()) return;
  for (int ranks : {1, 2, 5}) {
    CAPTURE(ranks);
    process p = under_mpirun(ranks, {});
    CHECK(p.wait() == 0);
    for (int r = 0; r < ranks; ++r) CHECK(count(p.output(), tutti::format("rank %d of %d has all", r, ranks)) == 1);
    CHECK(nobody_left());
  }
}

TEST_CASE("pmix: a rank that throws, returns an error or is killed ends the job") {
  if (!has_mpirun()) return;
  struct {
    const char* what;
    int code;
    const char* text;
  } cases[] = {{"throw", 1, "rank 1: out of luck\n"}, {"return", 3, "Exit code:    3"}, {"kill", 137, "on signal 9 (Killed)"}};
  for (auto [what, code, text] : cases) {
    CAPTURE(what);
    process p = under_mpirun(3, {what, "1"});
    int ended = p.wait();
    CAPTURE(ended);
    // mpirun tells of the first that it sees, which may be one of those that missed rank 1, and end with 1.
    CHECK((ended == code || ended == 1));
    std::string errors = p.errors();
    CAPTURE(errors);
    CHECK((has(errors, text) || has(errors, "rank 1 of 3 ended while others waited")));
    CHECK(!has(p.output(), "has all"));
    CHECK(nobody_left());
  }
}

TEST_CASE("pmix: a rank that met the others and gave nothing has ended, by what they say") {
  if (!has_mpirun()) return;
  process p = under_mpirun(3, {"mute", "1"});
  CHECK(p.wait() == 1);
  CHECK(has(p.errors(), "rank 1 of 3 ended while others waited for an all-gather of the bootstrap"));
  CHECK(!has(p.output(), "has all"));
  CHECK(nobody_left());
}

TEST_CASE("pmix: --ranks must say what mpirun says, unless that started one process") {
  if (!has_mpirun()) return;
  process p = under_mpirun(2, {"--ranks", "3"});
  CHECK(p.wait() == 1);
  CHECK(has(p.errors(), "--ranks 3, but PMIx (mpirun) started 2 ranks"));
  process q = under_mpirun(1, {"--ranks", "3"});
  CHECK(q.wait() == 0);
  CHECK(count(q.output(), " of 3 has all") == 3);
  CHECK(nobody_left());
}

TEST_CASE("pmix: outside of mpirun the header changes nothing") {
  process p({RANKS_PROBE_PMIX, "--ranks", "2"});
  CHECK(p.wait() == 0);
  CHECK(count(p.output(), " of 2 has all") == 2);
}

TEST_CASE("pmix: a server that is not there is an error") {
  process p({RANKS_PROBE_PMIX}, {"PMIX_RANK=0", "PMIX_NAMESPACE=none"});
  CHECK(p.wait() == 1);
  CHECK(has(p.errors(), "rank 0: PMIx_Init: "));
}
