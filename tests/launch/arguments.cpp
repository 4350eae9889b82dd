#include <tutti/launch/arguments.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace {

/// A program with one of each.
struct program {
  std::string op, data, algorithm = "auto";
  int epochs = 3;
  std::uint64_t seed = 1;
  double rate = 0.1;
  std::size_t most = std::size_t{64} << 20;
  bool json = false;
  tutti::arguments line{"perf", "Measures."};

  program() {
    line.word("OP", op, "the collective", {"all_reduce", "barrier"});
    line.value("--epochs", epochs, "E", "passes", 1, 100);
    line.value("--seed", seed, "S", "of the shuffle");
    line.value("--rate", rate, "R", "of learning", 0, 10);
    line.bytes("--max", most, "BYTES", "largest");
    line.choice("--algorithm", algorithm, {"auto", "ring"}, "how");
    line.value("--data", data, "DIR", "files");
    line.flag("--json", json, "one object a line");
  }

  bool parse(std::vector<std::string> words) {
    words.insert(words.begin(), "perf");
    std::vector<char*> argv;
    for (std::string& w : words) argv.push_back(w.data());
    argv.push_back(nullptr);
    return line.parse(static_cast<int>(words.size()), argv.data());
  }

  std::string refusal(std::vector<std::string> words) {
    try {
      parse(std::move(words));
    } catch (const tutti::error& e) {
      CHECK(e.code() == tutti::errc::invalid_argument);
      return e.what();
    }
    return "nothing";
  }
};

}  // namespace

TEST_CASE("arguments: flags, values and words, the launcher's own left alone") {
  program p;
  CHECK(p.parse({"--epochs", "7", "barrier", "--rate=0.5", "--max", "3M", "--json", "--ranks", "4", "--algorithm=ring",
                 "--data", "somewhere", "--tag-output", "--seed", "18446744073709551615"}));
  CHECK(p.op == "barrier");
  CHECK(p.epochs == 7);
  CHECK(p.rate == 0.5);
  CHECK(p.most == 3 << 20);
  CHECK(p.json);
  CHECK(p.algorithm == "ring");
  CHECK(p.data == "somewhere");
  CHECK(p.seed == UINT64_MAX);
}

TEST_CASE("arguments: what is not given keeps what it was") {
  program p;
  CHECK(p.parse({"all_reduce"}));
  CHECK(p.epochs == 3);
  CHECK(p.rate == 0.1);
  CHECK(p.most == std::size_t{64} << 20);
  CHECK(!p.json);
  CHECK(p.algorithm == "auto");
}

TEST_CASE("arguments: numbers of bytes") {
  const std::size_t k = 1024;
  for (auto [text, bytes] : {std::pair<const char*, std::size_t>{"0", 0}, {"17", 17}, {"2K", 2 * k}, {"1M", k * k},
                             {"3G", 3 * k * k * k}, {"1T", k * k * k * k}}) {
    program p;
    CAPTURE(text);
    CHECK(p.parse({"barrier", "--max", text}));
    CHECK(p.most == bytes);
  }
}

TEST_CASE("arguments: errors name the flag and what is legal") {
  program p;
  CHECK(p.refusal({}) == "OP is missing: the collective (one of all_reduce, barrier)");
  CHECK(p.refusal({"x"}) == "OP: 'x' is none of all_reduce, barrier");
  CHECK(p.refusal({"barrier", "more"}) == "'more' is one word too many");
  CHECK(p.refusal({"barrier", "--epoch", "3"}) ==
        "unknown flag '--epoch': there are --epochs, --seed, --rate, --max, --algorithm, --data, --json, --ranks, "
        "--survive, --tag-output, --help");
  CHECK(p.refusal({"barrier", "--epochs", "0"}) == "--epochs: '0' is not a whole number from 1 to 100");
  CHECK(p.refusal({"barrier", "--epochs", "101"}) == "--epochs: '101' is not a whole number from 1 to 100");
  CHECK(p.refusal({"barrier", "--epochs", "2.5"}) == "--epochs: '2.5' is not a whole number from 1 to 100");
  CHECK(p.refusal({"barrier", "--epochs="}) == "--epochs: '' is not a whole number from 1 to 100");
  CHECK(p.refusal({"barrier", "--epochs"}) == "--epochs needs a value: passes");
  CHECK(p.refusal({"barrier", "--seed", "-1"}) == "--seed: '-1' is not a whole number of at least 0");
  CHECK(p.refusal({"barrier", "--seed", "18446744073709551616"}) ==
        "--seed: '18446744073709551616' is not a whole number of at least 0");
  CHECK(p.refusal({"barrier", "--rate", "nan"}) == "--rate: 'nan' is not a number from 0 to 10");
  CHECK(p.refusal({"barrier", "--max", "3X"}) == "--max: '3X' is not a number of bytes (4096, 64K, 1M) of at least 0");
  CHECK(p.refusal({"barrier", "--max", "-1"}) == "--max: '-1' is not a number of bytes (4096, 64K, 1M) of at least 0");
  CHECK(p.refusal({"barrier", "--max", "99999999T"}) ==
        "--max: '99999999T' is not a number of bytes (4096, 64K, 1M) of at least 0");
  CHECK(p.refusal({"barrier", "--algorithm", "x"}) == "--algorithm: 'x' is none of auto, ring");
  CHECK(p.refusal({"barrier", "--json=1"}) == "--json takes no value");
  CHECK(p.refusal({"barrier", "--ranks", "x"}) == "--ranks: 'x' is not a number from 1 to 4096");
}

TEST_CASE("arguments: help shows every flag with its default") {
  program p;
  CHECK(!p.parse({"--help"}));
  std::string help = p.line.help();
  CHECK(help.starts_with("usage: perf OP [flags]\nMeasures.\n"));
  for (const char* line : {"  OP                 the collective (one of all_reduce, barrier)\n",
                           "  --epochs E         passes [3]\n", "  --max BYTES        largest [64M]\n",
                           "  --rate R           of learning [0.1]\n", "  --data DIR         files\n",
                           "  --json             one object a line\n", "  --ranks N "}) {
    CAPTURE(line);
    CHECK(help.find(line) != std::string::npos);
  }
}
