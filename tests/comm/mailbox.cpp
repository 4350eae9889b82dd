#include <tutti/comm/mailbox.hpp>

#include <doctest/doctest.h>

#include <random>
#include <string>

#include "message_cases.hpp"
#include "thread_ranks.hpp"

using namespace tutti;

TEST_CASE("messages between threads of one process, by a seed") {
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  for (int ranks : {1, 2, 3, 5}) {
    CAPTURE(ranks);
    CHECK_NOTHROW(thread_ranks::run(ranks, [&](communicator& world) { message_cases::check_everywhere(world, seed, 15); }));
  }
}

TEST_CASE("a message that fails throws from its wait, and its request can go") {
  for (progress how : {progress::caller, progress::thread}) {
    std::atomic<int> told{0};
    CHECK_NOTHROW(thread_ranks::run(2, [&](communicator& c, session& s) {
      std::vector<int> x(10), y(10), z(100000);
      if (c.rank() == 1) return s.abandon("a full disk");
      try {
        request dropped = recv_async(c, x, 1, 3), group = send_recv_async(c, z, 1, y, 1);
        request other = std::move(group);
        other.wait();
      } catch (const error& e) {
        told += e.rank() == 1 && std::string(e.what()) == "rank 1 failed: a full disk";
      }
    }, {.progress = how}));
    CHECK(told == 1);
  }
}

TEST_CASE("what cannot be is refused before anything is sent, and the communicator is as good as before") {
  thread_ranks::run(2, [](communicator& c) {
    std::vector<int> x(4), y(4);
    int refused = 0;
    auto refuse = [&](auto call) {
      try {
        call();
      } catch (const error& e) {
        refused += e.code() == errc::invalid_argument && e.rank() == c.rank();
      }
    };
    refuse([&] { send(c, x, 2); });
    refuse([&] { recv(c, x, 1 - c.rank(), -1); });
    refuse([&] { send_recv(c, x, 1 - c.rank(), x, 1 - c.rank()); });
    refuse([&] { neighbour_exchange<int>(c, {{1 - c.rank(), x}}, {{1 - c.rank(), y}, {7, x}}); });
    send_recv(c, std::vector<int>(4, c.rank() + 5), 1 - c.rank(), y, 1 - c.rank());
    message_cases::need(refused == 4 && y == std::vector<int>(4, 6 - c.rank()), "not refused");
  });
}

TEST_CASE("requests that nobody waits for go on") {
  for (progress how : {progress::caller, progress::thread})
    thread_ranks::run(2, [](communicator& c) {
      std::vector<std::vector<int>> out(100, std::vector<int>(3000, c.rank())), in(100, std::vector<int>(3000, -1));
      for (auto& x : in) recv_async(c, x, 1 - c.rank());  // NOLINT: dropped at once
      for (auto& x : out) send_async(c, x, 1 - c.rank());
      // As long as they are, so that it comes behind them.
      std::vector<int> last(3000, -1);
      send_recv(c, std::vector<int>(3000, 4), 1 - c.rank(), last, 1 - c.rank());
      for (const auto& x : in) message_cases::need(x == std::vector<int>(3000, 1 - c.rank()), "it did not go on");
      message_cases::need(last == std::vector<int>(3000, 4), "the last did not come");
      barrier(c);
    }, {.progress = how});
}

TEST_CASE("the last messages are remembered") {
  thread_ranks::run(1, [](communicator& c) {
    std::vector<int> x(3, 1), y(3);
    send_recv(c, x, 0, y, 0, 2);
    std::string text;
    for (const operation_record& r : c.recent()) text += describe(r, r.ended) + ";";
    message_cases::need(text.find("message 1: recv of 3 int, from rank 0, tag 2: done") == 0, text);
    message_cases::need(text.find("message 2: send of 3 int, to rank 0, tag 2: done") != std::string::npos, text);
  });
}

TEST_CASE("what is received into a plain variable is there after the wait") {
  for (progress how : {progress::caller, progress::thread})
    thread_ranks::run(2, [](communicator& c) {
      const int other = 1 - c.rank();
      for (int i = 0; i < 200; ++i) {
        const int mine = 2 * i + c.rank();
        int got = -1, sum = -1;
        send_recv(c, span<const int>(&mine, 1), other, span<int>(&got, 1), other);
        message_cases::need(got == 2 * i + other, "an old value after a message");
        all_reduce(c, span<const int>(&mine, 1), span<int>(&sum, 1));
        message_cases::need(sum == 4 * i + 1, "an old value after a collective");
      }
    }, {.progress = how});
}

namespace {

// A peer that has left, and whose last message cannot be read.
struct broken_link final : tutti::link {
  struct sends final : send_port {
    std::ptrdiff_t send(const std::byte*, std::size_t, const envelope&) override { return full; }
  } out;
  struct receives final : recv_port {
    bool throws = false;
    const piece* receive(std::byte*, std::size_t) override { return nullptr; }
    const envelope* peek() override {
      if (throws) throw error(errc::link, "memory that rank 1 lent cannot be opened here", 1);
      return nullptr;
    }
    void consume(std::size_t) override {}
  } in;
  rank_status mine, theirs;
  send_port& to(int) override { return out; }
  recv_port& from(int) override { return in; }
  link_kind kind(int peer) const override { return peer == 0 ? link_kind::self : link_kind::window; }
  rank_status& status() override { return mine; }
  const rank_status* status_of(int) const override { return &theirs; }
};

}  // namespace

TEST_CASE("what fails while a rank looks why it waits is the verdict, and ends no process") {
  loopback_fabric::world world;
  loopback_fabric joined(world);
  const std::vector<int> members{0, 1};
  rank_status collectives;
  detail::counter_block counts;
  auto channels = std::make_unique<broken_link>();
  broken_link& link = *channels;
  mailbox box(std::move(channels), members, 0, 0, joined, collectives, counts);
  posted_message m;
  int x = 0;
  m.peer = 1;
  m.data = reinterpret_cast<std::byte*>(&x);
  m.bytes = sizeof x;
  box.submit(m);
  box.progress();
  link.theirs.left = 1;
  link.in.throws = true;
  CHECK_NOTHROW(box.examine(300));
  REQUIRE(world.board.any());
  CHECK(std::string(world.board.read().text) == "rank 0: memory that rank 1 lent cannot be opened here; a message could not be completed");
  box.fail();
}
