#include <tutti/comm/communicator.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <tutti/comm/collectives.hpp>
#include <tutti/comm/grouped.hpp>
#include <tutti/comm/messages.hpp>
#include <tutti/comm/together.hpp>

#include "../need.hpp"
#include "thread_ranks.hpp"

using namespace tutti;
using tests::need;

namespace {

// Ranks of one process, each with a communicator.
template <class Body>
void on_ranks(int ranks, Body body, session_options options = {}) {
  thread_ranks::run(ranks, body, {}, options);
}

void check_sum(communicator& c, std::size_t n) {
  std::vector<long> x(n);
  std::iota(x.begin(), x.end(), c.rank());
  all_reduce(c, x);
  const long p = c.size();
  for (std::size_t i = 0; i < n; ++i) need(x[i] == p * static_cast<long>(i) + p * (p - 1) / 2, "a wrong sum");
}

}  // namespace

TEST_CASE("why a rank's part ended is heard, though its communicators are gone before it is said") {
  for (bool message : {false, true}) {
    // As between hosts, where peers hear from a link that it goes, and of what has
    // happened from a monitor: later than those who wait look for who has left.
    struct slow_to_say {
      ~slow_to_say() { ::usleep(500000); }
    };
    std::atomic<int> told{0};
    // A machine that holds it up for a second more makes the rank one that left, as far as others know.
    for (int tries = 0; tries < 3 && told == 0; ++tries) CHECK_THROWS_WITH(on_ranks(2, [&](communicator& world) {
      slow_to_say then;
      communicator part = world.duplicate();
      if (world.rank() == 1) throw std::runtime_error("a full disk");
      try {
        std::vector<float> x(10);
        message ? recv(part, x, 1) : all_reduce(part, x);
      } catch (const error& e) {
        told += e.code() == errc::rank_failed && e.what() == std::string("rank 1 failed: a full disk");
      }
    }), "rank 1: a full disk");
    CHECK(told == 1);
  }
}

TEST_CASE("what operations keep between calls can be bounded, and is given back by who was used longest ago") {
  CHECK_NOTHROW(on_ranks(3, [](communicator& world) {
    constexpr std::size_t most = 100000;
    for (std::size_t bound : {most, ~std::size_t{0}}) {
      communicator c = world.duplicate({.kept_bytes = bound});
      const std::size_t channels = c.scratch_bytes();
      auto kept = [&] { return c.scratch_bytes() - channels; };
      std::size_t longest = 0;
      // Two under way at a time, of several lengths, and one that alone is too much.
      for (std::size_t n : {1000u, 12000u, 3000u, 11000u, 50000u, 2000u}) {
        std::vector<int> one(n, 1), two(n / 2, 1);
        grouped<int> first, second;
        first.add(one);
        second.add(two);
        {
          request under_way = all_reduce_async(c, first);
          all_reduce(c, second);
          under_way.wait();
        }
        check_sum(c, 5);
        need(one == std::vector<int>(n, 3) && two == std::vector<int>(n / 2, 3), "a wrong sum");
        longest = std::max(longest, kept());
        need(kept() <= bound, "more is kept than may be");
      }
      need(bound == most || longest > most, "nothing was to be given back");
    }
  }));
}

TEST_CASE("what nobody waits for gives back what it keeps with the next call") {
  CHECK_NOTHROW(on_ranks(3, [](communicator& world) {
    communicator c = world.duplicate({.kept_bytes = 1000});
    const std::size_t channels = c.scratch_bytes();
    std::vector<int> long_one(50000, 1);
    grouped<int> group;
    group.add(long_one);
    { request given_up = all_reduce_async(c, group); }
    need(c.scratch_bytes() - channels > 100000, "nothing was to be given back");
    barrier(c);  // which it comes before
    need(c.scratch_bytes() - channels <= 1000, "more is kept than may be");
    need(long_one == std::vector<int>(50000, 3), "a wrong sum");
  }));
}

TEST_CASE("duplicates of duplicates, each with an order of its own") {
  for (int ranks : {1, 2, 3, 5}) {
    CAPTURE(ranks);
    CHECK_NOTHROW(on_ranks(ranks, [](communicator& world, session&) {
      communicator a = world.duplicate();
      communicator b = a.duplicate(), c = b.duplicate({.progress = progress::thread});
      communicator d = c.duplicate();
      need(d.rank() == world.rank() && d.size() == world.size(), "another rank");
      std::vector<std::vector<long>> x(5, std::vector<long>(700, 1));
      communicator* all[] = {&world, &a, &b, &c, &d};
      std::vector<request> requests;
      // Every rank issues in an order of its own: each communicator has but one.
      for (int i = 0; i < 5; ++i) {
        const auto k = static_cast<std::size_t>((i + world.rank()) % 5);
        requests.push_back(all_reduce_async(*all[k], x[k]));
      }
      for (request& r : requests) r.wait();
      for (auto& v : x) need(v == std::vector<long>(700, world.size()), "a wrong sum");
      communicator moved = std::move(b);
      check_sum(moved, 40);
      check_sum(c, 40);
    }));
  }
}

