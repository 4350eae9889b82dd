#include <tutti/transport/reach.hpp>

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace {
using tutti::detail::address, tutti::detail::reach;

reach::number number(const char* text) {
  reach::number n;
  n.is_ipv6 = std::string(text).find(':') != std::string::npos;
  REQUIRE(::inet_pton(n.is_ipv6 ? AF_INET6 : AF_INET, text, n.bytes) == 1);
  return n;
}
reach host(const char* boot, std::uint64_t net_space, const std::vector<const char*>& numbers) {
  reach r{.home = {.net_space = net_space}};
  std::strncpy(r.home.boot, boot, sizeof r.home.boot - 1);
  for (const char* n : numbers) r.numbers[r.count++] = number(n);
  return r;
}
std::vector<std::string> texts(const std::vector<address>& ways) {
  std::vector<std::string> all;
  for (const address& a : ways) all.push_back(a.text());
  return all;
}
}  // namespace

TEST_CASE("numbers that share more leading bits are nearer") {
  CHECK(number("10.0.0.1").shared_bits(number("10.0.0.1")) == 32);
  CHECK(number("10.0.0.1").shared_bits(number("10.0.0.0")) == 31);
  CHECK(number("10.0.0.1").shared_bits(number("138.0.0.1")) == 0);
  CHECK(number("fd00::1").shared_bits(number("fd00::1")) == 128);
  CHECK(number("fd00::1").shared_bits(number("10.0.0.1")) == -1);
}

TEST_CASE("ranks of one network namespace meet on loopback") {
  const reach a = host("boot", 7, {"10.0.0.1"});
  CHECK(texts(a.ways_to(host("boot", 7, {"10.0.0.1"}), 80)) == std::vector<std::string>{"127.0.0.1:80"});
  CHECK(a.ways_to(host("boot", 8, {}), 80).empty());
  CHECK(a.ways_to(host("another", 7, {}), 80).empty());
  CHECK(host("", 7, {}).ways_to(host("", 7, {}), 80).empty());
}

TEST_CASE("the address in the same network comes first, one's own not at all") {
  const reach a = host("one", 7, {"172.17.0.1", "10.1.0.1", "fd00::1"});
  const reach b = host("two", 7, {"172.17.0.1", "192.168.1.2", "10.1.0.2", "fd00::2"});
  CHECK(texts(a.ways_to(b, 80)) == std::vector<std::string>{"[fd00::2]:80", "10.1.0.2:80", "192.168.1.2:80"});
  CHECK(a.ways_to(host("two", 7, {}), 80).empty());
}

TEST_CASE("this process says where it can be reached, and listens there") {
  const reach mine = reach::mine();
  CHECK(mine.home.net_space != 0);
  for (std::uint32_t i = 0; i < mine.count; ++i) CHECK_FALSE(mine.numbers[i].with_port(1).is_loopback());
  for (bool loopback_only : {true, false}) {
    CAPTURE(loopback_only);
    const auto listener = tutti::detail::listen_for_peers(loopback_only);
    REQUIRE(listener);
    const std::uint16_t port = tutti::detail::port_of(listener);
    CHECK(port != 0);
    const address at = mine.ways_to(mine, port)[0];
    const tutti::detail::socket caller = tutti::detail::open_socket(at);
    CHECK((::connect(caller.descriptor(), at.get(), at.length) == 0 || errno == EINPROGRESS));
  }
}
