#include <doctest/doctest.h>

#include <atomic>

#include <tutti/comm/messages.hpp>

#include "bill.hpp"
#include "thread_ranks.hpp"

using namespace tutti;

TEST_CASE("every call between threads of one process") {
  for (int ranks : {1, 2, 3, 4, 5, 8}) {
    CAPTURE(ranks);
    CHECK_NOTHROW(thread_ranks::run(ranks, [](communicator& world) { cases::check_all(world, true); }));
  }
}

TEST_CASE("every call between threads that read and write each other's buffers") {
  for (int ranks : {2, 3, 5}) {
    CAPTURE(ranks);
    CHECK_NOTHROW(thread_ranks::run(ranks, [](communicator& world) {
      cases::check_all(world, true);
      bill::check_lent(world);
    }, {}, {}, true));
  }
}

TEST_CASE("communicators of parts of the ranks, between threads of one process") {
  for (int ranks : {1, 2, 3, 5, 8}) {
    CAPTURE(ranks);
    CHECK_NOTHROW(thread_ranks::run(ranks, [&](communicator& world) {
      groups::check_groups(world);
      groups::check_refusals(world);
    }));
  }
}

TEST_CASE("what a plan bills is what its links took, between threads of one process") {
  for (int ranks : {1, 2, 3, 5, 8}) {
    CAPTURE(ranks);
    CHECK_NOTHROW(thread_ranks::run(ranks, [&](communicator& world) { bill::check_bill(world); }));
  }
}

TEST_CASE("whoever waits for a late rank counts that it slept and for what, and whoever has nothing to wait for does not") {
  for (progress how : {progress::caller, progress::thread})
    for (bool messages : {false, true}) {
      CAPTURE(messages);
      std::atomic<std::uint64_t> slept{0}, earlier{0};
      std::atomic<communicator*> waiting{nullptr};
      CHECK_NOTHROW(thread_ranks::run(2, [&](communicator& world, session& s) {
        std::vector<int> x(1, 5);
        auto meet = [&] {
          if (!messages) barrier(world);
          else if (world.rank() == 0) recv(world, x, 1);
          else send(world, x, 0);
        };
        barrier(world);
        const statistics before = world.counters();
        const double since = now();
        // Rank 1 comes once rank 0 has slept, which it sees in rank 0's counters.
        if (world.rank() == 0) {
          earlier = before.waits;
          waiting.store(&world);
          meet();
          const statistics mine = world.counters().since(before);
          slept = mine.waits;
          if (mine.seconds_slept <= 0 || mine.seconds_slept > 2 * (now() - since)) throw std::logic_error("slept otherwise");
          // Whoever leaves the work to a thread may be asleep before that is.
          const statistics::sleep in_call = messages ? mine.message_sleeps : mine.slept_in(collective::barrier);
          const statistics::sleep in_others = messages ? mine.slept_in(collective::barrier) : mine.message_sleeps;
          if (how == progress::caller && (in_call.times == 0 || in_call.times > mine.waits || in_call != mine.slept_for(link_kind::loopback)))
            throw std::logic_error("slept for something else");
          if (in_others != statistics::sleep{}) throw std::logic_error("slept in another call");
          if (s.counters().waits < mine.waits) throw std::logic_error("the session slept less");
        } else {
          communicator* its;
          while (!(its = waiting.load())) ::sched_yield();
          while (its->counters().waits == earlier) ::sched_yield();
          const std::uint64_t mine = world.counters().since(before).waits;
          if (how == progress::caller && mine != 0) throw std::logic_error("slept with nothing to wait for");
          meet();
        }
        barrier(world);
      }, {.progress = how}));
      CHECK(slept > 0);
    }
}

namespace {
struct grumbles {
  static constexpr bool commutative = true;
  std::atomic<int>* left;  // calls until it throws
  float operator()(float a, float b) const {
    if (left && left->fetch_sub(1) == 0) throw std::runtime_error("does not add today");
    return a + b;
  }
};
}  // namespace

TEST_CASE("an operation that throws while others write ends the call on every rank, and nobody writes afterwards") {
  constexpr std::size_t n = 400000;
  for (int culprit : {0, 2}) {
    std::atomic<int> left{50000}, told{0}, late{0}, ended{0};
    try {
      thread_ranks::run(3, [&](communicator& world) {
        std::vector<float> in(n, 1), out(n, 7);
        try {
          all_reduce(world, in, out, grumbles{world.rank() == culprit ? &left : nullptr});
        } catch (const error& e) {
          told += e.code() == errc::rank_failed && e.rank() == culprit && std::string(e.what()).find("does not add today") != std::string::npos;
          for (++ended; ended < 3;) ::sched_yield();  // now all have given up
          const std::vector<float> before = out;
          for (int i = 0; i < 1000; ++i) ::sched_yield();
          late += out != before;
          throw;
        }
      }, {}, {}, true);
      CHECK(false);
    } catch (const error& e) {
      CHECK(e.rank() == culprit);
    }
    CHECK(told == 3);
    CHECK(late == 0);
  }
}

TEST_CASE("ranks that call different things write nothing into each other's buffers") {
  std::atomic<int> told{0}, changed{0};
  try {
    thread_ranks::run(3, [&](communicator& world) {
      std::vector<float> in(50000, 1), out(50000, 7);
      const std::size_t n = in.size() - (world.rank() == 1);
      try {
        all_reduce(world, span<float>(in).subspan(0, n), span<float>(out).subspan(0, n));
      } catch (const error& e) {
        told += e.code() == errc::mismatch;
        for (float v : out) changed += v != 7;
        throw;
      }
    }, {}, {}, true);
    CHECK(false);
  } catch (const error&) {
  }
  CHECK(told == 3);
  CHECK(changed == 0);
}

TEST_CASE("a rank that throws ends the others' waiting") {
  for (int culprit : {0, 2}) {
    std::atomic<int> told{0};
    try {
      thread_ranks::run(3, [&](communicator& world) {
        std::vector<int> x(10, 1);
        try {
          all_reduce(world, x);  // which a slow rank may not have got through
          if (world.rank() == culprit) throw std::runtime_error("a full disk");
          all_reduce(world, x);
        } catch (const error& e) {
          const std::string text = e.what();
          if (e.code() == errc::rank_failed && e.rank() == culprit && text.find("a full disk") != std::string::npos) ++told;
        }
      });
      CHECK(false);
    } catch (const error& e) {
      CHECK(e.rank() == culprit);
      CHECK(std::string(e.what()).find("a full disk") != std::string::npos);
    }
    CHECK(told == 2);
  }
}
