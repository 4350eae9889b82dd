#include <tutti/comm/engine.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "faults.hpp"

using namespace tutti;
using namespace faults;

TEST_CASE("a rank that throws is named with what it threw, everywhere") {
  for (const char* link : {"window", "message"}) {
    report r = with_fault("throw", 3, 1, link);
    INFO(std::string(link) << ":\n" << r.ended.output);
    CHECK(r.ended.code != 0);
    CHECK(r.ended.left_behind == "");
    CHECK(r.told == all_but(3, -1));
    CHECK(r.sentences == std::set<std::string>{"a full disk", "rank 1 failed: a full disk"});
    r = with_fault("throwing-operation", 3, 2, link);
    CHECK(r.told == all_but(3, -1));
    CHECK(r.sentences.size() == 1);
    CHECK(r.sentences.begin()->find("rank 2: operation 6 (all_reduce of 1000 float, ") == 0);
    CHECK(r.sentences.begin()->find("threw: does not add today") != std::string::npos);
    r = with_fault("throwing-later", 2, 1, link);
    CHECK(r.told == all_but(2, -1));
    REQUIRE(r.sentences.size() == 1);
    CHECK(r.sentences.begin()->find("rank 1: operation 305 (all_reduce of 1000 float, ") == 0);
    CHECK(r.sentences.begin()->find("threw: does not add today") != std::string::npos);
    r = with_fault("throwing-number", 3, 2, link);
    CHECK(r.told == all_but(3, -1));
    CHECK(r.ended.output.find("threw: something that is no std::exception") != std::string::npos);
  }
}

TEST_CASE("whatever happens while ranks write into each other's buffers is an error everywhere") {
  for (const char* fault : {"kill-writer", "stop-writer"}) {
    const report r = with_fault(fault, 3, 1, "window", "300000");
    INFO(fault << ":\n" << r.ended.output);
    CHECK(r.ended.code != 0);
    CHECK(r.ended.left_behind == "");
    std::set<int> told = r.told;
    told.erase(1);  // the launcher reports it too
    CHECK(told == all_but(3, 1));
    CHECK(r.sentences.begin()->find("rank 1 (") == 0);
    CHECK(r.ended.output.find("operation 7") != std::string::npos);
  }
  report r = with_fault("throwing-writer", 3, 2, "window", "300000");
  INFO(r.ended.output);
  CHECK(r.told == all_but(3, -1));
  CHECK(r.sentences.size() == 1);
  CHECK(r.sentences.begin()->find("rank 2: operation 6 (all_reduce of 300000 float, ") == 0);
  r = with_fault("count-lent", 3, 1, "window", "300000");
  INFO(r.ended.output);
  CHECK(r.told == all_but(3, -1));
  CHECK(r.ended.output.find("ranks called different things") != std::string::npos);
  CHECK(r.ended.output.find("a receive buffer was changed") == std::string::npos);
}

TEST_CASE("every rank logs the last operations that led to the verdict") {
  for (const char* link : {"window", "message"}) {
    const report r = with_fault("throwing-operation", 3, 2, link);
    INFO(std::string(link) << ":\n" << r.ended.output);
    const std::string& all = r.ended.output;
    REQUIRE(r.sentences.size() == 1);
    for (int rank = 0; rank < 3; ++rank) {
      // Whoever had not come to operation 6 when it was called off has five to tell of.
      std::size_t at = std::string::npos;
      int operations = 7;
      while (at == std::string::npos && operations > 5)
        at = all.find(format("tutti error, rank %d: %s\n  the last %d operations:\n    operation 1: all_reduce of 1000 float, sum, ", rank,
                             r.sentences.begin()->c_str(), --operations));
      REQUIRE(at != std::string::npos);
      if (rank == 2) REQUIRE(operations == 6);
      const std::size_t last = all.find(format("    operation %d: all_reduce of 1000 float, ", operations), at);
      REQUIRE(last != std::string::npos);
      const std::size_t line_end = all.find('\n', last);
      CHECK(all.substr(last, line_end - last).find(operations == 6 ? "picky, ring: under way, begun " : ": done, begun ") != std::string::npos);
      CHECK(all.find(format("tutti error, rank %d: ", rank), line_end) == std::string::npos);  // once
    }
  }
}

TEST_CASE("TUTTI_LOG=trace prints each operation as it ends, and off nothing; a name that is none is told by rank 0") {
  auto output = [](const char* level) {
    const auto ended = ranks::start({FAULTS_PROGRAM, "--ranks", "2", "nothing"}, {{"TUTTI_LOG", level}, {"TUTTI_LNIK", "window"}}, 60);
    CHECK(ended.code == 0);
    return ended.output;
  };
  auto times = [](const std::string& text, const char* what) {
    int n = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
    return n;
  };
  const std::string all = output("trace");
  INFO(all);
  CHECK(times(all, "tutti trace, rank 0: operation ") == 7);
  CHECK(times(all, "tutti trace, rank 1: operation 5: all_reduce of 1000 float, sum, ") == 1);
  CHECK(times(all, "tutti trace, rank 1: operation 7: barrier: done after ") == 1);
  CHECK(times(all, " us\n") == 14);
  const std::string usual = output("warn");
  INFO(usual);
  CHECK(times(usual, "trace") == 0);
  CHECK(times(usual, "tutti warn, rank 0: TUTTI_LNIK in the environment is no name that Tutti knows; the nearest is TUTTI_LINK\n") == 1);
  CHECK(times(usual, "TUTTI_LNIK") == 1);
  CHECK(times(output("error"), "TUTTI_LNIK") == 0);
}

