#include <tutti/comm/diagnosis.hpp>

#include <doctest/doctest.h>

#include "faults.hpp"

using namespace tutti;
using namespace faults;

TEST_CASE("ranks that call different things are told what both called, and no receive buffer changes") {
  // Where there are no windows, two ranks do what four do.
  for (const char* link : {"window", "message"})
    for (int ranks = *link == 'w' ? 2 : 4; ranks <= 4; ranks += 2)
      for (const char* count : {"1000", "200000"})
        for (const char* fault : {"count", "type", "operation", "root", "kind", "algorithm", "own-root", "silent-kind"}) {
          const report r = with_fault(fault, ranks, 1, link, count);
          INFO(std::string(fault) << ", " << ranks << " ranks, count " << std::string(count) << ", " << std::string(link) << ":\n" << r.ended.output);
          CHECK(r.ended.code != 0);
          CHECK(r.ended.left_behind == "");
          CHECK(r.told == all_but(ranks, -1));
          CHECK(r.sentences.size() == 1);
          if (r.sentences.empty()) continue;
          const std::string& text = *r.sentences.begin();
          CHECK(text.find("ranks called different things: rank ") == 0);
          // Where rank 1 alone is astray, it is one of the two.
          const bool several = std::string(fault) == "own-root" || std::string(fault) == "silent-kind";
          CHECK((several ? text.find(", rank ") : text.find("rank 1 called ")) != std::string::npos);
          CHECK(text.find("operation ") != std::string::npos);
          CHECK(r.ended.output.find("was changed") == std::string::npos);
          CHECK(r.ended.output.find("nothing was noticed") == std::string::npos);
        }
}

TEST_CASE("so they are where one rank is in a round that all see, and another sends") {
  for (const char* fault : {"round-algorithm", "round-reduce"})
    for (const char* count : {"2", "1000"})
      for (int astray : {0, 3}) {
        const report r = with_fault(fault, 4, astray, "window", count);
        INFO(std::string(fault) << " of rank " << astray << ", count " << std::string(count) << ":\n" << r.ended.output);
        CHECK(r.ended.code != 0);
        CHECK(r.ended.left_behind == "");
        CHECK(r.told == all_but(4, -1));
        REQUIRE(r.sentences.size() == 1);
        CHECK(r.sentences.begin()->find("ranks called different things: rank ") == 0);
        CHECK(r.sentences.begin()->find(format("rank %d called ", astray)) != std::string::npos);
        CHECK(r.sentences.begin()->find(" as operation 6") != std::string::npos);
        CHECK(r.ended.output.find("was changed") == std::string::npos);
        CHECK(r.ended.output.find("nothing was noticed") == std::string::npos);
      }
}

TEST_CASE("ranks that count blocks differently are told which and how, and no receive buffer changes") {
  for (const char* link : {"window", "message"})
    for (int ranks = *link == 'w' ? 2 : 4; ranks <= 4; ranks += 2)
      for (const long n : {10L, 30000L}) {
        const long last = ranks - 1;
        const std::pair<const char*, std::string> all[] = {
            {"counts", format("; the count of rank %ld is ", last)},
            {"counts-reduce", format("; the count of rank %ld is ", last)},
            {"counts-several", "; the counts of several ranks differ"},
            {"counts-gather", format("; rank 1 sends %ld elements to rank 0, which expects %ld", n + 2, n + 1)},
            {"counts-scatter", format("; rank 0 sends %ld elements to rank 1, which expects %ld", n + 1, n + 2)},
            {"counts-pair", format("; rank 1 sends %ld elements to rank %ld, which expects %ld", n + 1, ranks == 2 ? 0 : last, n)},
        };
        for (const auto& [fault, sentence] : all) {
          const report r = with_fault(fault, ranks, 1, link, std::to_string(n).c_str());
          INFO(std::string(fault) << ", " << ranks << " ranks, count " << n << ", " << std::string(link) << ":\n" << r.ended.output);
          CHECK(r.ended.code != 0);
          CHECK(r.ended.left_behind == "");
          CHECK(r.told == all_but(ranks, -1));
          CHECK(r.sentences.size() == 1);
          if (r.sentences.empty()) continue;
          const std::string& text = *r.sentences.begin();
          CHECK(text.find("ranks called different things: rank ") == 0);
          CHECK(text.find("rank 1 called ") != std::string::npos);
          CHECK(text.find(sentence) != std::string::npos);
          if (sentence.find("; the count of") == 0) {
            CHECK(text.find(format("%ld to rank 1", n + last + 1)) != std::string::npos);
            CHECK(text.find(format(" %ld to rank ", n + last)) != std::string::npos);
          }
          CHECK(r.ended.output.find("was changed") == std::string::npos);
          CHECK(r.ended.output.find("nothing was noticed") == std::string::npos);
        }
      }
}

