#include <tutti/comm/messages.hpp>

#include <doctest/doctest.h>

#include <random>
#include <string>

#include "faults.hpp"

using namespace tutti;
using namespace faults;

TEST_CASE("messages between processes, on windows, on messages and on both, by a seed") {
  const std::string seed = std::to_string(std::random_device{}() % 1000000);
  struct world {
    const char* link;
    int ranks;
  };
  for (const world& w : {world{"", 1}, {"window", 2}, {"window", 3}, {"window", 6}, {"message", 2}, {"message", 4}, {"", 2}, {"", 4}}) {
    const auto ended = ranks::start({FAULTS_PROGRAM, "--ranks", std::to_string(w.ranks), *w.link ? "cases" : "mixed", seed, w.ranks > 3 ? "8" : "20"},
                                    {{"TUTTI_LINK", w.link}, {"TUTTI_DEADLINE", "60"}});
    INFO(std::string(w.link) << ", " << w.ranks << " ranks, seed " << seed << ": " << ended.output);
    CHECK(ended.code == 0);
    CHECK(ended.left_behind == "");
    CHECK(ended.output == format("%d ranks: right\n", w.ranks));
  }
}

TEST_CASE("no message allocates after the first of its kind") {
  for (const char* ranks : {"1", "2", "4"}) {
    const auto ended = ranks::start({FAULTS_PROGRAM, "--ranks", ranks, "allocations"}, {{"TUTTI_LINK", *ranks == '1' ? "" : "window"}, {"TUTTI_DEADLINE", "60"}});
    INFO(std::string(ranks) << " ranks: " << ended.output);
    CHECK(ended.code == 0);
  }
}

TEST_CASE("a receive of another length or type than was sent is an error that names both, on every rank") {
  for (const char* link : {"window", "message"})
    for (const char* fault : {"count", "count-later", "type", "type-later"})
      for (const char* count : {"1000", "100000"}) {
        const report r = with_fault(fault, 3, 1, link, count);
        INFO(std::string(fault) << " of " << std::string(count) << ", " << std::string(link) << ":\n" << r.ended.output);
        CHECK(r.ended.code != 0);
        CHECK(r.ended.left_behind == "");
        CHECK(r.told == all_but(3, -1));
        REQUIRE(r.sentences.size() == 1);
        const bool type = std::string(fault).find("type") == 0;
        CHECK(*r.sentences.begin() == format("ranks called different things: rank 0 called recv of %s float, from rank 1, tag 3, rank 1 called send of %d %s, to rank 0, tag 3",
                                             count, std::atoi(count) - !type, type ? "int" : "float"));
        CHECK(r.ended.output.find("was changed") == std::string::npos);
      }
}

TEST_CASE("a rank that is killed or stopped while others send to it or receive from it is named by all") {
  for (const char* link : {"window", "message"})
    for (const char* fault : {"kill", "kill-middle", "kill-receiver", "stop-middle"})
      for (int culprit : {0, 2}) {
        if (culprit == 0 && std::string(fault) != "kill-middle") continue;
        const report r = with_fault(fault, 3, culprit, link, "3000000");
        INFO(std::string(fault) << " " << culprit << ", " << std::string(link) << ":\n" << r.ended.output);
        CHECK(r.ended.code != 0);
        CHECK(r.ended.left_behind == "");
        std::set<int> told = r.told;
        told.erase(culprit);  // the launcher reports it too
        CHECK(told == all_but(3, culprit));
        int named = 0;
        for (const std::string& s : r.sentences)
          named += s.find(format("rank %d (", culprit)) == 0 && s.find("operation ") != std::string::npos;
        CHECK(named == 1);
        CHECK(r.ended.output.find("was changed") == std::string::npos);
      }
}

TEST_CASE("two ranks that both send what is long are told at the deadline what each waits for") {
  for (const char* link : {"window", "message"})
    for (int ranks : {2, 3}) {
      // Where the machine holds a rank up for as long, another may be named.
      std::string deadline;
      const auto either = [&](const std::string& said) {
        const char* waits = "rank %d waited %s s in send of 100000 float, to rank %d, tag 2; rank %d lives, and waits in send of 100000 float, to rank %d, tag 2";
        return said == format(waits, 0, deadline.c_str(), 1, 1, 0) || said == format(waits, 1, deadline.c_str(), 0, 0, 1) ||
               // Rank 2 waits in a barrier for both, and may be first to say so.
               (ranks == 3 && said.find("was not joined within " + deadline + " s by ranks 0, 1, which live") != std::string::npos);
      };
      const report r = with_deadline("both-send", ranks, 0, link, "100000", 1.5, [&](const report& of, const std::string& within) {
        deadline = within;
        return of.sentences.size() == 1 && either(*of.sentences.begin());
      });
      INFO(std::string(link) << ":\n" << r.ended.output);
      CHECK(r.ended.left_behind == "");
      CHECK(r.told == all_but(ranks, -1));
      REQUIRE(r.sentences.size() == 1);
      CHECK(either(*r.sentences.begin()));
      CHECK(r.ended.output.find("message 7: send of 100000 float, to rank ") != std::string::npos);
    }
}

TEST_CASE("a message that never comes is an error: from a rank that is late, that has left, or from oneself") {
  for (const char* link : {"window", "message"}) {
    std::string meant;
    report r = with_deadline("late", 2, 1, link, "1000", 1.5, [&](const report& of, const std::string& within) {
      meant = "rank 0 waited " + within + " s in recv of 1000 float, from rank 1, tag 2; rank 1 lives";
      return of.sentences.count(meant) == 1;
    });
    INFO(std::string(link) << ":\n" << r.ended.output);
    CHECK(r.told.count(0) == 1);
    CHECK(r.sentences.count(meant) == 1);
    r = with_fault("leave", 3, 1, link);
    INFO(r.ended.output);
    CHECK(r.told == all_but(3, 1));
    REQUIRE(r.sentences.size() == 1);
    CHECK(r.sentences.begin()->find("rank 1 left the communicator") == 0);
    const auto own = [&](const report& of, const std::string& within) {
      if (of.sentences.size() != 1) return false;
      const std::string& said = *of.sentences.begin();
      return said == "rank 1 waited " + within + " s in recv of 10 float, from rank 1, tag 2; rank 1 is the same" ||
             said.find("was not joined within " + within + " s by rank 1, which lives") != std::string::npos;
    };
    bool right = false;
    r = with_deadline("own", 2, 1, link, "10", 1.5, [&](const report& of, const std::string& within) { return right = own(of, within); });
    INFO(r.ended.output);
    CHECK(r.told == all_but(2, -1));
    REQUIRE(r.sentences.size() == 1);
    CHECK(right);
  }
}
