// Collectives on device memory between processes, by messages.
#include <doctest/doctest.h>

#include <random>
#include <string>

#include "faults.hpp"

using namespace tutti;
using namespace faults;

TEST_CASE("every collective by messages of memory that the host does not touch, within a host and as between hosts") {
  const std::string seed = std::to_string(std::random_device{}() % 1000000);
  struct world {
    const char* link;
    int ranks;
  };
  for (const world& w : {world{"window", 2}, {"message", 3}, {"", 4}}) {
    const auto ended = ranks::start({FAULTS_PROGRAM, "--ranks", std::to_string(w.ranks), *w.link ? "cases" : "mixed", seed}, {{"TUTTI_LINK", w.link}, {"TUTTI_DEADLINE", "60"}});
    INFO(std::string(w.link) << ", " << w.ranks << " ranks, seed " << seed << ": " << ended.output);
    CHECK(ended.code == 0);
    CHECK(ended.left_behind == "");
    CHECK(ended.output == format("%d ranks: right\n", w.ranks));
  }
}

TEST_CASE("a rank that is killed while others wait for its device's memory is named by all, in one error") {
  for (const char* link : {"window", "message"})
    for (int culprit : {0, 2}) {
      const report r = with_fault("kill", 3, culprit, link);
      INFO(std::string(link) << ", rank " << culprit << ":\n" << r.ended.output);
      CHECK(r.ended.code != 0);
      CHECK(r.ended.left_behind == "");
      std::set<int> told = r.told;
      told.erase(culprit);  // the launcher reports it too
      CHECK(told == all_but(3, culprit));
      int named = 0;
      for (const std::string& s : r.sentences) named += s.find(format("rank %d (", culprit)) == 0 && s.find("operation ") != std::string::npos;
      CHECK(named == 1);
      CHECK(r.ended.output.find("nothing was noticed") == std::string::npos);
    }
}
