#include <tutti/launch/tcp_bootstrap.hpp>

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "job.hpp"

using tests::has;
using tests::job;
using tests::nobody_left;
using tests::process;

static_assert(tutti::bootstrap<tutti::tcp_bootstrap>);

TEST_CASE("tcp bootstrap: 1 to 5 ranks gather what they have, by number and by name, IPv4 and IPv6") {
  for (const char* host : {"127.0.0.1", "localhost", "::1"})
    for (int ranks : {1, 2, 5}) {
      CAPTURE(host);
      CAPTURE(ranks);
      job j{.size = ranks, .host = host};
      for (process& p : j.all()) {
        CHECK(p.wait() == 0);
        CHECK(p.errors() == "");
        CHECK(has(p.output(), tutti::format("of %d has all", ranks)));
      }
      CHECK(nobody_left());
    }
}

TEST_CASE("tcp bootstrap: a rank that gives up is named to all, with its reason") {
  job j{.size = 3, .words = {"throw", "2"}};
  auto ranks = j.all();
  for (process& p : ranks) {
    CHECK(p.wait() == 1);
    CHECK(has(p.errors(), "out of luck\n"));
  }
  CHECK(ranks[0].errors() == "rank 2: out of luck\n");
  CHECK(ranks[1].errors() == "rank 1: rank 2 gave up: out of luck\n");
  CHECK(ranks[2].errors() == "rank 0: rank 2 gave up: out of luck\n");
}

TEST_CASE("tcp bootstrap: a rank that is killed is named to all") {
  for (int lost : {0, 1}) {
    CAPTURE(lost);
    job j{.size = 3, .words = {"kill", std::to_string(lost)}};
    auto ranks = j.all();
    for (process& p : ranks) {
      bool is_lost = &p == &ranks[static_cast<std::size_t>(2 - lost)];
      CHECK(p.wait() == (is_lost ? 137 : 1));
      if (!is_lost) CHECK(has(p.errors(), tutti::format(": rank %d (", lost)));
      if (!is_lost) CHECK(has(p.errors(), ") closed its connection "));
    }
  }
}

TEST_CASE("tcp bootstrap: a rank that does not come is named at the deadline") {
  job j{.size = 3, .timeout = "0.5", .words = {"late", "1"}};
  auto ranks = j.all();
  for (process* p : {&ranks[0], &ranks[2]}) {
    CHECK(p->wait() == 1);
    CHECK(has(p->errors(), "rank 1 of 3 did not come to an all-gather of the bootstrap within 0.5 s\n"));
  }
}

TEST_CASE("tcp bootstrap: a contribution that is too long is refused, on every rank") {
  job j{.size = 2, .words = {"long", "1"}};
  for (process& p : j.all()) {
    CHECK(p.wait() == 1);
    CHECK(has(p.errors(), "rank 1 gave 67108865 bytes to an all-gather over tcp, which takes 67108864\n"));
  }
}
