#include <tutti/transport/slots.hpp>

#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include <sched.h>

#include <tutti/device/buffer.hpp>

#include "open_memory.hpp"

using namespace tutti;

namespace {

struct channel {
  explicit channel(slot_shape s, const lender* lends = nullptr, borrower* borrows = nullptr)
      : shape(s), bytes(s.footprint()), memory(unused(bytes.data(), s)), out(memory, at_receiver, lends), in(memory, at_sender, borrows) {}
  static slot_memory unused(std::byte* base, slot_shape s) {
    slot_memory made{base, s};
    made.initialise();
    return made;
  }
  slot_shape shape;
  buffer<std::byte> bytes;
  slot_memory memory;
  doorbell at_sender, at_receiver;
  slot_sender out;
  slot_receiver in;
};

call named(const char* kind, std::uint64_t number) {
  call c{.number = number};
  std::strncpy(c.kind, kind, sizeof c.kind - 1);
  return c;
}

// What stands at a position of the stream: 7919 is no divisor of a slot.
std::byte at(std::uint64_t position) { return static_cast<std::byte>(position % 7919 % 251); }

std::uint64_t draw(std::uint64_t& random) {
  random ^= random << 13;
  random ^= random >> 7;
  random ^= random << 17;
  return random;
}

}  // namespace

TEST_CASE("slots are as long as fit, and no shorter than asked") {
  constexpr slot_shape longest{.slots = 4, .bytes = 65536};
  CHECK(shape_within(std::size_t{1} << 20, longest, 2048, 2).bytes == 65536);
  for (std::size_t peers : {2u, 5u, 33u, 64u}) {
    const slot_shape s = shape_within(std::size_t{1} << 20, longest, 2048, peers);
    CHECK(s.footprint() * peers <= std::size_t{1} << 20);
    CHECK((s.bytes == 65536 || slot_shape{4, 2 * s.bytes}.footprint() * peers > std::size_t{1} << 20));
  }
  CHECK(shape_within(std::size_t{1} << 20, longest, 2048, 10000).bytes == 2048);
}

TEST_CASE("of channels in one memory the heads lie together, and no two share a byte") {
  for (const slot_shape shape : {slot_shape{.slots = 4, .bytes = 2048}, slot_shape{.slots = 2, .bytes = 192, .heads = 8}}) {
    constexpr std::size_t n = 5;
    std::vector<char> users(n * shape.footprint());
    std::byte* const all = reinterpret_cast<std::byte*>(users.data());
    auto use = [&](const void* begin, std::size_t bytes) {
      const auto at = static_cast<std::size_t>(static_cast<const std::byte*>(begin) - all);
      REQUIRE(at + bytes <= users.size());
      for (std::size_t i = 0; i < bytes; ++i) ++users[at + i];
      return at + bytes;
    };
    for (std::size_t p = 0; p < n; ++p) {
      const slot_memory one = slot_memory::one_of(all, n, p, shape);
      CHECK(use(&one.credit(), sizeof(slot_credit)) <= n * shape.heads_bytes());
      for (std::uint32_t h = 0; h < shape.heads; ++h) {
        CHECK(use(&one.head(h), sizeof(slot_head)) <= n * shape.heads_bytes());
        use(one.behind(h), shape.short_bytes());
      }
      for (std::uint32_t s = 0; s < shape.slots; ++s) use(one.data(s), shape.bytes);
    }
    CHECK(users == std::vector<char>(users.size(), 1));
  }
}

TEST_CASE("the parts of a channel lie one after the other, on lines of their own") {
  const slot_shape shape{.slots = 8, .bytes = 192};
  channel c(shape);
  CHECK(shape.footprint() == 64 + 8 * (sizeof(slot_head) + 192));
  CHECK(sizeof(slot_head) % 64 == 0);
  const std::byte* end = c.bytes.data() + c.bytes.size();
  for (std::uint64_t i = 0; i < 8; ++i) {
    CHECK(reinterpret_cast<std::uintptr_t>(&c.memory.head(i)) % 64 == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(c.memory.data(i)) % 64 == 0);
    CHECK(&c.memory.head(i) == &c.memory.head(i + 8));
    CHECK(c.memory.data(i) == c.memory.data(i + 16));
    CHECK(reinterpret_cast<std::byte*>(&c.memory.head(i) + 1) <= c.memory.data(0));
    CHECK(c.memory.data(i) + 192 <= end);
    if (i > 0) CHECK(c.memory.data(i) == c.memory.data(i - 1) + 192);
  }
  CHECK(c.memory.data(7) + 192 == end);
}