TEST_CASE("a duplicate outlives the communicator that it was made from") {
  CHECK_NOTHROW(on_ranks(3, [](communicator& world, session&) {
    auto first = std::make_unique<communicator>(world.duplicate({.progress = progress::thread}));
    communicator second = first->duplicate();
    check_sum(*first, 3000);
    barrier(*first);
    first.reset();
    check_sum(second, 3000);
  }));
}

TEST_CASE("hundreds made and destroyed, all usable") {
  CHECK_NOTHROW(on_ranks(3, [](communicator& world, session&) {
    for (int i = 0; i < 150; ++i) {
      communicator c = world.duplicate({.progress = i % 10 == 0 ? progress::thread : progress::caller});
      check_sum(c, static_cast<std::size_t>(1 + i * 37 % 900));
      barrier(c);
    }
    check_sum(world, 10);
  }));
}

TEST_CASE("every rank plans the same, but for the bytes that it sends itself, and sends them") {
  for (int ranks : {1, 2, 3, 7}) {
    std::vector<std::vector<plan>> plans(static_cast<std::size_t>(ranks));
    std::vector<call_shape> asked;
    for (collective what : every_collective)
      for (std::size_t count : {std::size_t{0}, std::size_t{10}, std::size_t{100000}})
        if (what != collective::barrier || count == 0)
          asked.push_back({.what = what, .count = count, .element = 4, .root = rooted(what) ? ranks - 1 : -1});
    CHECK_NOTHROW(on_ranks(ranks, [&](communicator& world, session&) {
      for (const call_shape& c : asked) plans[static_cast<std::size_t>(world.rank())].push_back(world.plan_for(c));
      need(world.link_to(world.rank()) == link_kind::self, "no link to oneself");
      if (ranks > 1) need(world.link_to((world.rank() + 1) % ranks) == link_kind::loopback, "another link");
    }));
    for (std::size_t i = 0; i < plans[0].size(); ++i) {
      std::size_t sent = 0;
      for (const auto& mine : plans) {
        CHECK(mine[i].algorithm == plans[0][i].algorithm);
        CHECK(mine[i].algorithm != algorithm::automatic);
        CHECK(mine[i].seconds == plans[0][i].seconds);
        CHECK(mine[i].what == plans[0][i].what);
        sent += mine[i].bytes_sent;
      }
      // No algorithm moves an element to where it must be without sending it.
      const plan& p = plans[0][i];
      CHECK(p.what == asked[i].what);
      CHECK(sent >= 4 * asked[i].count * static_cast<std::size_t>(ranks - 1));
      if (ranks == 1) CHECK(sent == 0);
    }
  }
}

TEST_CASE("the last operations of each communicator can be asked for at any time") {
  CHECK_NOTHROW(on_ranks(3, [](communicator& world, session&) {
    std::optional<communicator> part = world.split(world.rank() / 2, 0, {.progress = progress::thread});
    const std::size_t before = world.recent().size();
    std::vector<long> x(3);
    for (int i = 0; i < 2; ++i) broadcast(world, x, 1);
    for (int i = 0; i < 40; ++i) all_reduce(*part, x);
    need(part->recent().size() == 16, "how many");
    const auto mine = world.recent();
    need(mine.size() == before + 2, "the world's own");
    need(describe(mine.back().what).find("broadcast of 3 ") == 0 && mine.back().what.root == 1, "what it was");
    need(mine.back().is == operation_record::state::done && mine.back().number == mine.size(), "how it was");
    for (std::size_t i = 0; i < 16; ++i) {
      const operation_record last = part->recent()[i];
      need(last.number == 25 + i && last.is == operation_record::state::done, "the order");
      need(last.begun <= last.ended && last.ended <= now(), "the times");
      need(std::string(last.what.kind) == "all_reduce", "of another communicator");
    }
    barrier(world);
  }));
}

