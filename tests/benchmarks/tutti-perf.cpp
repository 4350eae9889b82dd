#include "../launch/process.hpp"

#include <tutti/schedule/repertoire.hpp>

#include "../../benchmarks/report.hpp"

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
      // Of each size the plan takes one, and how it fares is said at the end.
      const int sizes = tests::count(perf.errors(), " bytes: the plan takes ");
      CHECK(sizes > 0);
      CHECK(tests::count(perf.output(), "\"chosen\": true, ") == sizes);
      CHECK(tests::count(perf.output(), "\"chosen\": ") == static_cast<int>(lines.size()));
      for (const std::string& line : lines) {
        std::size_t at = 0;
        for (const char* key : {"{\"op\": ", "\"ranks\": ", "\"bytes\": ", "\"type\": ", "\"algorithm\": ", "\"usec_median\": ",
                                "\"usec_p99\": ", "\"usec_mean\": ", "\"usec_model\": ", "\"algbw\": ", "\"busbw\": ", "\"wrong\": 0}"}) {
          CAPTURE(line);
          CAPTURE(key);
          at = line.find(key, at);
          REQUIRE(at != std::string::npos);
        }
      }
    }
}

TEST_CASE("the algorithm that the plan takes is marked, and none where one was measured alone") {
  tests::process all({TUTTI_PERF, "all_reduce", "--ranks", "2", "--sizes", "8,64K", "--algorithm", "all", "--iterations", "4"});
  CHECK(all.wait() == 0);
  CHECK(tests::count(all.output(), "* ") == 2);
  CHECK(tests::count(all.output(), "# 8 bytes: the plan takes ") == 1);
  CHECK(tests::count(all.output(), "# 65536 bytes: the plan takes ") == 1);
  tests::process alone({TUTTI_PERF, "all_reduce", "--ranks", "2", "--sizes", "8", "--iterations", "4"});
  CHECK(alone.wait() == 0);
  CHECK(!tests::has(alone.output(), "*"));
  CHECK(!tests::has(alone.output(), "the plan takes"));
}

TEST_CASE("how much slower the plan's choice is than the best of its size") {
  auto of = [](std::size_t bytes, const char* algorithm, double median, double mean, bool chosen) {
    benchmarks::row r;
    r.of.bytes = bytes, r.algorithm = algorithm, r.seconds.median = median, r.seconds.mean = mean, r.chosen = chosen;
    return r;
  };
  const std::vector<benchmarks::row> rows{of(8, "ring", 2, 3, false), of(8, "tree", 3, 2, true), of(64, "ring", 1, 1, true), of(64, "tree", 2, 2, false)};
  auto said = [&](bool by_mean) {
    char* text = nullptr;
    std::size_t size = 0;
    std::FILE* to = ::open_memstream(&text, &size);
    benchmarks::print_choices(to, rows, by_mean);
    std::fclose(to);
    const std::string all(text, size);
    std::free(text);
    return all;
  };
  const std::string second = "# 64 bytes: the plan takes ring, the best of 2\n";
  CHECK(said(false) == "# 8 bytes: the plan takes tree, 50.0 % slower than the best of 2, ring\n" + second);
  CHECK(said(true) == "# 8 bytes: the plan takes tree, the best of 2\n" + second);
}

TEST_CASE("buffers that neighbours read in place bring the same results") {
  for (const char* op : {"all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce"}) {
    CAPTURE(std::string(op));
    tests::process perf({TUTTI_PERF, op, "--ranks", "3", "--sizes", "100,300K", "--algorithm", "all", "--buffers", "library",
                         "--iterations", "4"});
    const int code = perf.wait();
    CAPTURE(perf.errors());
    CHECK(code == 0);
    CHECK(rows(perf.output()).size() >= 2);
  }
}