TEST_CASE("32 bytes ride in the head's own line, 33 do not") {
  channel c({.slots = 4, .bytes = 64});
  const call what = named("x", 1);
  const envelope e{.fingerprint = 9, .what = &what};
  std::byte bytes[64];
  for (std::size_t i = 0; i < 64; ++i) bytes[i] = at(i + 1);
  std::uint64_t number = 0, slots_used = 0;
  for (std::size_t n : {0u, 1u, 31u, 32u, 33u, 63u, 64u}) {
    CAPTURE(n);
    CHECK(c.out.send(bytes, n, e) == static_cast<std::ptrdiff_t>(n));
    const piece* p = c.in.receive(nullptr, 0);
    REQUIRE(p);
    REQUIRE(p->bytes == n);
    CHECK(p->from.fingerprint == 9);
    const std::byte* in_line = c.memory.head(number).small;
    CHECK(p->data == (n <= 32 ? in_line : c.memory.data(slots_used++)));
    CHECK(std::memcmp(p->data, bytes, n) == 0);
    c.in.consume(n);
    CHECK(c.in.receive(nullptr, 0) == nullptr);
    ++number;
  }
}

TEST_CASE("a channel takes as many pieces as it has slots, empty ones too, and more once they are used") {
  for (std::uint32_t slots : {1u, 2u, 8u}) {
    channel c({.slots = slots, .bytes = 64});
    const call what = named("x", 1);
    const envelope e{.fingerprint = 1, .what = &what};
    for (int round = 0; round < 5; ++round) {
      for (std::uint32_t i = 0; i < slots; ++i) CHECK(c.out.send(nullptr, 0, e) == 0);
      CHECK(c.out.send(nullptr, 0, e) == send_port::full);
      CHECK(c.out.in_flight == 0);  // it copies: what was sent may change at once
      REQUIRE(c.in.receive(nullptr, 0));
      c.in.consume(0);
      CHECK(c.out.send(nullptr, 0, e) == 0);
      CHECK(c.out.send(nullptr, 0, e) == send_port::full);
      for (std::uint32_t i = 0; i < slots; ++i) {
        REQUIRE(c.in.receive(nullptr, 0));
        c.in.consume(0);
      }
      CHECK(c.in.receive(nullptr, 0) == nullptr);
    }
  }
}

TEST_CASE("short pieces need no slot, where there are more heads than slots") {
  channel c({.slots = 2, .bytes = 1024, .heads = 16});
  CHECK(c.shape.footprint() == 64 + 16 * (sizeof(slot_head) + 512) + 2 * 1024);
  CHECK(c.memory.data(1) + 1024 == c.bytes.data() + c.bytes.size());
  CHECK(c.memory.behind(15) + 512 == c.memory.data(0));
  const call what = named("x", 1);
  const envelope e{.fingerprint = 1, .what = &what};
  std::vector<std::byte> bytes(1024);
  std::vector<std::size_t> under_way;
  std::uint64_t sent = 0, seen = 0, random = 20;
  auto fill = [&](std::uint64_t number) {
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = at(number * 31 + i);
  };
  auto push = [&](std::size_t n) {
    fill(sent);
    if (c.out.send(bytes.data(), n, e) == send_port::full) return false;
    under_way.push_back(n);
    ++sent;
    return true;
  };
  auto pull = [&] {
    const piece* p = c.in.receive(nullptr, 0);
    REQUIRE(p);
    fill(seen);
    REQUIRE(p->bytes == under_way[seen]);
    CHECK(std::memcmp(p->data, bytes.data(), p->bytes) == 0);
    c.in.consume(p->bytes);
    ++seen;
  };
  // Long ones wait for slots, short ones for heads only.
  CHECK(push(513));
  CHECK(push(1024));
  CHECK_FALSE(push(513));
  for (int i = 0; i < 14; ++i) CHECK(push(i % 2 ? 512 : 8));
  CHECK_FALSE(push(8));
  pull();
  CHECK(push(513));
  CHECK_FALSE(push(0));
  pull();
  CHECK(push(512));
  CHECK_FALSE(push(1024));  // no head
  while (seen < sent) pull();
  for (int i = 0; i < 20000; ++i) {
    const std::size_t n = draw(random) % 5 == 0 ? 513 + draw(random) % 512 : draw(random) % 513;
    const bool taken = push(n);
    std::size_t long_ones = 0;
    for (std::uint64_t k = seen; k < sent; ++k) long_ones += under_way[k] > 512;
    CHECK((taken ? sent - seen <= 16 && long_ones <= 2 : sent - seen == 16 || (n > 512 && long_ones == 2)));
    if (!taken || (seen < sent && draw(random) % 3 == 0)) pull();
  }
}

