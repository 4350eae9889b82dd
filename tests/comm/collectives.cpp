#include <tutti/comm/collectives.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include <unistd.h>

#include <tutti/analysis/cost.hpp>
#include <tutti/launch/threads.hpp>
#include <tutti/transport/loopback.hpp>

#include "../ranks.hpp"
#include "cases.hpp"
#include "thread_ranks.hpp"

using namespace tutti;

TEST_CASE("every call between processes, on windows and on messages") {
  for (const char* link : {"window", "message"})
    for (int ranks : {1, 2, 3, 4, 5, 7, 8}) {
      // Seven and eight send as five and four do; what is shorter is enough for them.
      if (*link == 'm' ? ranks == 1 || ranks > 5 : ranks == 5) continue;
      const auto ended = ranks::start({CASES_PROGRAM, "--ranks", std::to_string(ranks), ranks > 3 ? "quick" : "all"},
                                      {{"TUTTI_LINK", ranks == 1 ? "" : link}, {"TUTTI_DEADLINE", "120"}});
      INFO(link << ", " << ranks << " ranks: " << ended.output);
      CHECK(ended.code == 0);
      CHECK(ended.output == format("%d ranks, %s: right\n", ranks, ranks == 1 ? "self" : link));
    }
}

TEST_CASE("every call between processes, of which one can open no window") {
  for (int ranks : {2, 3, 5}) {
    const auto ended = ranks::start({CASES_PROGRAM, "--ranks", std::to_string(ranks), "mixed"}, {{"TUTTI_DEADLINE", "120"}});
    INFO(ranks << " ranks: " << ended.output);
    CHECK(ended.code == 0);
    CHECK(ended.output == format("%d ranks, %s: right\n", ranks, ranks == 2 ? "message" : "window"));
  }
}

TEST_CASE("communicators of parts of the ranks, on windows, on messages and on both") {
  for (const char* link : {"window", "message", ""})
    for (int ranks : {1, 2, 3, 5, 8}) {
      if (ranks == 1 && *link) continue;
      const auto ended = ranks::start({CASES_PROGRAM, "--ranks", std::to_string(ranks), *link ? "groups" : "mixed-groups"},
                                      {{"TUTTI_LINK", link}, {"TUTTI_DEADLINE", "120"}});
      INFO(std::string(link) << ", " << ranks << " ranks: " << ended.output);
      CHECK(ended.code == 0);
      CHECK(ended.output.find(": right\n") != std::string::npos);
    }
}

TEST_CASE("what a plan bills is what its links took, on windows, on messages and on both") {
  for (const char* link : {"window", "message", ""})
    for (int ranks : {2, 3, 5, 8}) {
      const auto ended = ranks::start({CASES_PROGRAM, "--ranks", std::to_string(ranks), *link ? "bill" : "mixed-bill"},
                                      {{"TUTTI_LINK", link}, {"TUTTI_DEADLINE", "120"}});
      INFO(std::string(link) << ", " << ranks << " ranks: " << ended.output);
      CHECK(ended.code == 0);
      CHECK(ended.output.find(": right\n") != std::string::npos);
    }
}

TEST_CASE("TUTTI_TRACE: the operations of all processes in one file") {
  char name[] = "/tmp/tutti-trace-XXXXXX";
  const int file = ::mkstemp(name);
  REQUIRE(file >= 0);
  const auto ended = ranks::start({CASES_PROGRAM, "--ranks", "3", "groups"}, {{"TUTTI_TRACE", name}, {"TUTTI_DEADLINE", "120"}});
  std::string text;
  char part[65536];
  for (ssize_t n; (n = ::read(file, part, sizeof part)) > 0;) text.append(part, static_cast<std::size_t>(n));
  ::close(file);
  ::unlink(name);
  INFO(ended.output);
  CHECK(ended.code == 0);
  REQUIRE(text.size() > 10);
  CHECK(text.substr(0, 3) == "[\n{");
  CHECK(text.substr(text.size() - 5) == "}}\n]\n");
  CHECK(text.find("\n]") == text.size() - 3);
  for (const char* rank : {"0", "1", "2"}) CHECK(text.find(format("\"args\":{\"name\":\"rank %s\"}", rank)) != std::string::npos);
  CHECK(text.find("(ranks 2, 0)") != std::string::npos);  // of which each traces its own operations
}

