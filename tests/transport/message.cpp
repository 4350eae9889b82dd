#include <tutti/transport/message.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

using namespace tutti;

namespace {

call named(const char* kind) {
  call c{};
  std::strncpy(c.kind, kind, sizeof c.kind - 1);
  return c;
}

// As UCX hands over a message that lies in a buffer which it wants back: the
// receiver must copy.
void arrive(message_receiver& in, std::uint64_t sequence, std::vector<std::byte> bytes, std::uint64_t fingerprint = 1,
            const char* kind = "all_reduce") {
  const message_header header{.communicator = 1, .source = 0, .sequence = sequence, .fingerprint = fingerprint, .what = named(kind)};
  CHECK(in.arrived(header, bytes.data(), bytes.size(), ucp_am_recv_param_t{}) == UCS_OK);
  std::fill(bytes.begin(), bytes.end(), std::byte{0xee});
}

std::vector<std::byte> text(std::size_t n, std::size_t first) {
  std::vector<std::byte> bytes(n);
  for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::byte>((first + i) % 251);
  return bytes;
}

}  // namespace

TEST_CASE("messages that overtake each other are put in order again") {
  // Every order in which five messages can come, looked at after every arrival.
  std::vector<std::uint64_t> order(5);
  std::iota(order.begin(), order.end(), 0u);
  do {
    message_receiver in(nullptr);
    in.expected = 1;
    std::uint64_t next = 0;
    std::vector<bool> here(6);
    for (std::uint64_t sequence : order) {
      arrive(in, sequence, text(10 + 1000 * sequence, sequence));
      here[sequence] = true;
      for (; here[next]; ++next) {
        REQUIRE(in.peek());
        const piece* p = in.receive(nullptr, 0);
        REQUIRE(p);
        REQUIRE(p->bytes == 10 + 1000 * next);
        REQUIRE(std::vector<std::byte>(p->data, p->data + p->bytes) == text(p->bytes, next));
        in.consume(p->bytes);
      }
      REQUIRE(in.receive(nullptr, 0) == nullptr);
      REQUIRE(in.peek() == nullptr);
    }
    REQUIRE(next == 5);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("many messages of every length, long after each other, in a window that slides") {
  message_receiver in(nullptr);
  in.expected = 1;
  std::uint64_t random = 99, next = 0, position = 0;
  auto draw = [&](std::uint64_t n) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    return (random >> 33) % n;
  };
  std::vector<std::uint64_t> waiting;
  auto length = [](std::uint64_t sequence) { return static_cast<std::size_t>(sequence * 7919 % 9000 * (sequence % 5 != 0)); };
  for (std::uint64_t sent = 0; next < 3000;) {
    if (waiting.size() < message_sender::window && sent < 3000) waiting.push_back(sent++);
    if (!waiting.empty() && draw(2)) {
      const auto which = static_cast<std::ptrdiff_t>(draw(waiting.size()));
      const std::uint64_t sequence = waiting[static_cast<std::size_t>(which)];
      std::size_t before = 0;
      for (std::uint64_t s = 0; s < sequence; ++s) before += length(s);
      arrive(in, sequence, text(length(sequence), before));
      waiting.erase(waiting.begin() + which);
    }
    while (const piece* p = in.receive(nullptr, 0)) {
      REQUIRE(p->bytes == length(next));
      REQUIRE(std::vector<std::byte>(p->data, p->data + p->bytes) == text(p->bytes, position));
      position += p->bytes;
      ++next;
      in.consume(p->bytes);
    }
  }
}

TEST_CASE("a piece that is being used stays as it is, whatever else arrives") {
  message_receiver in(nullptr);
  in.expected = 1;
  arrive(in, 0, text(100, 0), 1, "broadcast");
  const piece* p = in.receive(nullptr, 0);
  REQUIRE(p);
  const std::byte* data = p->data;
  for (std::uint64_t s = 1; s < 40; ++s) arrive(in, s, text(5000, 7), 1, "barrier");
  in.consume(60);
  p = in.receive(nullptr, 0);
  REQUIRE(p);
  CHECK(p->data == data + 60);
  CHECK(p->bytes == 40);
  CHECK(p->data[0] == std::byte{60});
  CHECK(std::string(p->from.what->kind) == "broadcast");
  CHECK(in.receive(nullptr, 0)->from.fingerprint == 1);
  in.consume(40);
  CHECK(std::string(in.receive(nullptr, 0)->from.what->kind) == "barrier");
}

TEST_CASE("what comes in its turn is put at the place that was offered, anything else beside it") {
  message_receiver in(nullptr);
  in.expected = 1;
  std::vector<std::byte> place(1000);
  REQUIRE(in.receive(place.data(), place.size()) == nullptr);
  arrive(in, 0, text(300, 0));
  arrive(in, 2, text(100, 500));  // overtakes
  arrive(in, 1, text(200, 300));
  arrive(in, 3, text(400, 600));  // after one that lies beside
  std::size_t received = 0;
  for (const bool there : {true, true, false, false}) {
    const piece* p = in.receive(place.data() + received, place.size() - received);
    REQUIRE(p);
    CHECK((p->data == place.data() + received) == there);
    CHECK(std::vector<std::byte>(p->data, p->data + p->bytes) == text(p->bytes, received));
    received += p->bytes;
    in.consume(p->bytes);
  }
  CHECK(received == 1000);
  // Too long, of another operation, or after the places have gone.
  std::fill(place.begin(), place.end(), std::byte{0xdd});
  const auto untouched = place;
  REQUIRE(in.receive(place.data(), 10) == nullptr);
  arrive(in, 4, text(11, 0));
  in.consume(in.receive(place.data(), 10)->bytes);
  REQUIRE(in.receive(place.data(), 10) == nullptr);
  arrive(in, 5, text(10, 0), 2);
  in.expected = 2;
  in.consume(in.receive(nullptr, 0)->bytes);
  REQUIRE(in.receive(place.data(), 10) == nullptr);
  in.withdraw();
  arrive(in, 6, text(10, 0), 2);
  CHECK(place == untouched);
}

TEST_CASE("a piece of another operation is seen, and what it belongs to") {
  message_receiver in(nullptr);
  in.expected = 1;
  arrive(in, 0, text(8, 0), 2, "reduce");
  CHECK(in.peek()->fingerprint == 2);
  CHECK(std::string(in.peek()->what->kind) == "reduce");
  std::byte place[8] = {};
  const piece* p = in.receive(place, 8);
  REQUIRE(p);
  CHECK(p->from.fingerprint == 2);
  CHECK(std::string(p->from.what->kind) == "reduce");
  for (std::byte b : place) CHECK(b == std::byte{0});
  in.expected = 2;  // until the caller is in that operation too
  p = in.receive(place, 8);
  REQUIRE(p);
  CHECK(p->bytes == 8);
  CHECK(p->data[7] == std::byte{7});
}

namespace {

// Two workers of one process, the second with a receiver.
struct pair {
  ucx::context context;
  ucx::worker here{context}, there{context};
  message_receiver in{there.get()};
  std::uint64_t goodbye = 0;
  ucx::endpoint to{here, there.address(), [](void*, ucp_ep_h, ucs_status_t) {}, nullptr};
  ucx::endpoint back{there, here.address(), [](void*, ucp_ep_h, ucs_status_t) {}, nullptr};
  message_sender out, answers;

  explicit pair(bool eager = true) : out(to.get(), 5, 3, eager), answers(back.get(), 5, 3, eager) {
    in.expected = 1;
    in.tell_through(answers);
    ucp_am_handler_param_t handler{};
    handler.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG;
    handler.id = message_sender::active_message;
    handler.arg = this;
    handler.cb = [](void* self, const void* header, std::size_t, void* data, std::size_t bytes, const ucp_am_recv_param_t* param) {
      message_header h;
      std::memcpy(&h, header, sizeof h);
      pair& p = *static_cast<pair*>(self);
      if (h.communicator != 5 || h.source != 3) return UCS_OK;
      if (h.sequence == message_header::credit) p.out.allow(h.fingerprint);
      else if (h.sequence == message_header::goodbye) p.goodbye = h.what.number;
      else return p.in.arrived(h, data, bytes, *param);
      return UCS_OK;
    };
    for (ucx::worker* w : {&here, &there}) ucx::check(ucp_worker_set_am_recv_handler(w->get(), &handler), "setting a handler");
  }
  bool progress() { return (ucp_worker_progress(here.get()) + ucp_worker_progress(there.get())) != 0; }
};

}  // namespace

TEST_CASE("bytes go through UCX in pieces of whole elements, to their place or folded from where they lie, then a goodbye") {
  for (int how : {0, 1, 2, 3})
    for (std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{100}, std::size_t{40000}, std::size_t{3} << 20}) {
      const bool eager = how / 2, with_place = how % 2;
      CAPTURE(eager);
      CAPTURE(with_place);
      CAPTURE(n);
      pair both(eager);
      const std::vector<std::byte> bytes = text(n, 3);
      std::vector<std::byte> target(n);
      const call what = named("broadcast");
      std::size_t sent = 0, received = 0;
      bool empty_seen = false, empty_sent = false;
      double limit = now() + 60;
      while ((received < n || both.out.in_flight > 0 || (n == 0 && !empty_seen)) && now() < limit) {
        if (sent < n || (n == 0 && !empty_sent)) {
          const std::ptrdiff_t taken = both.out.send(bytes.data() + sent, n - sent, {.fingerprint = 1, .what = &what, .element = 24});
          if (taken != send_port::full) {
            REQUIRE((taken % 24 == 0 || sent + static_cast<std::size_t>(taken) == n));
            sent += static_cast<std::size_t>(taken);
            empty_sent = true;
          }
        }
        both.progress();
        const piece* p = with_place ? both.in.receive(target.data() + received, n - received) : both.in.receive(nullptr, 0);
        if (!p) continue;
        empty_seen |= p->bytes == 0;
        if (p->data != target.data() + received && p->bytes > 0) std::memcpy(target.data() + received, p->data, p->bytes);
        received += p->bytes;
        both.in.consume(p->bytes);
      }
      CHECK(received == n);
      CHECK(target == bytes);
      CHECK(both.out.in_flight == 0);
      call last;
      last.number = 17;
      CHECK(both.out.say(message_header::goodbye, last, 0));
      for (limit = now() + 60; (both.goodbye == 0 || !both.out.idle()) && now() < limit;) both.progress();
      CHECK(both.goodbye == 17);
      CHECK(both.out.idle());
      CHECK_FALSE(both.out.failed());
    }
}