TEST_CASE("a rank that is killed, or stopped, is named by every other") {
  for (const char* link : {"window", "message"})
    for (const char* fault : {"kill", "stop", "kill-tested", "kill-watched", "kill-root"})
      for (int which : {0, 1, 2}) {
        // It takes seconds until a stopped one is missed: once a link, the first rank and the last.
        if (*fault == 's' && which != (*link == 'w')) continue;
        const int ranks = which < 2 ? 3 : 2, culprit = which == 1 ? 2 : 0;
        const report r = with_fault(fault, ranks, culprit, link, "300000");
        INFO(std::string(fault) << " " << culprit << " of " << ranks << ", " << std::string(link) << ":\n" << r.ended.output);
        CHECK(r.ended.code != 0);
        CHECK(r.ended.left_behind == "");
        std::set<int> told = r.told;
        told.erase(culprit);  // the launcher reports it too
        CHECK(told == all_but(ranks, culprit));
        int named = 0;
        for (const std::string& s : r.sentences)
          named += s.find(format("rank %d (", culprit)) == 0 && s.find("operation ") != std::string::npos;
        CHECK(named == 1);
        CHECK(r.ended.output.find("garbage") == std::string::npos);
      }
}

namespace {
ranks::ended shrink(const char* link, int ranks, std::vector<std::string> words, bool survive = true, const char* deadline = "20") {
  std::vector<std::string> all = {SHRINK_PROGRAM, "--ranks", std::to_string(ranks)};
  if (survive) all.push_back("--survive");
  all.insert(all.end(), words.begin(), words.end());
  return ranks::start(all, {{"TUTTI_LINK", link}, {"TUTTI_DEADLINE", deadline}, {"TUTTI_GRACE", "1"}, {"TUTTI_LOG", "off"}, {"UCX_LOG_LEVEL", "fatal"}}, 60);
}
bool says(const ranks::ended& r, const std::string& line) { return r.output.find(line + "\n") != std::string::npos; }
}  // namespace

TEST_CASE("ranks that survive a failure, and another, shrink and go on under their old numbers") {
  for (const char* link : {"window", "message"}) {
    ranks::ended r = shrink(link, 5, {"kill", "3", "0", "1"});
    INFO(std::string(link) << ":\n" << r.output);
    CHECK(r.code == 0);
    CHECK(r.left_behind == "");
    CHECK(says(r, "rank 2 is 0 of 2,4"));
    CHECK(says(r, "rank 4 is 1 of 2,4"));
    CHECK(says(r, "rank 4: rank died by rank 3"));
    CHECK(says(r, "rank 4: rank died by rank 0"));
    CHECK(says(r, "rank 4: rank died by rank 1"));
    r = shrink(link, 2, {"kill", "0"});
    INFO(r.output);
    CHECK(r.code == 0);
    CHECK(says(r, "rank 1 is 0 of 1"));
    r = shrink(link, 3, {"alive", "1"});  // only the call was wrong
    INFO(r.output);
    CHECK(r.code == 0);
    for (int rank = 0; rank < 3; ++rank) CHECK(says(r, format("rank %d is %d of 0,1,2", rank, rank)));
    r = shrink(link, 4, {"throw", "1"});  // its own failure is the program's
    INFO(r.output);
    CHECK(r.code == 1);
    CHECK(says(r, "rank 3 is 2 of 0,2,3"));
  }
}

TEST_CASE("a rank that comes too late is given up, and told so; one that never goes on is ended by the launcher") {
  for (const char* link : {"window", "message"}) {
    ranks::ended r = shrink(link, 3, {"late", "0"}, true, "0.5");
    INFO(std::string(link) << ":\n" << r.output);
    CHECK(r.code == 0);
    CHECK(says(r, "rank 2 is 1 of 1,2"));
    CHECK(r.output.find("rank 0: rank 0 was given up by the other ranks, which can go on without it: ") != std::string::npos);
    CHECK(r.output.find("ended with exit code 75\n") != std::string::npos);
    r = shrink(link, 3, {"stop", "1"});
    INFO(r.output);
    CHECK(r.code == 0);
    CHECK(r.left_behind == "");
    CHECK(says(r, "rank 2 is 1 of 0,2"));
    CHECK(says(r, "rank 2: rank stopped by rank 1"));
  }
}

TEST_CASE("without --survive a rank's end is everyone's") {
  const ranks::ended r = shrink("window", 3, {"kill", "1"}, false);
  INFO(r.output);
  CHECK(r.code == 128 + SIGKILL);
}