TEST_CASE("after a verdict every call says the same, on every communicator of the session") {
  std::atomic<int> told{0};
  CHECK_NOTHROW(on_ranks(2, [&](communicator& world, session& s) {
    communicator other = world.duplicate(), threaded = world.duplicate({.progress = progress::thread});
    std::vector<int> x(10);
    request pending = world.rank() == 0 ? all_reduce_async(threaded, x) : request();
    try {
      barrier(world);
    } catch (const error&) {  // rank 0 may not be through when rank 1 gives up
    }
    if (world.rank() == 1) {
      s.abandon("a full disk");
      s.abandon("not the first");
    }
    for (int i = 0; i < 3; ++i)
      for (communicator* c : {&world, &other, &threaded}) try {
          // Rank 0 may be quicker than the verdict, then it waits for rank 1.
          all_reduce(*c, x);
        } catch (const error& e) {
          told += e.code() == errc::rank_failed && e.rank() == 1 && std::string(e.what()) == "rank 1 failed: a full disk";
        }
    try {
      pending.wait();
      told += world.rank() == 1;  // it had none
    } catch (const error& e) {
      told += e.rank() == 1;
    }
  }));
  CHECK(told == 20);
}

TEST_CASE("whoever drops a communicator on its way out of an exception has left it, and is named at once") {
  for (progress how : {progress::caller, progress::thread}) {
    std::atomic<int> told{0};
    CHECK_NOTHROW(thread_ranks::run(3, [&](communicator& world) {
      try {
        communicator all = world.duplicate({.progress = how});
        if (world.rank() == 1) throw std::runtime_error("caught where nobody else hears of it");
        barrier(all);
      } catch (const error& e) {
        told += e.code() == errc::rank_failed && e.rank() == 1 &&
                std::string(e.what()).find("rank 1 left the communicator before operation 1") == 0;
      } catch (const std::runtime_error&) {
      }
    }, {}, {.deadline = 20}));
    CHECK(told == 2);
  }
}

TEST_CASE("after a verdict nothing of what has come is used") {
  std::atomic<int> asked{0}, sent{0}, folded{0}, told{0};
  CHECK_NOTHROW(thread_ranks::run(2, [&](communicator& world, session& s) {
    std::vector<int> x(10);
    const auto counts = [&](int a, int b) {
      ++folded;
      return a + b;
    };
    if (world.rank() == 1) {
      while (!asked) ::sched_yield();
      request r = all_reduce_async(world, x, counts);
      folded = 0;
      s.abandon("a full disk");
      sent = 1;
      return;
    }
    request r = all_reduce_async(world, x, counts);
    asked = 1;
    while (!sent) ::sched_yield();
    try {
      r.wait();
    } catch (const error&) {
      ++told;
    }
  }));
  CHECK(told == 1);
  CHECK(folded == 0);
}

TEST_CASE("threads of a rank each make, use and destroy communicators of their own") {
  std::atomic<int> right{0};
  CHECK_NOTHROW(thread_ranks::run(2, [&](communicator& world, session& s) {
    std::vector<communicator> own;
    for (int t = 0; t < 3; ++t) own.push_back(world.duplicate({.progress = progress::thread}));
    std::vector<std::thread> threads;
    for (communicator& c : own)
      threads.emplace_back([&] {
        try {
          for (int round = 0; round < 10; ++round) {
            communicator again = c.duplicate({.progress = progress::thread});
            std::optional<communicator> half = again.split(again.rank(), 0, {.progress = progress::thread});
            std::vector<int> x(100, round);
            all_reduce(again, x);
            all_reduce(*half, x);
            right += x == std::vector<int>(100, 2 * round) && s.counters().waits + 1 > 0;
          }
        } catch (const std::exception& e) {
          s.abandon(e.what());
        }
      });
    for (std::thread& t : threads) t.join();
  }));
  CHECK(right == 60);
}

TEST_CASE("what rank 0 finds wrong in the environment is rank 0's error") {
  ::setenv("TUTTI_ALGORITHM", "rign", 1);
  try {
    on_ranks(2, [](communicator&, session&) {});
    CHECK(false);
  } catch (const error& e) {
    CHECK(e.code() == errc::invalid_argument);
    CHECK(e.rank() == 0);
    CHECK(std::string(e.what()).find("TUTTI_ALGORITHM is 'rign'") != std::string::npos);
  }
  ::unsetenv("TUTTI_ALGORITHM");
}

TEST_CASE("what is shrunk is a session that has failed, as a whole") {
  std::atomic<int> told{0};
  on_ranks(3, [&](communicator& world, session&) {
    auto refusal = [](communicator& c) -> std::string {
      try {
        c.shrink();
      } catch (const error& e) {
        return std::string(name_of(e.code())) + ": " + e.what();
      }
      return "";
    };
    std::optional<communicator> part = world.subset({0, 1});
    told += refusal(world) == format("invalid argument: rank %d would shrink a session in which nothing has failed", world.rank());
    if (part)
      told += refusal(*part) == format("invalid argument: rank %d would shrink a communicator of 2 of the session's 3 ranks: shrink one of "
                                       "all of them, and split it again", world.rank());
    barrier(world);
  });
  CHECK(told == 5);
}