TEST_CASE("a message may reach over several places of the receiver, however long it is") {
  for (std::size_t n : {std::size_t{100}, std::size_t{40000}, std::size_t{200000}, std::size_t{3} << 20}) {
    CAPTURE(n);
    pair both(n < 1000000);
    const std::vector<std::byte> bytes = text(n, 3);
    std::vector<std::byte> target(n);
    const call what = named("scatter");
    std::size_t sent = 0, received = 0;
    for (const double limit = now() + 60; (received < n || both.out.in_flight > 0) && now() < limit;) {
      if (sent < n)
        if (const std::ptrdiff_t taken = both.out.send(bytes.data() + sent, n - sent, {.fingerprint = 1, .what = &what}); taken != send_port::full)
          sent += static_cast<std::size_t>(taken);
      both.progress();
      // Places of a third each, and the rest.
      const std::size_t third = n / 3, end = received < third ? third : received < 2 * third ? 2 * third : n;
      const std::size_t room = end - received;
      const piece* p = both.in.receive(target.data() + received, room);
      if (!p) continue;
      const std::size_t taken = p->bytes < room ? p->bytes : room;
      if (p->data != target.data() + received && taken > 0) std::memcpy(target.data() + received, p->data, taken);
      received += taken;
      both.in.consume(taken);
    }
    CHECK(received == n);
    CHECK(target == bytes);
  }
}