TEST_CASE("a channel that is full stays so when its memory becomes another's") {
  channel c({.slots = 4, .bytes = 64});
  const call what = named("x", 1);
  const envelope e{.fingerprint = 1, .what = &what};
  for (int i = 0; i < 6; ++i) {
    REQUIRE(c.out.send(nullptr, 0, e) == 0);
    if (i < 2) {
      REQUIRE(c.in.receive(nullptr, 0));
      c.in.consume(0);
    }
  }
  c.memory.initialise(2);
  CHECK(c.out.send(nullptr, 0, e) == send_port::full);
  CHECK(c.memory.head(6).flag == 0);
}

TEST_CASE("what the receiver can read where it lies is not copied, and counts as in flight until it is used") {
  open_memory everything;
  channel c({.slots = 4, .bytes = 64}, &everything, &everything);
  slot_sender& out = c.out;
  slot_receiver& in = c.in;
  const call what = named("x", 1);
  const envelope e{.fingerprint = 1, .what = &what, .element = 12};
  std::vector<std::byte> large(longest_loan + 5000);
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = at(i);

  // Too short for a loan: copied, and free at once.
  CHECK(out.send(large.data(), 60, e) == 60);
  CHECK(out.in_flight == 0);
  CHECK(in.receive(nullptr, 0)->data == c.memory.data(0));
  in.consume(60);

  const auto whole = static_cast<std::ptrdiff_t>(longest_loan - longest_loan % 12);
  CHECK(out.send(large.data(), large.size(), e) == whole);
  CHECK(out.in_flight == static_cast<std::size_t>(whole));
  // What comes behind a loan counts as well, though it was copied.
  CHECK(out.send(large.data(), 48, e) == 48);
  CHECK(out.in_flight == static_cast<std::size_t>(whole) + 48);
  CHECK(out.send(large.data() + 100, least_loan, e) == least_loan);

  const piece* p = in.receive(nullptr, 0);
  REQUIRE(p);
  CHECK(p->data == large.data());
  CHECK(p->bytes == static_cast<std::size_t>(whole));
  in.consume(1000);  // a part of it
  out.settle();
  CHECK(out.in_flight == static_cast<std::size_t>(whole) + 48 + least_loan);
  CHECK(in.receive(nullptr, 0)->data == large.data() + 1000);
  in.consume(static_cast<std::size_t>(whole) - 1000);
  out.settle();
  CHECK(out.in_flight == least_loan);  // the copied piece stands before the next loan
  CHECK(std::memcmp(in.receive(nullptr, 0)->data, large.data(), 48) == 0);
  in.consume(48);
  CHECK(in.receive(nullptr, 0)->data == large.data() + 100);
  in.consume(least_loan);
  out.settle();
  CHECK(out.in_flight == 0);
  CHECK(in.receive(nullptr, 0) == nullptr);
}

TEST_CASE("a channel with loans is full when it is, and a loan that is refused is a copy") {
  struct picky final : lender {
    loan lend(const std::byte* data, std::size_t) const override { return data == refused ? 0 : reinterpret_cast<loan>(data); }
    const std::byte* refused = nullptr;
  } some;
  open_memory everything;
  channel c({.slots = 2, .bytes = 128}, &some, &everything);
  slot_sender& out = c.out;
  slot_receiver& in = c.in;
  const call what = named("x", 1);
  const envelope e{.fingerprint = 1, .what = &what};
  std::vector<std::byte> large(2 * least_loan);
  some.refused = large.data();
  CHECK(out.send(large.data(), large.size(), e) == 128);
  CHECK(out.in_flight == 0);
  CHECK(out.send(large.data() + 1, least_loan, e) == least_loan);
  CHECK(out.send(large.data() + 1, least_loan, e) == send_port::full);
  CHECK(out.in_flight == least_loan);
  in.receive(nullptr, 0);
  in.consume(128);
  CHECK(out.send(large.data(), 8, e) == 8);
  CHECK(out.in_flight == least_loan + 8);
  in.receive(nullptr, 0);
  in.consume(least_loan);
  out.settle();
  CHECK(out.in_flight == 0);
}

