#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <sched.h>

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

TEST_CASE("calls of every kind follow each other in any order, with ranks far ahead") {
  const std::uint64_t seed = 20261122;
  MESSAGE("seed " << seed);
  for (int ranks : {2, 3, 5}) {
    CAPTURE(ranks);
    CHECK_NOTHROW(thread_ranks::run(ranks, [&](communicator& world) {
      const auto p = static_cast<std::size_t>(ranks), me = static_cast<std::size_t>(world.rank());
      std::mt19937_64 agreed(seed), own(seed + me);
      std::vector<std::uint64_t> in, out;
      for (std::uint64_t k = 0; k < (under_thread_sanitizer ? 1500 : 3000); ++k) {
        // Ranks fall behind, and mostly one root is ahead, until there is no room.
        if (own() % 100 == 0)
          for (int i = 0; i < 200; ++i) ::sched_yield();
        const std::uint64_t drawn = agreed() % 8, what = agreed() % 100 > 0 ? k / 300 % 4 : 4 + agreed() % 4;
        const int root = agreed() % 60 == 0 ? static_cast<int>(agreed() % p) : 0;
        // Longest what is shown piece by piece, which must not overtake what was.
        const std::size_t n = what == 7 ? 20000 : drawn < 5 ? 1 : drawn < 7 ? 40 : 400 / p;
        auto number = [&](std::size_t rank, std::size_t i) { return k * 1000003 + rank * 7919 + i; };
        auto need = [&](std::size_t i, std::uint64_t value) {
          if (out[i] != value) throw std::runtime_error(format("call %llu, kind %llu: wrong at %zu", static_cast<unsigned long long>(k), static_cast<unsigned long long>(what), i));
        };
        in.resize(n * p);
        for (std::size_t i = 0; i < n * p; ++i) in[i] = number(me, i);
        out.assign(n * p, 7);
        const span<const std::uint64_t> one(in.data(), n);
        const bool here = world.rank() == root;
        const auto r = static_cast<std::size_t>(root);
        switch (what) {
          case 0:
            if (here) out = in;
            broadcast(world, span<std::uint64_t>(out).subspan(0, n), root);
            for (std::size_t i = 0; i < n; ++i) need(i, number(r, i));
            break;
          case 1:
            scatter(world, here ? span<const std::uint64_t>(in) : span<const std::uint64_t>(), span<std::uint64_t>(out).subspan(0, n), root);
            for (std::size_t i = 0; i < n; ++i) need(i, number(r, me * n + i));
            break;
          case 2:
            gather(world, one, here ? span<std::uint64_t>(out) : span<std::uint64_t>(), root);
            for (std::size_t i = 0; i < n * p; ++i) need(i, here ? number(i / n, i % n) : 7);
            break;
          case 3:
            reduce(world, one, span<std::uint64_t>(out).subspan(0, n), plus{}, root);
            for (std::size_t i = 0; i < n; ++i) {
              std::uint64_t sum = 0;
              for (std::size_t s = 0; s < p; ++s) sum += number(s, i);
              need(i, here ? sum : 7);
            }
            break;
          case 4: barrier(world); break;
          case 5:
            all_gather(world, one, out);
            for (std::size_t i = 0; i < n * p; ++i) need(i, number(i / n, i % n));
            break;
          case 6:
            all_to_all(world, in, out);
            for (std::size_t i = 0; i < n * p; ++i) need(i, number(i / n, me * n + i % n));
            break;
          default:
            for (std::uint64_t again = 0; again < 3; ++again) {
              out.assign(n, 7);
              all_reduce(world, one, out, plus{}, {.algorithm = algorithm::two_shot});
              for (std::size_t i = 0; i < n; ++i) {
                std::uint64_t sum = 0;
                for (std::size_t s = 0; s < p; ++s) sum += number(s, i) + again;
                need(i, sum);
              }
              for (std::size_t i = 0; i < n; ++i) ++in[i];
              std::uint64_t told = here ? k : 0;
              broadcast(world, span<std::uint64_t>(&told, 1), root);
              if (told != k) throw std::runtime_error("told another number");
            }
        }
      }
    }));
  }
}

TEST_CASE("a call that another does not make is named where ranks meet next, and so are different roots") {
  struct stray {
    const char* name;
    void (*call)(communicator&, std::vector<float>&);
    const char *one, *other;
  };
  const stray all[] = {
      {"one more", [](communicator& c, std::vector<float>& x) { if (c.rank() == 1) broadcast(c, x, 1); },
       "broadcast of 2 float, root 1, linear as operation 4", "barrier as operation 4"},
      {"another root", [](communicator& c, std::vector<float>& x) { broadcast(c, x, c.rank() == 1 ? 1 : 0); },
       "broadcast of 2 float, root 1, linear as operation 4", "broadcast of 2 float, root 0, linear as operation 4"},
      {"sent elsewhere", [](communicator& c, std::vector<float>& x) { std::vector<float> y(x); reduce(c, x, y, plus{}, c.rank() == 1 ? 0 : 1); },
       "reduce of 2 float, sum, root 0, linear as operation 4", "reduce of 2 float, sum, root 1, linear as operation 4"},
      {"a part", [](communicator& c, std::vector<float>&) { if (c.rank() == 1) static_cast<void>(c.split(0)); },
       "all_gather of 256 byte, for a new communicator, pairwise as operation 4", "barrier as operation 4"},
  };
  for (const stray& each : all) {
    CAPTURE(each.name);
    std::atomic<int> told{0};
    std::mutex lock;
    std::string texts;
    try {
      thread_ranks::run(3, [&](communicator& world) {
        std::vector<float> x(2, 1);
        for (int i = 0; i < 3; ++i) barrier(world);
        try {
          each.call(world, x);
          for (int i = 0; i < 20; ++i) barrier(world);
        } catch (const error& e) {
          const std::string text = e.what();
          told += e.code() == errc::mismatch && e.operation() == 4 && text.find(each.one) != std::string::npos && text.find(each.other) != std::string::npos;
          const std::lock_guard held(lock);
          texts += text + "\n";
          throw;
        }
      });
      CHECK(false);
    } catch (const error&) {
    }
    INFO(texts);
    CHECK(told == 3);
  }
}