TEST_CASE("a sender does not run ahead of its receiver by more than the limit, and goes on once that has used some") {
  for (std::size_t length : {std::size_t{0}, std::size_t{8}, std::size_t{300000}}) {
    CAPTURE(length);
    pair both;
    const call what = named("broadcast");
    const std::vector<std::byte> bytes(length);
    std::uint64_t charged = 0, pieces = 0, used = 0;
    auto send_all = [&] {
      for (double limit = now() + 60; now() < limit;) {
        const std::ptrdiff_t taken = both.out.send(bytes.data(), length, {.fingerprint = 1, .what = &what});
        if (taken != send_port::full) {
          charged += message_credit::charge(static_cast<std::size_t>(taken));
          ++pieces;
        } else if (both.out.idle()) {
          return;  // not for want of a letter
        }
        both.progress();
      }
    };
    send_all();
    CHECK(charged >= message_credit::limit);
    CHECK(charged < message_credit::limit + message_credit::charge(message_sender::eager_bytes));
    const std::uint64_t before = pieces;
    // Three quarters of it used are told at least to the half.
    for (double limit = now() + 60; used < before * 3 / 4 && now() < limit; both.progress())
      if (const piece* p = both.in.receive(nullptr, 0)) {
        both.in.consume(p->bytes);
        ++used;
      }
    for (double limit = now() + 60; !both.answers.idle() && now() < limit;) both.progress();
    send_all();
    CHECK(pieces >= before + before / 2);
    CHECK(pieces <= before + before * 3 / 4 + 1);
  }
}

TEST_CASE("no more than a window is under way, and a closed connection fails the sender instead of blocking it") {
  pair both(false);
  const call what = named("broadcast");
  std::vector<std::byte> big(message_sender::piece_bytes);
  std::size_t taken = 0;
  while (taken < 100 && both.out.send(big.data(), big.size(), {.fingerprint = 1, .what = &what}) != send_port::full) ++taken;
  CHECK(taken >= message_sender::window);
  both.to.close(true);
  for (double limit = now() + 60; !both.out.idle() && now() < limit;) both.progress();
  CHECK(both.out.idle());
  CHECK(both.out.failed());
  CHECK(both.out.send(big.data(), 1, {.fingerprint = 1, .what = &what}) == send_port::full);
}

TEST_CASE("what has come to the host is not written to a place of another kind of memory") {
  message_receiver in(nullptr);
  in.expected = 1;
  in.place_is = memory_kind::as_cuda;
  std::vector<std::byte> place(100);
  const std::vector<std::byte> untouched = place;
  CHECK(in.receive(place.data(), place.size()) == nullptr);
  arrive(in, 0, text(50, 3));
  const piece* p = in.receive(place.data(), place.size());
  REQUIRE(p);
  CHECK(p->data != place.data());
  CHECK(place == untouched);
  in.consume(50);
}