TEST_CASE("a piece holds whole elements, where one fits into a slot") {
  channel c({.slots = 4, .bytes = 128});
  const call what = named("x", 1);
  std::vector<std::byte> bytes(1000);
  auto taken = [&](std::size_t n, std::uint32_t element) {
    const std::ptrdiff_t t = c.out.send(bytes.data(), n, {.fingerprint = 1, .what = &what, .element = element});
    REQUIRE(t >= 0);
    c.in.receive(nullptr, 0);
    c.in.consume(static_cast<std::size_t>(t));
    return t;
  };
  CHECK(taken(1000, 1) == 128);
  CHECK(taken(1000, 8) == 128);
  CHECK(taken(1000, 12) == 120);
  CHECK(taken(999, 37) == 111);
  CHECK(taken(1000, 65) == 65);
  CHECK(taken(1000, 127) == 127);
  CHECK(taken(1000, 128) == 128);
  CHECK(taken(1000, 129) == 128);  // an element in parts
  CHECK(taken(1000, 500) == 128);
  CHECK(taken(111, 37) == 111);
}

TEST_CASE("a piece may be used bit by bit, and looked at as often as one likes") {
  channel c({.slots = 2, .bytes = 256});
  const call what = named("x", 1);
  std::vector<std::byte> bytes(200);
  for (std::size_t i = 0; i < 200; ++i) bytes[i] = at(i);
  CHECK(c.in.peek() == nullptr);
  c.out.send(bytes.data(), 200, {.fingerprint = 4, .what = &what});
  const envelope* next = c.in.peek();
  REQUIRE(next);
  CHECK(next->fingerprint == 4);
  std::size_t used = 0;
  for (std::size_t n : {1u, 0u, 99u, 50u, 50u}) {
    const piece* p = c.in.receive(nullptr, 0);
    REQUIRE(p);
    CHECK(p == c.in.receive(nullptr, 0));
    CHECK(p->bytes == 200 - used);
    CHECK(std::memcmp(p->data, bytes.data() + used, n) == 0);
    CHECK(c.memory.credit().consumed == 0);
    c.in.consume(n);
    used += n;
  }
  CHECK(c.memory.credit().consumed == 1);
  CHECK(c.in.receive(nullptr, 0) == nullptr);
}

TEST_CASE("the first pieces of an operation say what it is, however far the receiver lags") {
  // Whoever expects another operation meets a first piece of this one; it may
  // stand in any slot, with up to all other slots full of the operation before.
  for (std::uint64_t before = 0; before < 9; ++before) {
    channel c({.slots = 4, .bytes = 64});
    const call first = named("all_reduce", 1), second = named("broadcast", 2), third = named("barrier", 3);
    std::uint64_t sent = 0;
    auto push = [&](const call& what) {
      REQUIRE(c.out.send(nullptr, 0, {.fingerprint = 100 + what.number, .what = &what}) == 0);
      ++sent;
    };
    auto pull = [&](const call& want) {
      const piece* p = c.in.receive(nullptr, 0);
      REQUIRE(p);
      CHECK(p->from.fingerprint == 100 + want.number);
      CHECK(std::memcmp(p->from.what, &want, sizeof want) == 0);
      c.in.consume(0);
    };
    CAPTURE(before);
    for (std::uint64_t i = 0; i < before; ++i) {
      push(first);
      pull(first);
    }
    for (int i = 0; i < 4; ++i) push(second);  // all slots full before the receiver looks
    for (int i = 0; i < 4; ++i) pull(second);
    push(third);
    push(first);  // operations of one piece each
    push(second);
    pull(third);
    push(third);
    pull(first);
    pull(second);
    pull(third);
    for (int i = 0; i < 11; ++i) {  // and every later piece of a long one, too
      push(first);
      pull(first);
    }
  }
}

