#include <tutti/launch/tcp_bootstrap.hpp>

#include <future>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "../unhurried.hpp"
#include "job.hpp"

using tests::has;
using tests::job;
using tests::nobody_left;
using tests::process;
namespace detail = tutti::detail;

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
  std::string text;
  const auto said = tests::unhurried(0.5, [&](double seconds) {
    job j{.size = 3, .timeout = tutti::format("%g", seconds), .words = {"late", "1"}};
    text = "rank 1 of 3 did not come to an all-gather of the bootstrap within " + j.timeout + " s\n";
    auto ranks = j.all();
    std::vector<std::string> errors;
    for (process* p : {&ranks[0], &ranks[2]}) {
      CHECK(p->wait() == 1);
      errors.push_back(p->errors());
    }
    return errors;
  }, [&](const auto& errors) { return has(errors[0], text) && has(errors[1], text); });
  for (const std::string& errors : said) CHECK(has(errors, text));
}

TEST_CASE("tcp bootstrap: a contribution that is too long is refused, on every rank") {
  job j{.size = 2, .words = {"long", "1"}};
  for (process& p : j.all()) {
    CHECK(p.wait() == 1);
    CHECK(has(p.errors(), "rank 1 gave 67108865 bytes to an all-gather over tcp, which takes 67108864\n"));
  }
}

namespace {

/// What a rank's all-gather throws, twice.
std::string refusal_of(const tutti::tcp_options& options) {
  tutti::tcp_bootstrap mine(options);
  std::string texts[2];
  for (std::string& text : texts) {
    try {
      mine.all_gather({});
    } catch (const tutti::error& e) {
      text = tutti::format("%s, rank %d: %s", tutti::name_of(e.code()), e.rank(), e.what());
    }
  }
  return texts[0] == texts[1] ? texts[0] : "first " + texts[0] + ", then " + texts[1];
}

}  // namespace

TEST_CASE("tcp bootstrap: a rank in another all-gather is an error, also of every later call") {
  tutti::tcp_options options{.rank = 1, .size = 2, .port = std::stoi(tests::free_port()), .job = "two", .join_timeout = 30, .timeout = 30};
  std::string why;
  const double limit = tutti::now() + 30;
  {
    // We are rank 0.
    const detail::socket listener = detail::listen_for(options.host, options.port, why);
    REQUIRE(listener);
    auto theirs = std::async(std::launch::async, refusal_of, options);
    detail::tcp_peer peer;
    REQUIRE(detail::wait_for(listener, POLLIN, limit));
    peer.line = detail::accept_at(listener);
    detail::tcp_hello hello;
    for (std::size_t got = 0; got < sizeof hello;) {
      REQUIRE(detail::wait_for(peer.line, POLLIN, limit));
      REQUIRE(detail::receive_some(peer.line, &hello, sizeof hello, got) == detail::transfer::moved);
    }
    for (auto kind : {detail::tcp_kind::accepted, detail::tcp_kind::welcome}) peer.send({.kind = kind}, {}, limit);
    REQUIRE(peer.read_until(limit, 100) == detail::transfer::moved);
    CHECK(peer.frame.round == 1);
    peer.send({.kind = detail::tcp_kind::result, .round = 1}, std::vector<std::byte>(15), limit);  // not of two ranks
    CHECK(theirs.get() == "mismatch, rank 0: rank 0 is not in the same all-gather of the bootstrap");
  }
  // We are rank 1.
  options.port = std::stoi(tests::free_port());
  options.rank = 0;
  auto theirs = std::async(std::launch::async, refusal_of, options);
  options.rank = 1;
  detail::tcp_peer root = detail::tcp_join(options);
  root.send({.kind = detail::tcp_kind::data, .round = 2}, {}, limit);
  REQUIRE(root.read_until(limit, detail::tcp_longest_text) == detail::transfer::moved);
  REQUIRE(root.frame.kind == detail::tcp_kind::failure);
  CHECK(root.failure().code() == tutti::errc::mismatch);
  const std::string text = theirs.get();
  CHECK(text == std::string("mismatch, rank 1: ") + root.failure().what());
  CHECK(has(text, ") is not in the same all-gather of the bootstrap as rank 0"));
}
