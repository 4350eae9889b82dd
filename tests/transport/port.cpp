#include <tutti/transport/port.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <deque>
#include <vector>

using namespace tutti;

namespace {

// The least that the two interfaces ask for: pieces in a queue, of at most
// `longest` bytes.
struct queue_port final : send_port, recv_port {
  std::deque<std::vector<std::byte>> pieces;
  envelope last{};
  piece open{};
  std::size_t longest = 4;

  std::ptrdiff_t send(const std::byte* data, std::size_t bytes, const envelope& e) override {
    if (pieces.size() == 2) return full;
    const std::size_t n = bytes < longest ? bytes : longest;
    pieces.emplace_back(data, data + n);
    last = e;
    return static_cast<std::ptrdiff_t>(n);
  }
  const piece* receive(std::byte*, std::size_t) override {
    if (pieces.empty()) return nullptr;
    open = {.data = pieces.front().data(), .bytes = pieces.front().size(), .from = last};
    return &open;
  }
  void consume(std::size_t bytes) override {
    if (bytes == pieces.front().size()) pieces.pop_front();
    else pieces.front().erase(pieces.front().begin(), pieces.front().begin() + static_cast<std::ptrdiff_t>(bytes));
  }
};

}  // namespace

TEST_CASE("'full' is no number of bytes that a port could have taken") {
  queue_port p;
  const call what{};
  const envelope e{.fingerprint = 5, .what = &what};
  send_port& out = p;
  const std::byte bytes[10] = {};
  CHECK(out.send(bytes, 10, e) == 4);
  CHECK(out.send(bytes + 4, 0, e) == 0);  // an empty piece was taken
  CHECK(out.send(bytes + 4, 6, e) == send_port::full);
  CHECK(send_port::full < 0);
  CHECK(out.in_flight == 0);  // it copies
}

TEST_CASE("a port that looks at nothing ahead has nothing to say about it") {
  queue_port p;
  recv_port& in = p;
  CHECK(in.peek() == nullptr);
  CHECK(in.receive(nullptr, 0) == nullptr);
  const call what{};
  const std::byte bytes[3] = {std::byte{1}, std::byte{2}, std::byte{3}};
  p.send(bytes, 3, {.fingerprint = 5, .what = &what});
  const piece* got = in.receive(nullptr, 0);
  REQUIRE(got);
  CHECK(got->from.fingerprint == 5);
  in.consume(2);
  got = in.receive(nullptr, 0);
  REQUIRE(got);
  CHECK(got->bytes == 1);
  CHECK(got->data[0] == std::byte{3});
}
