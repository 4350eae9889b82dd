#include <tutti/comm/engine.hpp>

#include <doctest/doctest.h>

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
    r = with_fault("throwing-number", 3, 2, link);
    CHECK(r.told == all_but(3, -1));
    CHECK(r.ended.output.find("threw: something that is no std::exception") != std::string::npos);
  }
}

TEST_CASE("a rank that is killed, or stopped, is named by every other") {
  for (const char* link : {"window", "message"})
    for (const char* fault : {"kill", "stop", "kill-tested", "kill-root"})
      for (int which : {0, 1, 2}) {
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
