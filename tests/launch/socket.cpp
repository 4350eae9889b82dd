#include <tutti/launch/socket.hpp>

#include <doctest/doctest.h>

#include "process.hpp"

using tcp_socket = tutti::detail::socket;  // the C library has a function of that name
using tutti::detail::transfer;

namespace {

/// Both ends of a connection to `host`, or a reason why there is none.
struct connection {
  tcp_socket from, to;
  std::string why;

  explicit connection(const std::string& host) {
    int port = std::stoi(tests::free_port());
    tcp_socket listener = tutti::detail::listen_for(host, port, why);
    if (!listener) return;
    for (const auto& where : tutti::detail::resolve(host, port, why)) {
      from = tutti::detail::connect_to(where, tutti::now() + 5, why);
      if (from) break;
    }
    if (!from || !tutti::detail::wait_for(listener, POLLIN, tutti::now() + 5)) return;
    to = tcp_socket(::accept4(listener.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  }
};

}  // namespace

TEST_CASE("socket: connects by IPv4, IPv6 and name") {
  for (const char* host : {"127.0.0.1", "::1", "localhost"}) {
    CAPTURE(host);
    connection c(host);
    if (std::string(host) == "::1" && !c.from) {
      MESSAGE("skipped: no IPv6 here: " << c.why);
      continue;
    }
    REQUIRE(c.from);
    REQUIRE(c.to);
    CHECK(tutti::detail::send_all(c.from, "hello", 5, tutti::now() + 5) == transfer::moved);
    char text[5];
    std::size_t got = 0;
    while (got < 5) {
      REQUIRE(tutti::detail::wait_for(c.to, POLLIN, tutti::now() + 5));
      CHECK(tutti::detail::receive_some(c.to, text, 5, got) == transfer::moved);
    }
    CHECK(std::string(text, 5) == "hello");
  }
}

TEST_CASE("socket: says that there is nothing yet, or nothing more") {
  connection c("127.0.0.1");
  REQUIRE(c.to);
  char byte;
  std::size_t got = 0;
  CHECK(tutti::detail::receive_some(c.to, &byte, 1, got) == transfer::later);
  CHECK(!tutti::detail::wait_for(c.to, POLLIN, tutti::now() + 0.01));
  { tcp_socket closed = std::move(c.from); }
  REQUIRE(tutti::detail::wait_for(c.to, POLLIN, tutti::now() + 5));
  CHECK(tutti::detail::receive_some(c.to, &byte, 1, got) == transfer::closed);
}

TEST_CASE("socket: a send to one who does not read ends at its deadline") {
  connection c("127.0.0.1");
  REQUIRE(c.to);
  std::vector<char> much(std::size_t{64} << 20);
  CHECK(tutti::detail::send_all(c.from, much.data(), much.size(), tutti::now() + 0.05) == transfer::later);
}

TEST_CASE("socket: why there is no connection") {
  std::string why;
  int port = std::stoi(tests::free_port());
  auto where = tutti::detail::resolve("127.0.0.1", port, why);
  REQUIRE(where.size() == 1);
  CHECK(where[0].text() == tutti::format("127.0.0.1:%d", port));
  // A free port: a client may even meet itself there, which does not count.
  CHECK(!tutti::detail::connect_to(where[0], tutti::now() + 5, why));
  CHECK(why == "Connection refused");
  CHECK(tutti::detail::resolve("no-such-host.invalid", 1, why).empty());
  CHECK(why != "");
}

TEST_CASE("socket: a socket that meets itself does not count") {
  // The clients' ports of a loopback connection are drawn from a range, in which this port lies: one in a few
  // thousand attempts meets itself, so bind the client to the port that it calls.
  std::string why;
  int port = std::stoi(tests::free_port());
  auto where = tutti::detail::resolve("127.0.0.1", port, why);
  tcp_socket self = tutti::detail::open_socket(where[0]);
  REQUIRE(::bind(self.descriptor(), where[0].get(), where[0].length) == 0);
  ::connect(self.descriptor(), where[0].get(), where[0].length);
  REQUIRE(tutti::detail::wait_for(self, POLLOUT, tutti::now() + 5));
  CHECK(tutti::detail::meets_itself(self));
  connection c("127.0.0.1");
  REQUIRE(c.from);
  CHECK(!tutti::detail::meets_itself(c.from));
}

TEST_CASE("socket: listens where the name leads, or everywhere") {
  auto bound = [](const char* host) {
    std::string why;
    tcp_socket s = tutti::detail::listen_for(host, std::stoi(tests::free_port()), why);
    REQUIRE(s);
    tutti::detail::address mine;
    mine.length = sizeof mine.storage;
    ::getsockname(s.descriptor(), reinterpret_cast<sockaddr*>(&mine.storage), &mine.length);
    std::string text = mine.text();
    return text.substr(0, text.rfind(':'));
  };
  CHECK(bound("127.0.0.1") == "127.0.0.1");
  CHECK((bound("localhost") == "127.0.0.1" || bound("localhost") == "[::1]"));
  // Not this machine's, and no name at all.
  for (const char* elsewhere : {"192.0.2.1", "no-such-host.invalid"}) {
    std::string any = bound(elsewhere);
    CAPTURE(any);
    CHECK((any == "[::]" || any == "0.0.0.0"));
  }
}

TEST_CASE("socket: a port that is taken is said to be") {
  std::string why;
  int port = std::stoi(tests::free_port());
  tcp_socket first = tutti::detail::listen_for("127.0.0.1", port, why);
  REQUIRE(first);
  CHECK(!tutti::detail::listen_for("127.0.0.1", port, why));
  CHECK(why == "Address already in use");
}