TEST_CASE("a tuning is measured, written, and followed") {
  char name[] = "/tmp/tutti-tuning-XXXXXX";
  const int file = ::mkstemp(name);
  REQUIRE(file >= 0);
  ::close(file);
  tests::process tune({TUTTI_PERF, "--tune", name, "--ranks", "2", "--max", "512", "--seconds", "0"});
  CHECK(tune.wait() == 0);
  CAPTURE(tune.errors());
  CHECK(tests::has(tune.output(), "choices are more than 10 % slower than the fastest"));
  std::string text;
  if (std::FILE* in = std::fopen(name, "r")) {
    char line[256];
    while (std::fgets(line, sizeof line, in)) text += line;
    std::fclose(in);
  }
  for (const char* value : {"window.latency_s ", "window.far_bytes_per_s ", "message.step_s ", "switch_s ", "folds_at_once ", "waits_in_line "}) CHECK(tests::has(text, value));

  auto model_of = [&](const char* tuning) {
    tests::process perf({TUTTI_PERF, "all_reduce", "--ranks", "2", "--sizes", "8", "--algorithm", "ring", "--iterations", "1", "--json"},
                        {std::string("TUTTI_TUNING=") + tuning});
    CHECK(perf.wait() == 0);
    const std::string key = "\"usec_model\": ", out = perf.output();
    REQUIRE(tests::has(out, key));
    return std::stod(out.substr(out.find(key) + key.size()));
  };
  CHECK(model_of(name) != model_of(""));
  if (std::FILE* out = std::fopen(name, "w")) {
    std::fputs("window.latency_s 1\n", out);
    std::fclose(out);
  }
  CHECK(model_of(name) > 2e6);  // two hops of a second each
  if (std::FILE* out = std::fopen(name, "w")) {
    std::fputs("window.latency 1\n", out);
    std::fclose(out);
  }
  tests::process refused({TUTTI_PERF, "all_reduce", "--ranks", "2", "--sizes", "8"}, {std::string("TUTTI_TUNING=") + name});
  CHECK(refused.wait() != 0);
  CHECK(tests::has(refused.errors(), std::string(name) + ":1: 'window.latency' is no value of a tuning"));
  ::unlink(name);
  tests::process unwritten({TUTTI_PERF, "--tune", "/nowhere/at/all", "--ranks", "1", "--max", "8", "--seconds", "0"});
  CHECK(unwritten.wait() == 1);
  CHECK(tests::has(unwritten.errors(), "/nowhere/at/all cannot be written: No such file or directory"));
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

TEST_CASE("sizes may be listed") {
  tests::process perf({TUTTI_PERF, "reduce_scatter", "--ranks", "2", "--sizes", "4,1K,1M", "--iterations", "2", "--json"});
  CHECK(perf.wait() == 0);
  CHECK(rows(perf.output()).size() == 3);
  for (const char* bytes : {"\"bytes\": 8,", "\"bytes\": 1024,", "\"bytes\": 1048576,"}) CHECK(tests::has(perf.output(), bytes));
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
           {{"all_reduce", "--sizes", "8,many"}, "--sizes: 'many' is not a number of bytes"},
           {{"all_reduce", "--sizes", "8,,64"}, "--sizes: '' is not a number of bytes"},
           {{"all_reduce", "--sizes", "1Q"}, "--sizes: '1Q' is not a number of bytes"},
           {{"all_reduce", "--factor", "1"}, "--factor: '1'"},
           {{"all_reduce", "--type", "complex"}, "'complex' is none of char"},
           {{"all_reduce", "--op", "mean"}, "'mean' is none of sum"},
           {{"all_reduce", "--iterations", "-1"}, "--iterations: '-1'"},
           {{"broadcast", "--algorithm", "ring"}, "'ring' is no algorithm of broadcast: there are "}}) {
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

TEST_CASE("the interpreter's benchmark has a figure for every algorithm of every collective") {
  tests::process interpreter({INTERPRETER, "--json"});
  CHECK(interpreter.wait() == 0);
  const std::vector<std::string> lines = rows(interpreter.output());
  CHECK(lines.size() == 7 * std::size(tutti::repertoire));
  for (const tutti::repertoire_entry& entry : tutti::repertoire)
    for (int ranks : {2, 3, 4, 8, 16, 33, 64}) {
      const std::string begin = tutti::format("{\"op\": \"%s\", \"algorithm\": \"%s\", \"ranks\": %d, \"steps\": ",
                                              tutti::name_of(entry.what), tutti::name_of(entry.how), ranks);
      CAPTURE(begin);
      double ns = 0;
      int steps = 0, found = 0;
      for (const std::string& line : lines)
        if (line.compare(0, begin.size(), begin) == 0)
          found += std::sscanf(line.c_str() + begin.size(), "%d, \"ns_step\": %lf}", &steps, &ns) == 2;
      CHECK(found == 1);
      CHECK(steps > 0);
      CHECK(ns > 0);
    }
}

TEST_CASE("ways of calling are compared, and rounds that are no number refused") {
  tests::process compared({CALLS, "--ranks", "2", "3"});
  CHECK(compared.wait() == 0);
  for (const char* word : {"persistent", "grouped", "reproducible", "ratio"}) CHECK(tests::has(compared.output(), word));
  tests::process refused({CALLS, "--ranks", "2", "none"});
  CHECK(refused.wait() != 0);
  CHECK(tests::has(refused.errors(), "ROUNDS is a number from 1"));
}