TEST_CASE("a communicator tells what it holds: its channels, and what calls like those before need") {
  std::atomic<std::size_t> more{0};
  on_ranks(4, [&](communicator& world, session&) {
    const std::size_t at_rest = world.scratch_bytes();
    need(at_rest > 0, "it has no channels");
    std::vector<float> x(10000, 1), y(10000);
    reduce(world, x, y, plus{}, 0, {.algorithm = algorithm::tree});
    const std::size_t needed =
        world.plan_for({.what = collective::reduce, .count = 10000, .element = 4, .root = 0, .algorithm = algorithm::tree}).scratch_bytes;
    need(world.scratch_bytes() == at_rest + needed, "another number of bytes");
    more += needed;
    barrier(world);
    need(world.scratch_bytes() == at_rest + needed, "a barrier needs none");
  });
  CHECK(more > 0);
}

TEST_CASE("a call like the last one is done in its own memory, with its own operation, and no other is taken for it") {
  const std::uint64_t seed = 20261123;
  MESSAGE("seed " << seed);
  for (int ranks : {1, 2, 3}) {
    CAPTURE(ranks);
    CHECK_NOTHROW(on_ranks(ranks, [&](communicator& world) {
      const auto p = static_cast<std::size_t>(ranks), me = static_cast<std::size_t>(world.rank());
      communicator other = world.duplicate();
      const statistics before = world.counters();
      std::mt19937_64 agreed(seed);
      // Each of them twice, so that it is done as the last one was; then another, which is
      // often the same but for one thing.
      std::size_t n = 2, kind = 0, root = 0;
      bool in_place = false, elsewhere = false;
      std::uint64_t calls = 0;
      for (std::uint64_t k = 0; k < 1200; ++k) {
        switch (agreed() % 6) {
          case 0: n = 1 + agreed() % 40; break;
          case 1: kind = agreed() % 14; break;
          case 2: root = agreed() % p; break;
          case 3: in_place = !in_place; break;
          case 4: elsewhere = !elsewhere; break;
          default: break;
        }
        if (agreed() % 50 == 0) {
          // Where a communicator is does not matter, nor what was made of it in between.
          communicator moved = std::move(world);
          world = std::move(moved);
        }
        for (std::uint64_t again = 0; again < 2; ++again) {
          communicator& c = elsewhere ? other : world;
          const int least = static_cast<int>(agreed() % 100003);
          auto number = [&](std::size_t rank, std::size_t i) { return static_cast<int>((k * 31 + again * 17 + rank * 101 + i * 7) % 100003); };
          // One block for each rank, in other memory every time.
          std::vector<int> blocks(n * p), result(n * p, -1);
          for (std::size_t i = 0; i < n * p; ++i) blocks[i] = number(me, i);
          const std::vector<int> mine(blocks.begin(), blocks.begin() + static_cast<std::ptrdiff_t>(n));
          auto reduced = [&](std::size_t i, auto op) {
            int value = number(0, i);
            for (std::size_t r = 1; r < p; ++r) value = op(value, number(r, i));
            return value;
          };
          const std::string where = format("call %d, kind %d, %d elements", static_cast<int>(k), static_cast<int>(kind), static_cast<int>(n));
          auto expect = [&](const std::vector<int>& got, std::size_t i, int value) { need(got[i] == value, where); };
          // Operations of one type that differ from call to call, each in its own place.
          const auto with_least = [](int most) { return [most](int a, int b) { return std::max({a, b, most}); }; };
          const decltype(with_least(0)) different[] = {with_least(again ? 200000 : least), with_least(again ? least : 200000)};
          const auto& at_least = different[again];
          const span<const int> own_block(blocks.data(), n);
          std::vector<int> one = in_place ? mine : std::vector<int>(n, -1);
          const span<const int> in(in_place ? one.data() : mine.data(), n);
          calls += kind == 8 ? 3 : kind == 9 ? 5 : 1;
          switch (kind) {
            case 0:
              all_reduce(c, in, one);
              for (std::size_t i = 0; i < n; ++i) expect(one, i, reduced(i, plus{}));
              break;
            case 1:
              all_reduce(c, in, one, maximum{});
              for (std::size_t i = 0; i < n; ++i) expect(one, i, reduced(i, maximum{}));
              break;
            case 2:
              all_reduce(c, in, one, at_least);
              for (std::size_t i = 0; i < n && p > 1; ++i) expect(one, i, reduced(i, at_least));
              break;
            case 3:
              if (me == root) one = mine;
              broadcast(c, one, static_cast<int>(root));
              for (std::size_t i = 0; i < n; ++i) expect(one, i, number(root, i));
              break;
            case 4:
              reduce(c, mine, one, plus{}, static_cast<int>(root));
              for (std::size_t i = 0; i < n && me == root; ++i) expect(one, i, reduced(i, plus{}));
              break;
            case 5:
              scatter(c, blocks, one, static_cast<int>(root));
              for (std::size_t i = 0; i < n; ++i) expect(one, i, number(root, me * n + i));
              break;
            case 6:
              gather(c, own_block, result, static_cast<int>(root));
              for (std::size_t i = 0; i < n * p && me == root; ++i) expect(result, i, number(i / n, i % n));
              break;
            case 7:
              if (in_place) result = blocks;
              all_to_all(c, in_place ? result : blocks, result);
              for (std::size_t i = 0; i < n * p; ++i) expect(result, i, number(i / n, me * n + i % n));
              break;
            case 8: {
              all_reduce_async(c, in, one, at_least).wait();
              for (std::size_t i = 0; i < n && p > 1; ++i) expect(one, i, reduced(i, at_least));
              all_reduce_async(c, mine, one, plus{}).wait();
              std::vector<float> same(n), sums(n);
              for (std::size_t i = 0; i < n; ++i) same[i] = static_cast<float>(number(me, i));
              all_reduce(c, same, sums);
              for (std::size_t i = 0; i < n; ++i) expect(one, i, reduced(i, plus{})), need(sums[i] == static_cast<float>(reduced(i, plus{})), where);
              break;
            }
            case 10:
              all_gather(c, own_block, result);
              for (std::size_t i = 0; i < n * p; ++i) expect(result, i, number(i / n, i % n));
              break;
            case 11:
              reduce_scatter(c, blocks, one);
              for (std::size_t i = 0; i < n; ++i) expect(one, i, reduced(me * n + i, plus{}));
              break;
            case 12: {
              // Functions of one type are operations of one type.
              int (*const functions[])(int, int) = {[](int a, int b) { return a + b; }, [](int a, int b) { return std::max(a, b); }};
              all_reduce(c, in, one, functions[again]);
              for (std::size_t i = 0; i < n; ++i) expect(one, i, reduced(i, functions[again]));
              break;
            }
            case 13: barrier(c); break;
            default: {
              // Neither collected calls nor those whose algorithm is named are done as the last one was.
              std::vector<int> second(n);
              all_reduce(c, mine, second);
              const std::uint64_t issued = c.recent().back().number;
              together(c, [&] {
                all_reduce(c, mine, one);
                all_reduce(c, mine, second, maximum{});
              });
              need(c.recent().back().number == issued + 1, where);
              for (std::size_t i = 0; i < n; ++i) expect(one, i, reduced(i, plus{})), expect(second, i, reduced(i, maximum{}));
              all_reduce(c, mine, one, maximum{});
              all_reduce(c, mine, second, maximum{}, {.algorithm = algorithm::ring});
              for (std::size_t i = 0; i < n; ++i) need(one[i] == second[i], where);
            }
          }
        }
      }
      // Counted as often as called, whichever way they were issued.
      const statistics counted = world.counters().since(before), there = other.counters();
      std::uint64_t done = 0;
      for (const collective what : every_collective) done += counted.of(what).done + there.of(what).done;
      need(done == calls, format("%d calls counted of %d", static_cast<int>(done), static_cast<int>(calls)));
    }));
  }
}

TEST_CASE("what was done in lent memory is not done so in place, though the last call was like it") {
  CHECK_NOTHROW(thread_ranks::run(2, [](communicator& world) {
    const std::size_t n = 4096;
    const auto me = static_cast<std::size_t>(world.rank());
    std::vector<int> in(2 * n), out(2 * n);
    auto number = [](std::size_t rank, std::size_t i) { return static_cast<int>(rank * 100000 + i); };
    for (int again = 0; again < 100; ++again) {
      for (std::size_t i = 0; i < 2 * n; ++i) in[i] = number(me, i);
      for (int times = 0; times < 2; ++times) {
        out.assign(2 * n, -1);
        all_to_all(world, in, out);
        for (std::size_t i = 0; i < 2 * n; ++i) need(out[i] == number(i / n, me * n + i % n), "a wrong block");
      }
      all_to_all(world, in, in);
      need(in == out, "a wrong block in place");
    }
  }, {}, {}, true));
}