TEST_CASE("whatever three ranks call in place of one another, each of them hears of the same operation and rank") {
  constexpr int ranks = 3, kinds = 9, roots = 3;
  auto make = [](communicator& c, int kind) {
    std::vector<float> x(2, 1), y(2), all(2 * ranks);
    switch (kind) {
      case 0: return barrier(c);
      case 1: return all_reduce(c, x);
      case 2: return all_gather(c, x, all);
      case 3: case 4: case 5: return broadcast(c, x, kind - 3);
      default: return reduce(c, x, y, plus{}, (kind - 6) % roots);
    }
  };
  for (int what = 0; what < kinds * kinds * kinds; ++what) {
    const int kind[ranks] = {what % kinds, what / kinds % kinds, what / kinds / kinds};
    if (kind[0] == kind[1] && kind[1] == kind[2]) continue;
    std::mutex lock;
    std::string texts;
    std::set<std::pair<int, std::uint64_t>> named;
    int told = 0;
    try {
      thread_ranks::run(ranks, [&](communicator& world) {
        for (int i = 0; i < 3; ++i) barrier(world);
        try {
          make(world, kind[world.rank()]);
          for (int i = 0; i < 20; ++i) barrier(world);
        } catch (const error& e) {
          const std::lock_guard held(lock);
          told += e.code() == errc::mismatch;
          named.insert({e.rank(), e.operation()});
          texts += format("rank %d: %s\n", world.rank(), e.what());
          throw;
        }
      });
    } catch (const error&) {
    }
    INFO("calls ", kind[0], " ", kind[1], " ", kind[2], "\n", texts);
    CHECK(told == ranks);
    CHECK(named.size() == 1);
    CHECK((!named.empty() && named.begin()->second == 4));
  }
}

TEST_CASE("ranks that all lead, each in a call of its own, are told after some of them, at the latest at the end") {
  for (int ranks : {2, 3}) {
    std::atomic<int> told{0};
    CHECK_THROWS_AS(thread_ranks::run(ranks, [&](communicator& world) {
      std::vector<float> x(2, 1);
      try {
        for (int i = 0; i < 65; ++i) broadcast(world, x, world.rank());
      } catch (const error& e) {
        const std::string text = e.what();
        told += e.code() == errc::mismatch && text.find("broadcast of 2 float, root ") != std::string::npos;
        throw;
      }
    }), error);
    CHECK(told >= 1);
  }
}

TEST_CASE("ranks that named different roots, and have called nothing since, hear of it at the end") {
  const auto last_call = [](auto call) {
    for (int ranks : {2, 3}) {
      std::string said;
      try {
        thread_ranks::run(ranks, [&](communicator& world) {
          barrier(world);
          call(world);
        });
      } catch (const error& e) {
        CHECK(e.code() == errc::mismatch);
        said = e.what();
      }
      CHECK_MESSAGE(said.find("ranks called different things") != std::string::npos, ranks, " ranks: ", said);
      CHECK_MESSAGE(said.find("as operation 2") != std::string::npos, said);
    }
  };
  last_call([](communicator& world) {
    std::vector<float> x(2, 1);
    broadcast(world, x, world.rank());
  });
  last_call([](communicator& world) {
    std::vector<float> x(static_cast<std::size_t>(world.size())), mine(1);
    scatter(world, x, mine, world.rank());
  });
  last_call([](communicator& world) {
    std::vector<float> x(2, 1), sum(2);
    reduce(world, x, sum, plus{}, (world.rank() + 1) % world.size());
  });
}

TEST_CASE("shapes that were forgotten are prepared anew, also where they are done in one round") {
  constexpr std::size_t shapes = 1025;  // one more than a communicator knows
  CHECK_NOTHROW(thread_ranks::run(2, [](communicator& world) {
    std::vector<std::uint64_t> x(shapes), sum(shapes);
    // Of two operations the second is idle from here on, and knows a shape that will go.
    request first = all_reduce_async(world, x, sum, plus{}, {.algorithm = algorithm::one_shot});
    std::vector<std::uint64_t> other(shapes - 1);
    reduce(world, other, plus{}, 0, {.algorithm = algorithm::linear});
    first.wait();
    for (std::size_t i = 0; i < 2 * shapes; ++i) {
      const std::size_t n = i % shapes + 1;
      for (std::size_t k = 0; k < n; ++k) x[k] = i + k + static_cast<std::size_t>(world.rank());
      sum.assign(shapes, 7);
      const span<const std::uint64_t> in(x.data(), n);
      const span<std::uint64_t> out(sum.data(), n);
      if (n % 2) all_reduce(world, in, out, plus{}, {.algorithm = algorithm::one_shot});
      else reduce(world, in, out, plus{}, 0, {.algorithm = algorithm::linear});
      const bool here = n % 2 || world.rank() == 0;
      for (std::size_t k = 0; k < shapes; ++k)
        if (sum[k] != (k < n && here ? 2 * (i + k) + 1 : 7)) throw std::runtime_error(format("call %zu: wrong at %zu", i, k));
      if (world.recent().back().what.count != n) throw std::runtime_error(format("call %zu is taken for one of %llu", i, static_cast<unsigned long long>(world.recent().back().what.count)));
    }
  }));
}
