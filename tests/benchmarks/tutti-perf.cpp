#include "../launch/process.hpp"

namespace {

/// The lines of standard output that are no comment.
std::vector<std::string> rows(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    if (text[at] != '#') lines.push_back(text.substr(at, end - at));
    at = end == std::string::npos ? text.size() : end + 1;
  }
  return lines;
}

}  // namespace

TEST_CASE("every collective on 1, 2 and 3 ranks by every algorithm, every result right") {
  for (const char* op : {"all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce", "barrier", "gather", "scatter", "all_to_all", "scan",
                         "exclusive_scan"})
    for (const char* ranks : {"1", "2", "3"}) {
      CAPTURE(op);
      CAPTURE(ranks);
      tests::process perf({TUTTI_PERF, op, "--ranks", ranks, "--min", "0", "--max", "300K", "--factor", "100", "--algorithm",
                           "all", "--iterations", "4", "--json"});
      const int code = perf.wait();
      CAPTURE(perf.errors());
      CHECK(code == 0);
      const auto lines = rows(perf.output());
      CHECK(lines.size() > (std::string(op) == "barrier" ? 0 : 4));
      for (const std::string& line : lines) {
        std::size_t at = 0;
        for (const char* key : {"{\"op\": ", "\"ranks\": ", "\"bytes\": ", "\"type\": ", "\"algorithm\": ", "\"usec_median\": ",
                                "\"usec_p99\": ", "\"usec_model\": ", "\"algbw\": ", "\"busbw\": ", "\"wrong\": 0}"}) {
          CAPTURE(line);
          CAPTURE(key);
          at = line.find(key, at);
          REQUIRE(at != std::string::npos);
        }
      }
    }
}

TEST_CASE("every type and operation") {
  for (const char* type : {"char", "int", "int64", "uint64", "half", "bfloat16", "float", "double"})
    for (const char* op : {"sum", "prod", "min", "max"}) {
      CAPTURE(type);
      CAPTURE(op);
      tests::process perf({TUTTI_PERF, "all_reduce", "--ranks", "2", "--min", "1000", "--max", "1000", "--type", type, "--op",
                           op, "--iterations", "2"});
      const int code = perf.wait();
      CAPTURE(perf.errors());
      CHECK(code == 0);
      CHECK(rows(perf.output()).size() == 1);
      CHECK(tests::has(perf.output(), "#wrong"));
    }
}

TEST_CASE("a wrong result is counted and makes the exit code 1") {
  for (const char* op : {"all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce", "gather", "scatter", "all_to_all", "scan", "exclusive_scan"}) {
    CAPTURE(op);
    tests::process perf({SPOILED_PERF, op, "--ranks", "2", "--min", "4K", "--max", "4K", "--iterations", "2", "--json"});
    CHECK(perf.wait() == 1);
    CHECK(tests::has(perf.output(), "\"wrong\": 3}"));  // of the three calls that are looked at
    CHECK(tests::has(perf.errors(), "3 elements were wrong"));
  }
  tests::process barrier({SPOILED_PERF, "barrier", "--ranks", "2", "--iterations", "2", "--json"});
  CHECK(barrier.wait() == 1);
}

TEST_CASE("the forced link is the one that is named") {
  tests::process perf({TUTTI_PERF, "all_reduce", "--ranks", "2", "--max", "64", "--iterations", "2"}, {"TUTTI_LINK=message"});
  CHECK(perf.wait() == 0);
  CHECK(tests::has(perf.output(), "link: message"));
}

TEST_CASE("what makes no sense is said, and nothing starts") {
  struct wrong_line {
    std::vector<std::string> words;
    const char* says;
  };
  for (const wrong_line& w : std::vector<wrong_line>{
           {{}, "OP is missing"},
           {{"all_to_none"}, "'all_to_none' is none of all_reduce"},
           {{"all_reduce", "--size", "8"}, "unknown flag '--size'"},
           {{"all_reduce", "--min", "lots"}, "'lots' is not a number of bytes"},
           {{"all_reduce", "--min", "9", "--max", "8"}, "--min 9 is more than --max 8"},
           {{"all_reduce", "--factor", "1"}, "--factor: '1'"},
           {{"all_reduce", "--type", "complex"}, "'complex' is none of char"},
           {{"all_reduce", "--op", "mean"}, "'mean' is none of sum"},
           {{"all_reduce", "--iterations", "-1"}, "--iterations: '-1'"},
           {{"broadcast", "--algorithm", "ring"}, "'ring' is no algorithm of broadcast: there are tree, double_tree"}}) {
    std::vector<std::string> words{TUTTI_PERF};
    words.insert(words.end(), w.words.begin(), w.words.end());
    tests::process perf(words);
    CHECK(perf.wait() == 2);
    CAPTURE(perf.errors());
    CAPTURE(w.says);
    CHECK(tests::has(perf.errors(), w.says));
    CHECK(perf.output().empty());
  }
}

#if PERF_MPIRUN
TEST_CASE("under mpirun it joins the ranks that there are") {
  tests::process perf({"mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2", TUTTI_PERF, "all_reduce", "--max", "64",
                       "--iterations", "4", "--json"});
  const int code = perf.wait();
  CAPTURE(perf.errors());
  CHECK(code == 0);
  CHECK(tests::count(perf.output(), "\"ranks\": 2") == 4);
}
#endif

TEST_CASE("the interpreter's benchmark measures every algorithm") {
  tests::process interpreter({INTERPRETER, "--json"});
  CHECK(interpreter.wait() == 0);
  for (const char* name : {"ring", "tree", "double_tree", "doubling", "rabenseifner"})
    CHECK(tests::has(interpreter.output(), "{\"algorithm\": \"" + std::string(name) + "\", \"ranks\": 2"));
}
