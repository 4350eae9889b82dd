#include <tutti/launch/tcp_join.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "../unhurried.hpp"
#include "job.hpp"

using tests::eventually;
using tests::has;
using tests::job;
using tests::process;
using tests::unhurried;

namespace {

/// What a rank should say, and what it said and ended with.
struct saying {
  std::string meant, said;
  int code;

  saying(process& of, const std::string& text) : meant(text), code(of.wait()) { said = of.errors(); }
  bool right() const { return said == meant; }
};

}  // namespace

TEST_CASE("tcp join: ranks that are missing at the deadline are named to all who came") {
  const auto both = unhurried(0.6, [](double seconds) {
    job j{.size = 5, .join_timeout = tutti::format("%g", seconds)};
    process first = j.rank(0), third = j.rank(2);
    const std::string text = "ranks 1, 3 and 4 of 5 did not join at 127.0.0.1:" + j.port + " within " + j.join_timeout + " s\n";
    return std::vector<saying>{{first, "rank 0: " + text}, {third, "rank 2: " + text}};
  }, [](const auto& of) { return of[0].right() && of[1].right(); });
  for (const saying& s : both) {
    CHECK(s.code == 1);
    CHECK(s.said == s.meant);
  }
}

TEST_CASE("tcp join: rank 0 that is not there") {
  job j{.size = 2, .join_timeout = "0.3"};
  process p = j.rank(1);
  CHECK(p.wait() == 1);
  CHECK(p.errors() == "rank 1: rank 0 was not there at 127.0.0.1:" + j.port + " within 0.3 s: Connection refused\n");

  job unknown{.size = 2, .host = "no-such-host.invalid", .join_timeout = "0.3"};
  process q = unknown.rank(1);
  CHECK(q.wait() == 1);
  CHECK(q.errors().starts_with("rank 1: rank 0 was not there at no-such-host.invalid:" + unknown.port + " within 0.3 s: "));
}

TEST_CASE("tcp join: two processes that say they are the same rank") {
  job j{.size = 4};
  process first = j.rank(0), second = j.rank(2), other = j.rank(1), third = j.rank(2);
  std::string told[] = {tutti::format("/%d", static_cast<int>(second.pid())),
                        tutti::format("/%d", static_cast<int>(third.pid()))};
  for (process* p : {&first, &second, &third}) {
    CHECK(p->wait() == 1);
    CHECK(has(p->errors(), "two processes say they are rank 2: "));
    for (const std::string& who : told) CHECK(has(p->errors(), who));
  }
  // This one may have come too late to be told; it then waits for a rank 0 that has gone.
  other.signal(SIGKILL);
  CHECK(other.wait() != 0);
}

TEST_CASE("tcp join: two processes that say they are rank 0") {
  job j{.size = 3};
  process first = j.rank(0);
  tutti::detail::socket listens = j.stranger();
  process again = j.rank(0);
  for (process* p : {&first, &again}) {
    CHECK(p->wait() == 1);
    CHECK(has(p->errors(), "two processes say they are rank 0: "));
  }
}

TEST_CASE("tcp join: a port that is somebody else's") {
  job j{.size = 2, .join_timeout = "0.5"};
  std::string why;
  tutti::detail::socket other = tutti::detail::listen_for(j.host, std::stoi(j.port), why);
  REQUIRE(other);
  process p = j.rank(0);
  CHECK(p.wait() == 1);
  CHECK(p.errors() == "rank 0: rank 0 cannot listen at 127.0.0.1:" + j.port + ": Address already in use\n");
}

TEST_CASE("tcp join: what answers and is no rank 0") {
  job j{.size = 2, .join_timeout = "20"};
  std::string why;
  tutti::detail::socket other = tutti::detail::listen_for(j.host, std::stoi(j.port), why);
  REQUIRE(other);
  process p = j.rank(1);
  REQUIRE(tutti::detail::wait_for(other, POLLIN, tutti::now() + 20));
  tutti::detail::socket line(::accept4(other.descriptor(), nullptr, nullptr, SOCK_NONBLOCK));
  std::string text(200, 'x');
  tutti::detail::send_all(line, text.data(), text.size(), tutti::now() + 5);
  CHECK(p.wait() == 1);
  CHECK(p.errors() == "rank 1: what answers at 127.0.0.1:" + j.port + " is not rank 0 of a Tutti program\n");
}

TEST_CASE("tcp join: ranks that disagree on their number") {
  job j{.size = 3};
  process first = j.rank(0), second = j.rank(1, 4);
  std::string says = tutti::format("/%d) says that there are 4 ranks, rank 0 (", static_cast<int>(second.pid()));
  for (process* p : {&first, &second}) {
    CHECK(p->wait() == 1);
    CHECK(has(p->errors(), says));
    CHECK(has(p->errors(), ") that there are 3\n"));
  }
}

TEST_CASE("tcp join: strangers do no harm") {
  job j{.size = 2};
  process first = j.rank(0);
  std::vector<tutti::detail::socket> strangers;
  std::string garbage(100000, 'x'), beginning(reinterpret_cast<const char*>(&tutti::detail::tcp_magic), 5);
  for (const std::string& words : {garbage, std::string("GET / HTTP/1.1\r\n\r\n"), beginning, std::string()}) {
    strangers.push_back(j.stranger());
    tutti::detail::send_all(strangers.back(), words.data(), words.size(), tutti::now() + 5);
  }
  for (int i = 0; i < 100; ++i) strangers.push_back(j.stranger());  // more than are let in at a time
  { tutti::detail::socket leaves = j.stranger(); }
  process second = j.rank(1);
  CHECK(first.wait() == 0);
  CHECK(second.wait() == 0);
  CHECK(first.errors() == "");
}

