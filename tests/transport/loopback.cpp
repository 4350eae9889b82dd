#include <tutti/transport/loopback.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <sched.h>

#include <tutti/comm/group.hpp>
#include <tutti/launch/threads.hpp>

#include "../need.hpp"

using namespace tutti;
using detail::everyone;
using tests::need;

TEST_CASE("every rank reaches every other, over as many links as one makes") {
  for (int n : {1, 2, 3, 5}) {
    CAPTURE(n);
    loopback_fabric::world shared;
    CHECK_NOTHROW(run_threads(n, [&](auto& b) {
      loopback_fabric fabric(shared, {.slots = 2, .bytes = 128});
      bootstrap_exchange with(b);
      auto engine = fabric.make_engine();
      auto first = engine->connect(everyone(n), b.rank(), with), second = engine->connect(everyone(n), b.rank(), with);
      const call what{};
      for (int round = 0; round < 20; ++round) {
        for (int p = 0; p < n; ++p) {
          if (p == b.rank()) {
            need(first->kind(p) == link_kind::self, "no link to oneself");
            continue;
          }
          need(first->kind(p) == link_kind::loopback, "another kind of link");
          // Each says who it is, to whom, and over which of the two.
          const int here[4] = {b.rank(), p, 1, round}, there[4] = {b.rank(), p, 2, round};
          while (first->to(p).send(reinterpret_cast<const std::byte*>(here), sizeof here, {1, &what, 4}) == send_port::full) ::sched_yield();
          while (second->to(p).send(reinterpret_cast<const std::byte*>(there), sizeof there, {1, &what, 4}) == send_port::full) ::sched_yield();
        }
        for (int p = 0; p < n; ++p)
          for (int which : {2, 1}) {
            if (p == b.rank()) continue;
            recv_port& in = (which == 1 ? first : second)->from(p);
            const piece* got = nullptr;
            while (!(got = in.receive(nullptr, 0))) ::sched_yield();
            int said[4];
            need(got->bytes == sizeof said, "a piece of another length");
            std::memcpy(said, got->data, sizeof said);
            need(said[0] == p && said[1] == b.rank() && said[2] == which && said[3] == round, "another's message");
            in.consume(got->bytes);
          }
      }
    }));
  }
}

TEST_CASE("a link closed by one leaves the others' memory standing, and says so") {
  loopback_fabric::world shared;
  CHECK_NOTHROW(run_threads(2, [&](auto& b) {
    loopback_fabric fabric(shared);
    bootstrap_exchange with(b);
    auto engine = fabric.make_engine();
    auto link = engine->connect(everyone(2), b.rank(), with);
    link->status().completed = 10 + static_cast<std::uint64_t>(b.rank());
    const call what{};
    const std::byte one[1] = {std::byte{77}};
    if (b.rank() == 0) {
      link->to(1).send(one, 1, {1, &what, 1});
      link.reset();
      engine.reset();
      with.all_gather({});
    } else {
      with.all_gather({});
      const rank_status* s = link->status_of(0);
      need(s != nullptr, "no status");
      need(s->left == 1 && s->completed == 10, "it left unseen");
      need(link->status_of(1)->completed == 11, "its own status");
      const piece* got = link->from(0).receive(nullptr, 0);
      need(got && got->data[0] == std::byte{77}, "what was sent before is lost");
      link->from(0).consume(1);  // rings a bell whose owner is gone
      link->to(0).send(one, 1, {1, &what, 1});
    }
  }));
}

TEST_CASE("an engine sleeps until its peer publishes, or until it is woken") {
  loopback_fabric::world shared;
  CHECK_NOTHROW(run_threads(2, [&](auto& b) {
    loopback_fabric fabric(shared);
    bootstrap_exchange with(b);
    auto engine = fabric.make_engine();
    auto link = engine->connect(everyone(2), b.rank(), with);
    need(!engine->progress(), "memory needs no one to move it");
    const call what{};
    const int other = 1 - b.rank();
    struct context {
      recv_port* in;
      bool found = false;
    } c{&link->from(other)};
    for (int round = 0; round < 2000; ++round) {
      if (b.rank() == 0 || round > 0) need(link->to(other).send(nullptr, 0, {1, &what, 1}) == 0, "a free slot was refused");
      if (b.rank() == 0 && round == 1999) break;  // the last answer is nobody's
      for (c.found = false; !c.found;)  // a lost ring would take a thousand seconds
        engine->sleep(1000, [](void* p) {
          auto& at = *static_cast<context*>(p);
          return at.found = at.in->receive(nullptr, 0) != nullptr;
        }, &c);
      c.in->consume(0);
    }
  }, 100));
}

TEST_CASE("a verdict is all ranks', and the fabric says what it is") {
  loopback_fabric::world shared;
  loopback_fabric one(shared), two(shared);
  CHECK(one.describe() == "loopback: ranks are threads of one process");
  CHECK_FALSE(two.board().any());
  verdict v{.code = errc::rank_failed, .rank = 1, .operation = 4};
  v.say("a full disk");
  one.declare(v);
  two.declare({.code = errc::deadline, .rank = 0});
  two.leave();
  CHECK(two.board().read().rank == 1);
  CHECK(std::string(one.board().read().text) == "a full disk");
  CHECK_THROWS_WITH_AS(one.gather_survivors(1), "ranks that are threads of one process cannot be shrunk", error);
}
