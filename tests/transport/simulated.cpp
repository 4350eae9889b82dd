#include <tutti/transport/simulated.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace tutti;

namespace {

struct trace {
  std::vector<std::uint64_t> pieces;  // sizes, in the order of arrival
  std::vector<std::byte> bytes;
  std::uint64_t ticks = 0;
  bool settled = false;
};

// One sends `n` bytes to the other, which takes what is there at every tick.
trace transfer(std::uint64_t seed, std::size_t n, std::uint32_t element, const simulation_options& options) {
  simulated_network net(2, seed, options);
  std::vector<std::byte> bytes(n);
  for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::byte>(i % 251);
  auto one = net.of(0), two = net.of(1);
  const call what{};
  trace t;
  std::size_t offered = 0;
  while (t.bytes.size() < n || one.to(1).in_flight > 0) {
    if (offered < n) {
      const std::ptrdiff_t taken = one.to(1).send(bytes.data() + offered, n - offered, {.fingerprint = 3, .what = &what, .element = element});
      if (taken != send_port::full) offered += static_cast<std::size_t>(taken);
    }
    if (const piece* p = two.from(0).receive(nullptr, 0)) {
      t.pieces.push_back(p->bytes);
      t.bytes.insert(t.bytes.end(), p->data, p->data + p->bytes);
      two.from(0).consume(p->bytes);
    }
    net.advance();
    if (++t.ticks > 1000000) return t;
  }
  t.settled = t.bytes == bytes && net.bytes_sent() == n && net.pieces_sent() == t.pieces.size();
  return t;
}

}  // namespace

TEST_CASE("whatever the network does, bytes arrive in order and every send settles") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    simulated_network random(1, seed);
    const simulation_options options{.longest_delay = random.draw(30), .longest_piece = 1 + random.draw(100),
                                     .most_under_way = 1 + random.draw(5), .refuse_percent = static_cast<int>(random.draw(90)),
                                     .direct_percent = static_cast<int>(random.draw(101))};
    CHECK(transfer(seed, 1 + random.draw(2000), 1, options).settled);
  }
}

TEST_CASE("the same seed is the same run, another is another") {
  const trace a = transfer(5, 1500, 1, {}), b = transfer(5, 1500, 1, {}), c = transfer(6, 1500, 1, {});
  CHECK(a.pieces == b.pieces);
  CHECK(a.ticks == b.ticks);
  CHECK(a.pieces != c.pieces);
}

TEST_CASE("pieces are whole elements, where one is no longer than the longest piece") {
  for (std::uint64_t bytes : transfer(1, 1200, 12, {.longest_piece = 64}).pieces) CHECK((bytes % 12 == 0 && bytes <= 64));
  bool torn = false;
  for (std::uint64_t bytes : transfer(1, 1200, 100, {.longest_piece = 64}).pieces) {
    CHECK(bytes <= 64);
    torn |= bytes < 64;
  }
  CHECK(torn);
}

TEST_CASE("what was lent is read when it is used: a sender that changes it too early is found out") {
  simulated_network net(2, 1, {.longest_delay = 0, .refuse_percent = 0, .direct_percent = 100});
  auto one = net.of(0), two = net.of(1);
  const call what{};
  std::byte bytes[8] = {};
  REQUIRE(one.to(1).send(bytes, 8, {.fingerprint = 1, .what = &what, .element = 8}) == 8);
  CHECK(one.to(1).in_flight == 8);
  bytes[3] = std::byte{9};
  const piece* p = two.from(0).receive(nullptr, 0);
  REQUIRE(p);
  CHECK(p->data[3] == std::byte{9});
  two.from(0).consume(8);
  CHECK(one.to(1).in_flight == 8);
  net.advance();
  CHECK(one.to(1).in_flight == 0);

  simulated_network copies(2, 1, {.longest_delay = 0, .refuse_percent = 0, .direct_percent = 0});
  REQUIRE(copies.of(0).to(1).send(bytes, 8, {.fingerprint = 1, .what = &what, .element = 8}) == 8);
  CHECK(copies.of(0).to(1).in_flight == 0);
  bytes[3] = std::byte{1};
  p = copies.of(1).from(0).receive(nullptr, 0);
  REQUIRE(p);
  CHECK(p->data[3] == std::byte{9});
}

TEST_CASE("no more is under way than was said, delays end in time, and empty pieces travel") {
  simulated_network net(3, 9, {.longest_delay = 11, .most_under_way = 2, .refuse_percent = 0});
  const call what{};
  auto one = net.of(0);
  CHECK(one.to(2).send(nullptr, 0, {.fingerprint = 8, .what = &what}) == 0);
  CHECK(one.to(2).send(nullptr, 0, {.fingerprint = 8, .what = &what}) == 0);
  CHECK(one.to(2).send(nullptr, 0, {.fingerprint = 8, .what = &what}) == send_port::full);
  CHECK(one.to(1).send(nullptr, 0, {.fingerprint = 8, .what = &what}) == 0);  // a channel of its own
  for (std::uint64_t t = 0; t < net.patience(); ++t) net.advance();
  auto three = net.of(2);
  for (int i = 0; i < 2; ++i) {
    const piece* p = three.from(0).receive(nullptr, 0);
    REQUIRE(p);
    CHECK(p->bytes == 0);
    CHECK(p->from.fingerprint == 8);
    three.from(0).consume(0);
  }
  CHECK(three.from(0).receive(nullptr, 0) == nullptr);
  CHECK(three.from(1).receive(nullptr, 0) == nullptr);
  CHECK(net.of(1).from(0).receive(nullptr, 0) != nullptr);
  for (std::uint64_t t = 0; t < net.patience(); ++t) net.advance();
  CHECK(one.to(2).send(nullptr, 0, {.fingerprint = 8, .what = &what}) == 0);
  CHECK(net.pieces_sent() == 4);
  CHECK(net.bytes_sent() == 0);
}

TEST_CASE("a piece may be used in parts") {
  simulated_network net(2, 3, {.longest_delay = 0, .longest_piece = 100, .refuse_percent = 0});
  const call what{};
  std::byte bytes[40];
  for (int i = 0; i < 40; ++i) bytes[i] = static_cast<std::byte>(i);
  REQUIRE(net.of(0).to(1).send(bytes, 40, {.fingerprint = 1, .what = &what, .element = 40}) == 40);
  auto two = net.of(1);
  for (std::size_t used : {0u, 7u, 8u}) {
    const piece* p = two.from(0).receive(nullptr, 0);
    REQUIRE(p);
    CHECK(p->bytes == 40 - used);
    CHECK(p->data[0] == static_cast<std::byte>(used));
    two.from(0).consume(used == 0 ? 7 : used == 7 ? 1 : 32);
  }
  CHECK(two.from(0).receive(nullptr, 0) == nullptr);
}