TEST_CASE("tcp join: another job's rank is sent away, and ours goes on") {
  job j{.size = 2};
  process first = j.rank(0);
  process alien({RANKS_PROBE}, {"RANK=1", "WORLD_SIZE=2", "MASTER_ADDR=127.0.0.1", "MASTER_PORT=" + j.port,
                                "TORCHELASTIC_RUN_ID=other"});
  CHECK(alien.wait() == 1);
  CHECK(has(alien.errors(), " at 127.0.0.1:" + j.port + " serves another job\n"));
  process second = j.rank(1);
  CHECK(first.wait() == 0);
  CHECK(second.wait() == 0);
}

TEST_CASE("tcp join: a rank that ends while ranks join is named") {
  job j{.size = 4};
  process first = j.rank(0);
  { tutti::detail::socket listens = j.stranger(); }
  // We are ranks 1 and 2, and rank 2 goes as soon as it is accepted.
  tutti::tcp_options options{.rank = 1, .size = 4, .port = std::stoi(j.port), .job = "torchrun  "};
  std::string why;
  auto where = tutti::detail::resolve(j.host, options.port, why);
  tutti::detail::tcp_attempt stays = tutti::detail::tcp_knock(options, where[0], tutti::now() + 20);
  REQUIRE(stays.accepted);
  options.rank = 2;
  { REQUIRE(tutti::detail::tcp_knock(options, where[0], tutti::now() + 20).accepted); }
  CHECK(first.wait() == 1);
  CHECK(first.errors().starts_with("rank 0: rank 2 ("));
  CHECK(first.errors().ends_with(") ended before all ranks had joined\n"));
  REQUIRE(stays.root.read_until(tutti::now() + 20, tutti::detail::tcp_longest_text) == tutti::detail::transfer::moved);
  REQUIRE(stays.root.frame.kind == tutti::detail::tcp_kind::failure);
  CHECK(stays.root.failure().rank() == 2);
  CHECK(stays.root.failure().code() == tutti::errc::rank_died);
  CHECK("rank 0: " + std::string(stays.root.failure().what()) + "\n" == first.errors());
}

namespace {

/// We are rank 0: takes a connection, and answers as far as `accept` says.
tutti::detail::tcp_peer take_hello(const tutti::detail::socket& listener, bool accept) {
  tutti::detail::tcp_peer peer;
  REQUIRE(tutti::detail::wait_for(listener, POLLIN, tutti::now() + 20));
  peer.line = tutti::detail::socket(::accept4(listener.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  tutti::detail::tcp_hello hello;
  std::size_t got = 0;
  while (got < sizeof hello) {
    REQUIRE(tutti::detail::wait_for(peer.line, POLLIN, tutti::now() + 20));
    REQUIRE(tutti::detail::receive_some(peer.line, &hello, sizeof hello, got) == tutti::detail::transfer::moved);
  }
  if (accept) peer.send({.kind = tutti::detail::tcp_kind::accepted}, {}, tutti::now() + 5);
  return peer;
}

}  // namespace

TEST_CASE("tcp join: rank 0 that ends, or falls silent, while ranks join") {
  for (bool silent : {false, true}) {
    CAPTURE(silent);
    const saying s = unhurried(0.4, [&](double seconds) {
      job j{.size = 3, .join_timeout = tutti::format("%g", seconds)};
      std::string why;
      tutti::detail::socket listener = tutti::detail::listen_for(j.host, std::stoi(j.port), why);
      process p = j.rank(1);
      tutti::detail::tcp_peer peer = take_hello(listener, true);
      if (!silent) peer = {};
      const double more = std::min(seconds, tutti::detail::tcp_hello_time);
      return saying(p, "rank 1: rank 0 at 127.0.0.1:" + j.port +
                           (silent ? tutti::format(" did not say within %g s that all ranks have joined\n", seconds + more)
                                   : " ended before all ranks had joined\n"));
    }, [](const saying& of) { return of.right(); });
    CHECK(s.code == 1);
    CHECK(s.said == s.meant);
  }
}

TEST_CASE("tcp join: rank 0 that takes a connection and does not answer, or closes it, is tried until the deadline") {
  for (bool silent : {false, true}) {
    CAPTURE(silent);
    const saying s = unhurried(0.4, [&](double seconds) {
      job j{.size = 3, .join_timeout = tutti::format("%g", seconds)};
      std::string why;
      tutti::detail::socket listener = tutti::detail::listen_for(j.host, std::stoi(j.port), why);
      process p = j.rank(1);
      std::vector<tutti::detail::tcp_peer> peers;
      CHECK(eventually([&] {
        if (tutti::detail::wait_for(listener, POLLIN, tutti::now() + 0.01)) peers.push_back(take_hello(listener, false));
        if (!silent) peers.clear();
        return p.ended();
      }));
      return saying(p, "rank 1: rank 0 was not there at 127.0.0.1:" + j.port + " within " + j.join_timeout + " s: " +
                           (silent ? "it took the connection and did not answer\n" : "it closed the connection\n"));
    }, [](const saying& of) { return of.right(); });
    CHECK(s.code == 1);
    CHECK(s.said == s.meant);
  }
}

