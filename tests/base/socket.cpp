#include <tutti/base/socket.hpp>

#include <doctest/doctest.h>
#include <arpa/inet.h>
#include <poll.h>

#include <cstdint>

namespace {
using tutti::detail::address, tutti::detail::transfer;
namespace detail = tutti::detail;

address ipv4(const char* text, int port = 0) {
  address a;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&a.storage);
  v4->sin_family = AF_INET;
  v4->sin_port = htons(static_cast<std::uint16_t>(port));
  REQUIRE(::inet_pton(AF_INET, text, &v4->sin_addr) == 1);
  a.length = sizeof *v4;
  return a;
}
address ipv6(const char* text, int port = 0) {
  address a;
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&a.storage);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(static_cast<std::uint16_t>(port));
  REQUIRE(::inet_pton(AF_INET6, text, &v6->sin6_addr) == 1);
  a.length = sizeof *v6;
  return a;
}
}  // namespace

TEST_CASE("addresses are written as people write them, and know loopback") {
  CHECK(ipv4("10.1.2.3", 80).text() == "10.1.2.3:80");
  CHECK(ipv6("fd00::1", 443).text() == "[fd00::1]:443");
  CHECK(ipv4("127.9.9.9").is_loopback());
  CHECK_FALSE(ipv4("128.0.0.1").is_loopback());
  CHECK(ipv6("::1").is_loopback());
  CHECK_FALSE(ipv6("fe80::1").is_loopback());
}

TEST_CASE("a socket closes what it owns, and only once") {
  detail::socket first = detail::open_socket(ipv4("127.0.0.1"));
  REQUIRE(first);
  const int descriptor = first.descriptor();
  detail::socket second = std::move(first);
  CHECK(second.descriptor() == descriptor);
  CHECK_FALSE(first);
  second = detail::socket();
  CHECK_FALSE(second);
}

TEST_CASE("a port can be listened at once, and what comes is read in parts") {
  detail::socket listener = detail::listen_at(ipv4("127.0.0.1"));
  REQUIRE(listener);
  const address at = detail::address_of(listener);
  REQUIRE(at.length > 0);
  CHECK_FALSE(detail::listen_at(at));
  CHECK(errno == EADDRINUSE);

  detail::socket caller = detail::open_socket(at);
  ::connect(caller.descriptor(), at.get(), at.length);
  pollfd polled{.fd = listener.descriptor(), .events = POLLIN, .revents = 0};
  REQUIRE(::poll(&polled, 1, 10000) == 1);
  detail::socket called = detail::accept_at(listener);
  REQUIRE(called);
  CHECK(detail::why_unconnected(caller) == 0);
  CHECK_FALSE(detail::accept_at(listener));
  CHECK(errno == EAGAIN);

  char text[4] = {};
  std::size_t got = 0;
  CHECK(detail::receive_some(called, text, 4, got) == transfer::later);
  polled.fd = called.descriptor();
  for (const char* part : {"ab", "cd"}) {
    REQUIRE(::send(caller.descriptor(), part, 2, MSG_NOSIGNAL) == 2);
    REQUIRE(::poll(&polled, 1, 10000) == 1);
    CHECK(detail::receive_some(called, text, 4, got) == transfer::moved);
  }
  CHECK(std::string(text, 4) == "abcd");
  caller = detail::socket();
  REQUIRE(::poll(&polled, 1, 10000) == 1);
  got = 0;
  CHECK(detail::receive_some(called, text, 4, got) == transfer::closed);
  CHECK(got == 0);
}

TEST_CASE("a frame is read whole, however it is cut, and what does not belong here, or is too long, ends it") {
  struct head {
    std::uint32_t magic, length;
  };
  struct couple {
    int ends[2] = {-1, -1};
    couple() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0); }
  } pair;
  const detail::socket from(pair.ends[0]), to(pair.ends[1]);
  detail::frame_reader<head> reader;
  auto read = [&] { return reader.read_frame(to, 3, [](const head& h) { return h.magic == 7; }); };
  auto say = [&](const void* bytes, std::size_t n) { REQUIRE(::send(from.descriptor(), bytes, n, MSG_NOSIGNAL) == static_cast<ssize_t>(n)); };
  CHECK(read() == transfer::later);
  CHECK_FALSE(reader.begun());
  const head three{7, 3}, none{7, 0};
  say(&three, 5);
  CHECK(read() == transfer::later);
  CHECK(reader.begun());
  say(reinterpret_cast<const char*>(&three) + 5, 3);
  say("ab", 2);
  CHECK(read() == transfer::later);
  say("c", 1);
  say(&none, sizeof none);
  REQUIRE(read() == transfer::moved);
  CHECK(reader.payload == std::vector<std::byte>{std::byte{'a'}, std::byte{'b'}, std::byte{'c'}});
  REQUIRE(read() == transfer::moved);
  CHECK(reader.payload.empty());
  CHECK(read() == transfer::later);
  for (const head& wrong : {head{7, 4}, head{6, 0}}) {
    reader = {};
    say(&wrong, sizeof wrong);
    CHECK(read() == transfer::closed);
  }
}
