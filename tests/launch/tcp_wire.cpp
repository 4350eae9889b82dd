#include <tutti/launch/tcp_wire.hpp>

#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <tutti/base/clock.hpp>

using tutti::detail::tcp_frame;
using tutti::detail::tcp_hello;
using tutti::detail::tcp_kind;
using tutti::detail::tcp_peer;
using tutti::detail::transfer;

namespace {

/// Two peers, each the other's.
struct couple {
  tcp_peer a, b;
  couple() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    a.line = tutti::detail::socket(ends[0]);
    b.line = tutti::detail::socket(ends[1]);
  }
};

std::vector<std::byte> filled(std::size_t length) { return std::vector<std::byte>(length, std::byte{7}); }

}  // namespace

TEST_CASE("tcp wire: frames arrive whole, one after the other, however they were cut") {
  couple c;
  tcp_frame head{.kind = tcp_kind::data, .round = 5, .length = 3};
  std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
  bytes += "abc" + bytes + "def";
  for (std::size_t i = 1; i <= bytes.size(); ++i) {
    REQUIRE(tutti::detail::send_all(c.a.line, &bytes[i - 1], 1, tutti::now() + 5) == transfer::moved);
    const bool whole = i % (sizeof head + 3) == 0;
    CHECK(c.b.read(100) == (whole ? transfer::moved : transfer::later));
    if (!whole) continue;
    CHECK(c.b.frame.round == 5);
    CHECK(c.b.payload[2] == std::byte(i < bytes.size() ? 'c' : 'f'));
  }
}

TEST_CASE("tcp wire: a frame without a payload") {
  couple c;
  CHECK(c.a.send({.kind = tcp_kind::welcome}, {}, tutti::now() + 5) == transfer::moved);
  CHECK(c.b.read(0) == transfer::moved);
  CHECK(c.b.frame.kind == tcp_kind::welcome);
}

TEST_CASE("tcp wire: what is longer than allowed, or no frame, closes the connection") {
  {
    couple c;
    CHECK(c.a.send({.kind = tcp_kind::data}, filled(11), tutti::now() + 5) == transfer::moved);
    CHECK(c.b.read(10) == transfer::closed);
  }
  {
    couple c;
    std::string text(100, 'x');
    REQUIRE(tutti::detail::send_all(c.a.line, text.data(), text.size(), tutti::now() + 5) == transfer::moved);
    CHECK(c.b.read(1000) == transfer::closed);
  }
  {
    couple c;
    tcp_frame huge{.kind = tcp_kind::data, .length = ~std::uint64_t{0}};
    REQUIRE(tutti::detail::send_all(c.a.line, &huge, sizeof huge, tutti::now() + 5) == transfer::moved);
    CHECK(c.b.read(tutti::detail::tcp_most_bytes) == transfer::closed);
  }
}

TEST_CASE("tcp wire: nothing by the deadline, and the end") {
  couple c;
  CHECK(c.b.read_until(tutti::now() + 0.01, 10) == transfer::later);
  { tutti::detail::socket closed = std::move(c.a.line); }
  CHECK(c.b.read_until(tutti::now() + 5, 10) == transfer::closed);
}

TEST_CASE("tcp wire: an error keeps its code, its rank and its text, to a length") {
  couple c;
  c.a.send_failure(tutti::error(tutti::errc::rank_died, "rank 3 is gone", 3));
  REQUIRE(c.b.read(tutti::detail::tcp_longest_text) == transfer::moved);
  CHECK(c.b.failure().code() == tutti::errc::rank_died);
  CHECK(c.b.failure().rank() == 3);
  CHECK(c.b.failure().what() == std::string("rank 3 is gone"));
  c.a.send_failure(tutti::error(tutti::errc::data, std::string(10000, 'x')));
  REQUIRE(c.b.read(tutti::detail::tcp_longest_text) == transfer::moved);
  CHECK(std::string(c.b.failure().what()).size() == 4096);
  c.b.frame.code = 99;
  CHECK(c.b.failure().code() == tutti::errc::launch);
}

TEST_CASE("tcp wire: a hello names its process, and its job") {
  tcp_hello a(tutti::tcp_options{.rank = 1, .size = 2, .job = "a"}), b(tutti::tcp_options{.rank = 1, .size = 2, .job = "b"});
  CHECK(a.job != b.job);
  CHECK(a.job == tcp_hello(tutti::tcp_options{.job = "a"}).job);
  CHECK(a.name().ends_with(tutti::format("/%d", static_cast<int>(::getpid()))));
  std::memset(a.host, 'h', sizeof a.host);  // without an end
  CHECK(a.name().starts_with(std::string(64, 'h') + "/"));
}