TEST_CASE("no call allocates after the first of its shape, between threads and between processes") {
  for (const char* where : {"threads", "processes"})
    for (const char* ranks : {"1", "2", "3", "5"}) {
      std::vector<std::string> command{ALLOCATIONS_PROGRAM, where, ranks};
      if (std::string(where) == "processes") command.insert(command.end(), {"--ranks", ranks});
      const auto ended = ranks::start(command, {{"TUTTI_LINK", std::string(ranks) == "1" ? "" : "window"}, {"TUTTI_DEADLINE", "120"}});
      INFO(std::string(where) << ", " << std::string(ranks) << " ranks: " << ended.output);
      CHECK(ended.code == 0);
      CHECK(ended.output.find("allocations: 0 in ") == 0);
    }
}

TEST_CASE("TUTTI_ALGORITHM and the cost model choose, and the plan can be asked for") {
  auto plan_of = [](const char* variable, std::size_t count = 3000) {
    struct setting {
      explicit setting(const char* value) { ::setenv("TUTTI_ALGORITHM", value, 1); }
      ~setting() { ::unsetenv("TUTTI_ALGORITHM"); }
    } held(variable);
    loopback_fabric::world shared;
    plan found[2];
    run_threads(3, [&](auto& b) {
      session s(b, shared);
      communicator c(s);
      const plan here[2] = {c.plan_for({.what = collective::all_reduce, .count = count, .element = 4}),
                            c.plan_for({.what = collective::broadcast, .count = count, .element = 4, .root = 0})};
      if (c.rank() == 1) found[0] = here[0], found[1] = here[1];
    });
    return std::vector<plan>{found[0], found[1]};
  };
  CHECK(plan_of("ring")[0].algorithm == algorithm::ring);
  CHECK(plan_of("ring")[0].bytes_sent == 16000);  // 2 (p-1)/p of 12000
  CHECK(plan_of("ring")[1].algorithm != algorithm::ring);
  CHECK(plan_of("broadcast:double_tree,all_reduce:tree")[0].algorithm == algorithm::tree);
  CHECK(plan_of("broadcast:double_tree,all_reduce:tree")[1].algorithm == algorithm::double_tree);
  CHECK(plan_of("automatic")[0].algorithm == algorithm::one_shot);  // little: one round, in which each shows all
  const plan chosen = plan_of("automatic", 30000)[0];
  CHECK(chosen.algorithm == algorithm::two_shot);  // piece by piece
  CHECK(chosen.seconds > 0);
  CHECK_THROWS_WITH_AS(plan_of("all_reduce:rign"), doctest::Contains("TUTTI_ALGORITHM is 'all_reduce:rign': 'all_reduce:rign' is no algorithm"), error);
}