TEST_CASE("thousands of pieces of every size between two threads, byte for byte") {
  for (std::uint64_t seed : {1u, 2u, 3u, 4u}) {
    CAPTURE(seed);
    channel c({.slots = seed % 2 ? 4u : 1u, .bytes = 192});
    constexpr std::uint64_t calls = 12000;
    struct plan {
      std::uint64_t random;
      std::size_t next() {
        const std::uint64_t r = draw(random);
        if (r % 7 == 0) return 0;
        if (r % 3 == 0) return 30 + r / 1024 % 6;  // around the 32 that ride in the head
        return 1 + r / 1024 % 700;
      }
    };
    std::string wrong;
    std::thread receiver([&] {
      std::uint64_t random = seed * 977, position = 0, empty = 0, expected_empty = 0;
      plan p{seed * 31 + 1};
      std::uint64_t total = 0;
      for (std::uint64_t i = 0; i < calls; ++i) {
        const std::size_t n = p.next();
        total += n;
        expected_empty += n == 0;
      }
      auto something = [&] { return c.in.receive(nullptr, 0) != nullptr; };
      while (position < total || empty < expected_empty) {
        const piece* got = c.in.receive(nullptr, 0);
        if (!got) {
          c.at_receiver.sleep(0.5, something);
          continue;
        }
        empty += got->bytes == 0;
        const std::size_t part = got->bytes > 1 && draw(random) % 4 == 0 ? 1 + draw(random) % (got->bytes - 1) : got->bytes;
        for (std::size_t i = 0; i < part; ++i)
          if (got->data[i] != at(position + i) && wrong.empty()) wrong = "byte " + std::to_string(position + i);
        position += part;
        c.in.consume(part);
      }
      if (c.in.receive(nullptr, 0)) wrong = "a piece too many";
    });
    const call what = named("x", 1);
    std::vector<std::byte> bytes(1024);
    std::uint64_t position = 0;
    plan p{seed * 31 + 1};
    for (std::uint64_t i = 0; i < calls; ++i) {
      const std::size_t n = p.next();
      for (std::size_t done = 0;;) {
        for (std::size_t b = done; b < n; ++b) bytes[b] = at(position + b - done);
        const std::ptrdiff_t taken = c.out.send(bytes.data() + done, n - done, {.fingerprint = 1 + i / 100, .what = &what, .element = 1 + static_cast<std::uint32_t>(i % 50)});
        if (taken == send_port::full) {
          ::sched_yield();
          continue;
        }
        std::fill(bytes.begin(), bytes.end(), std::byte{0xee});  // it has its copy
        done += static_cast<std::size_t>(taken);
        position += static_cast<std::uint64_t>(taken);
        if (done == n) break;
      }
    }
    receiver.join();
    CHECK(wrong == "");
  }
}

TEST_CASE("a channel whose memory has become another's owes nothing") {
  const slot_shape shape{.slots = 4, .bytes = 64};
  buffer<std::byte> bytes(shape.footprint());
  const slot_memory memory{bytes.data(), shape};
  for (bool used_again : {false, true}) {
    CAPTURE(used_again);
    memory.initialise(7);
    doorbell at_receiver;
    open_memory everything;
    slot_sender out(memory, at_receiver, &everything);
    const call what = named("x", 1);
    std::vector<std::byte> large(least_loan);
    CHECK(out.send(large.data(), large.size(), {.fingerprint = 1, .what = &what}) == least_loan);
    out.settle();
    CHECK(out.in_flight == least_loan);
    memory.initialise(8);
    if (used_again) memory.credit().consumed.store(1);
    out.settle();
    CHECK(out.in_flight == 0);
  }
}

TEST_CASE("a look at what comes next opens nothing, and what cannot be found any more does not come") {
  struct gone final : borrower {
    std::byte* find(int, loan) override {
      ++asked;
      return nullptr;
    }
    int asked = 0;
  } owner;
  open_memory everything;
  channel c({.slots = 4, .bytes = 64}, &everything, &owner);
  slot_sender& out = c.out;
  slot_receiver& in = c.in;
  const call what = named("x", 1);
  std::vector<std::byte> large(least_loan);
  CHECK(in.peek() == nullptr);
  CHECK(out.send(large.data(), large.size(), {.fingerprint = 5, .what = &what}) == least_loan);
  REQUIRE(in.peek());
  CHECK(in.peek()->fingerprint == 5);
  CHECK(owner.asked == 0);
  CHECK(in.receive(nullptr, 0) == nullptr);
  CHECK(in.receive(nullptr, 0) == nullptr);
  CHECK(owner.asked == 2);
}