TEST_CASE("in a part of the ranks, errors name ranks of the session and the part's operation") {
  struct expected {
    const char *fault, *begin, *end;
  };
  // Ranks 3 and 1 are a part, in this order; its first operation went well.
  const expected all[] = {
      {"part-count", "ranks called different things: rank ", " as operation 2 of communicator "},
      {"part-operation", "rank 3: operation 2 of communicator ", " (ranks 3, 1) (all_reduce of 1000 float, "},
      {"part-late", "operation 2 of communicator ", ""},
      {"part-leave", "rank 3 left the communicator before operation 2 of communicator ", " (ranks 3, 1) (all_reduce of "},
      {"part-kill", "rank 3 (", " could not be completed"},
  };
  for (const char* link : {"window", "message"})
    for (const expected& e : all) {
      const bool late = std::string(e.fault) == "part-late";
      std::string end = e.end;
      const report r = !late ? with_fault(e.fault, 5, 3, link, "1000")
                             : with_deadline(e.fault, 5, 3, link, "1000", 1, [&](const report& of, const std::string& within) {
                                 end = " was not joined within " + within + " s by rank 3, which lives";
                                 return of.ended.output.find(end) != std::string::npos;
                               });
      INFO(std::string(e.fault) << ", " << std::string(link) << ":\n" << r.ended.output);
      CHECK(r.ended.code != 0);
      CHECK(r.ended.left_behind == "");
      std::set<std::string> named;
      int found = 0;
      for (const std::string& s : r.sentences)
        if (s.find(e.begin) == 0) {
          found += s.find(end) != std::string::npos;
          named.insert(s);
        }
      CHECK(found == 1);
      CHECK(named.size() == 1);
      std::set<int> told = r.told;
      told.insert(3);  // late, or dead
      CHECK(told == all_but(5, -1));
      if (std::string(e.fault) == "part-count") {
        const std::string& s = *named.begin();
        CHECK(s.find("rank 1 called all_reduce of 1000 float") != std::string::npos);
        CHECK(s.find("rank 3 called all_reduce of 999 float") != std::string::npos);
        CHECK(s.find(" (ranks 3, 1)") != std::string::npos);
        CHECK(r.ended.output.find("error of rank ") != std::string::npos);
      } else if (std::string(e.fault) != "part-kill") {
        CHECK(r.ended.output.find("error of rank 3, operation 2\n") != std::string::npos);
      }
      CHECK(r.ended.output.find("was changed") == std::string::npos);
      CHECK(r.ended.output.find("nothing was noticed") == std::string::npos);
    }
}

TEST_CASE("a rank that lives but does not come is named at the deadline, and one that left at once") {
  for (const char* link : {"window", "message"}) {
    std::string meant;
    report r = with_deadline("late", 3, 1, link, "1000", 1, [&](const report& of, const std::string& within) {
      meant = "was not joined within " + within + " s by rank 1, which lives";
      return of.ended.output.find(meant) != std::string::npos;
    });
    INFO(std::string(link) << ":\n" << r.ended.output);
    CHECK(r.ended.code != 0);
    CHECK(r.told.count(0) == 1);
    CHECK(r.told.count(2) == 1);
    CHECK(r.ended.output.find(meant) != std::string::npos);
    r = with_fault("leave", 3, 1, link);
    CHECK(r.ended.code != 0);
    CHECK(r.told == all_but(3, 1));
    CHECK(r.sentences.size() == 1);
    CHECK(r.ended.output.find("rank 1 left the communicator before operation 6") != std::string::npos);
  }
}

TEST_CASE("of many who do not come the first are named") {
  std::vector<int> ranks(30);
  for (int r = 0; r < 30; ++r) ranks[static_cast<std::size_t>(r)] = 2 * r;
  CHECK(tutti::detail::living({5}) == "rank 5, which lives");
  CHECK(tutti::detail::living({0, 2}) == "ranks 0, 2, which live");
  CHECK(tutti::detail::living(ranks) == "ranks 0, 2, 4, 6, 8, 10, 12, 14 and 22 more, which live");
}

TEST_CASE("a communicator that one rank cannot make is an error of all, and nobody waits") {
  const faults::report r = faults::with_fault("channels", 3, 1, "window");
  INFO(r.ended.output);
  CHECK(r.ended.code == 1);
  CHECK(r.told == all_but(3, -1));
  REQUIRE(r.sentences.size() == 1);
  CHECK(r.sentences.begin()->find("rank 1 allows a communicator of 3 ranks ") == 0);
  CHECK(r.ended.left_behind == "");
}

TEST_CASE("a rank that is killed takes the memory that it lent with it, and nobody else") {
  for (int ranks : {2, 4})
    for (const char* count : {"5000", "3000000"}) {
      const faults::report r = faults::with_fault("kill-lender", ranks, ranks - 1, "window", count);
      INFO(ranks << " ranks, " << count << ": " << r.ended.output);
      CHECK(r.ended.code == 128 + SIGKILL);
      CHECK(r.told == faults::all_but(ranks, ranks - 1));
      REQUIRE(r.sentences.size() == 1);
      CHECK(r.sentences.begin()->find(format("rank %d (process", ranks - 1)) == 0);
      CHECK(r.sentences.begin()->find(") died; operation ") != std::string::npos);
      CHECK(r.ended.left_behind == "");
    }
}

TEST_CASE("what was read from a rank that gave up is an error, not a result") {
  const faults::report r = faults::with_fault("late-lender", 2, 1, "window", "15000", "0.4");
  INFO(r.ended.output);
  CHECK(r.ended.code != 0);
  CHECK(r.told == std::set<int>{0, 1});
  CHECK(r.sentences.size() == 1);
  CHECK(r.ended.output.find("returned a sum") == std::string::npos);
}

TEST_CASE("a rank may leave while what it last said is still on its way") {
  for (const char* link : {"window", "message"}) {
    const faults::report r = faults::with_fault("leave-at-once", 3, 1, link);
    INFO(std::string(link) << ": " << r.ended.output);
    CHECK(r.ended.code == 0);
    CHECK(r.ended.output == "");
    CHECK(r.ended.left_behind == "");
  }
}