TEST_CASE("calls that cannot be are refused before anything is sent, and say why") {
  thread_ranks::run(2, [](communicator& c) {
    std::vector<int> three(3), four(4), six(6);
    auto refused = [&](auto call, const char* text) {
      try {
        call();
      } catch (const error& e) {
        const std::string want = format("rank %d: ", c.rank()) + text;
        if (e.code() == errc::invalid_argument && e.what() == want) return true;
        throw error(errc::invalid_argument, format("got '%s', wanted '%s'", e.what(), want.c_str()));
      }
      return false;
    };
    bool all = refused([&] { all_reduce(c, three, four); }, "all_reduce: input and output must hold as many elements (3 and 4)");
    all &= refused([&] { all_gather(c, three, four); },
                   "all_gather: the output must hold as many elements as the inputs of all ranks together (3 and 4)");
    all &= refused([&] { reduce_scatter(c, four, three); },
                   "reduce_scatter: the input must hold as many elements as the outputs of all ranks together (4 and 3)");
    all &= refused([&] { broadcast(c, three, 2); }, "broadcast: root 2 is not a rank from 0 to 1");
    all &= refused([&] { reduce(c, three, plus{}, -1); }, "reduce: root -1 is not a rank from 0 to 1");
    all &= refused([&] { gather(c, three, six, 2); }, "gather: root 2 is not a rank from 0 to 1");
    all &= refused([&] { scatter(c, six, three, -1); }, "scatter: root -1 is not a rank from 0 to 1");
    // The others' memories are not looked at: who is the root refuses.
    all &= refused([&] { gather(c, three, four, c.rank()); },
                   "gather: the root's output must hold as many elements as the inputs of all ranks together (3 and 4)");
    all &= refused([&] { scatter(c, four, three, c.rank()); },
                   "scatter: the root's input must hold as many elements as the outputs of all ranks together (4 and 3)");
    all &= refused([&] { scan(c, three, four); }, "scan: input and output must hold as many elements (3 and 4)");
    all &= refused([&] { exclusive_scan(c, span<int>(six).subspan(0, 4), span<int>(six).subspan(2, 4)); },
                   "exclusive_scan: input and output overlap, but are not in place");
    all &= refused([&] { all_to_all(c, six, four); }, "all_to_all: input and output must hold as many elements (6 and 4)");
    all &= refused([&] { all_to_all(c, three); }, "all_to_all: there must be as many elements for each rank (3 and 2)");
    all &= refused([&] { all_to_all(c, span<int>(six).subspan(0, 4), span<int>(six).subspan(2, 4)); },
                   "all_to_all: input and output overlap, but are not in place");
    all &= refused([&] { gather(c, span<int>(nullptr, 5), six, 0); }, "gather: a null pointer with 5 elements");
    all &= refused([&] { scatter(c, six, span<int>(nullptr, 5), 0); }, "scatter: a null pointer with 5 elements");
    all &= refused([&] { broadcast(c, span<int>(nullptr, 5), 0); }, "broadcast: a null pointer with 5 elements");
    all &= refused([&] { all_reduce(c, span<int>(six).subspan(0, 4), span<int>(six).subspan(2, 4)); },
                   "all_reduce: input and output overlap, but are not in place");
    // By one byte, before and behind what would be in place.
    std::vector<unsigned char> bytes(8);
    const span<unsigned char> in(bytes.data() + 2, 4);
    for (std::size_t at : {1u, 3u, 5u})
      all &= refused([&] { reduce_scatter(c, in, span<unsigned char>(bytes.data() + at, 2)); },
                     "reduce_scatter: input and output overlap, but are not in place");
    for (std::size_t at : {1u, 3u, 5u})
      all &= refused([&] { all_gather(c, span<unsigned char>(bytes.data() + at, 2), in); },
                     "all_gather: input and output overlap, but are not in place");
    for (std::size_t at : {1u, 3u, 5u})
      all &= refused([&] { gather(c, span<unsigned char>(bytes.data() + at, 2), in, c.rank()); },
                     "gather: input and output overlap, but are not in place");
    for (std::size_t at : {1u, 3u, 5u})
      all &= refused([&] { scatter(c, in, span<unsigned char>(bytes.data() + at, 2), c.rank()); },
                     "scatter: input and output overlap, but are not in place");
    // Counts whose product with the number of ranks is more than a number holds.
    const std::size_t most = ~std::size_t{0};
    unsigned char byte = 0;
    const span<unsigned char> wraps(&byte, most / 2 + 1), none(&byte, 0);
    all &= refused([&] { all_gather(c, wraps, none); },
                   "all_gather: the output must hold as many elements as the inputs of all ranks together (9223372036854775808 and 0)");
    all &= refused([&] { reduce_scatter(c, none, wraps, maximum{}); },
                   "reduce_scatter: the input must hold as many elements as the outputs of all ranks together (0 and 9223372036854775808)");
    all &= refused([&] { gather(c, wraps, none, c.rank()); },
                   "gather: the root's output must hold as many elements as the inputs of all ranks together (9223372036854775808 and 0)");
    all &= refused([&] { scatter(c, none, wraps, c.rank()); },
                   "scatter: the root's input must hold as many elements as the outputs of all ranks together (0 and 9223372036854775808)");
    all &= refused([&] { all_reduce(c, span<int>(six.data(), most)); },
                   "all_reduce: no memory holds so many elements of so many bytes (18446744073709551615 and 4)");
    int fine = 1;  // and the communicator is as good as before
    all_reduce(c, span<int>(&fine, 1));
    if (!all || fine != 2) throw error(errc::invalid_argument, "something was not refused");
  });
}
