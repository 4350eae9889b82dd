#include <tutti/comm/together.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <string>

#include <tutti/comm/neighbours.hpp>
#include <tutti/comm/persistent.hpp>
#include <tutti/comm/reproducible_sum.hpp>

#include "thread_ranks.hpp"
#include "together_cases.hpp"

using namespace tutti;
using together_cases::need;

TEST_CASE("what is issued as one does what each call would alone, whichever they are") {
  for (int ranks : {1, 2, 3, 5, 8, 9})
    for (progress how : {progress::caller, progress::thread}) {
      CAPTURE(ranks);
      CHECK_NOTHROW(thread_ranks::run(ranks, [](communicator& c) { together_cases::check_all(c); }, {.progress = how}));
    }
}

TEST_CASE("it can be given up, made again and again, and be of nothing or of messages only") {
  CHECK_NOTHROW(thread_ranks::run(3, [](communicator& c) {
    const int me = c.rank();
    std::vector<int> x(5000, me), y(10, me + 1), theirs(10);
    { request given_up = together_async(c, [&] { broadcast(c, x, 2), all_reduce(c, y); }); }
    together(c, [] {});
    barrier(c);
    need(x == std::vector<int>(5000, 2) && y == std::vector<int>(10, 6), "given up", c);
    persistent step([&] { return together_async(c, [&] { broadcast(c, x, 1), broadcast(c, y, 0); }); });
    for (int i = 0; i < 3; ++i) {
      x.assign(x.size(), me + i), y.assign(y.size(), me - i);
      step.start();
      while (!step.test()) {
      }
      need(x == std::vector<int>(x.size(), 1 + i) && y == std::vector<int>(y.size(), -i), "again", c);
    }
    y.assign(y.size(), me);
    together(c, [&] { send(c, y, (me + 1) % 3), recv(c, theirs, (me + 2) % 3); });
    need(theirs == std::vector<int>(10, (me + 2) % 3), "messages only", c);
    // Of its requests nothing is expected, and counts need not live.
    std::vector<int> all(6);
    request within;
    together(c, [&] {
      const std::vector<std::size_t> counts{1, 2, 3};
      within = all_gather_v_async(c, span<const int>(y.data(), counts[static_cast<std::size_t>(me)]), all, counts);
      need(within.test(), "a request within", c);
    });
    within.wait();
    need(all == std::vector<int>{0, 1, 1, 2, 2, 2}, "with counts", c);
  }));
}

TEST_CASE("short neighbours that are alike travel as one, and no others") {
  for (int ranks : {2, 3, 5})
    CHECK_NOTHROW(thread_ranks::run(ranks, [](communicator& c) {
      const int me = c.rank(), p = c.size(), sum = p * (p + 1) / 2;
      std::vector<std::vector<int>> x, y, z, in;
      for (std::size_t n : {5u, 0u, 1000u, 4096u, 4097u, 17u}) {
        for (auto* v : {&x, &y, &in}) v->emplace_back(n, me + 1);
        z.emplace_back(n, 99);
      }
      const int two = 2, three = 3;
      std::vector<int> weighed(3, me + 1), otherwise(3, me + 1), largest(3, me);
      const statistics before = c.counters();
      together(c, [&] {
        for (auto& v : x) broadcast(c, v, 1);
        for (auto& v : y) all_reduce(c, v);
        for (std::size_t i = 0; i < z.size(); ++i) reduce(c, in[i], z[i], plus{}, 0);
        all_reduce(c, largest, maximum{});
        // Of one type, and not the same.
        auto weigh = [&](int weight) { return [weight](int a, int) { return a * 0 + weight; }; };
        all_reduce(c, weighed, weigh(two));
        all_reduce(c, otherwise, weigh(three));
      });
      for (std::size_t i = 0; i < x.size(); ++i) {
        const std::size_t n = x[i].size();
        need(x[i] == std::vector<int>(n, 2), "a broadcast", c);
        need(y[i] == std::vector<int>(n, sum), "a sum", c);
        need(in[i] == std::vector<int>(n, me + 1) && z[i] == std::vector<int>(n, me == 0 ? sum : 99), "a sum at the root", c);
      }
      need(largest == std::vector<int>(3, p - 1) && weighed == std::vector<int>(3, two) && otherwise == std::vector<int>(3, three), "others", c);
      const statistics now = c.counters().since(before);
      need(now.of(collective::broadcast).done == 6 && now.of(collective::all_reduce).done == 9 && now.of(collective::reduce).done == 6, "counted", c);
      std::vector<std::vector<int>> few(8, std::vector<int>(3, me));
      const statistics then = c.counters();
      together(c, [&] { all_reduce(c, few[0], plus{}, {.algorithm = algorithm::doubling}); });
      const traffic one = c.counters().since(then).of(collective::all_reduce).sent;
      together(c, [&] {
        for (auto& v : few) all_reduce(c, v, plus{}, {.algorithm = algorithm::doubling});
      });
      const traffic both = c.counters().since(then).of(collective::all_reduce).sent;
      need(both.messages == 2 * one.messages && both.bytes == 9 * one.bytes, "as many messages as one", c);
    }));
}

TEST_CASE("what throws in it leaves nothing behind") {
  CHECK_NOTHROW(thread_ranks::run(2, [](communicator& c) {
    std::vector<int> x(10, 1), y(9);
    auto refused = [&](auto calls, const std::string& text) {
      try {
        together(c, calls);
      } catch (const std::exception& e) {
        return std::string(e.what()).find(text) != std::string::npos;
      }
      return false;
    };
    need(refused([&] { all_reduce(c, x), throw std::runtime_error("a full disk"); }, "a full disk"), "the exception", c);
    need(refused([&] { all_reduce(c, x), all_reduce(c, x, y); }, "input and output must hold as many elements (10 and 9)"), "a wrong call", c);
    need(refused([&] { all_reduce(c, x), together(c, [] {}); }, "together: within another one"), "nested", c);
    need(refused([&] {
           const std::vector<std::size_t> counts{5, 5};
           all_to_all_v(c, x, counts);
         }, "together: all_to_all_v has counts that ranks agree on two by two"), "counts of pairs", c);
    need(x == std::vector<int>(10, 1), "changed", c);
    all_reduce(c, x);
    need(x == std::vector<int>(10, 2), "the call after it", c);
    // One that holds an operation whose copy throws.
    struct angry {
      angry() = default;
      angry(const angry&) { throw std::runtime_error("no copy"); }
      int operator()(int a, int b) const { return a + b; }
    };
    need(refused([&] { all_reduce(c, x), all_reduce(c, x, angry{}); }, "no copy"), "a copy", c);
    together(c, [&] { all_reduce(c, x); });
    need(x == std::vector<int>(10, 4), "the calls after it", c);
  }));
}

TEST_CASE("ranks that issue different calls as one are told so, and what each of them did") {
  auto refused_by_all = [](auto calls, const std::string& text) {
    std::atomic<int> told{0};
    try {
      thread_ranks::run(3, [&](communicator& c) {
        std::vector<int> x(4000, 1), y(7000, 1);
        const std::vector<int> before_x = x, before_y = y;
        try {
          calls(c, x, y);
        } catch (const error& e) {
          told += e.code() == errc::mismatch && std::string(e.what()).find(text) != std::string::npos && x == before_x && y == before_y;
          throw;
        }
      });
    } catch (const error&) {
    }
    return told == 3;
  };
  CHECK(refused_by_all([](communicator& c, auto& x, auto& y) {
    together(c, [&] {
      if (c.rank() != 1) all_reduce(c, x), broadcast(c, y, 0);
      else broadcast(c, y, 0), all_reduce(c, x);
    });
  }, "together of 11000 elements, broadcast all_reduce"));
  // Short ones, which are sent as one of 300.
  CHECK(refused_by_all([](communicator& c, auto& x, auto& y) {
    const span<int> one(x.data(), 100), two(y.data(), 200);
    together(c, [&] {
      if (c.rank() != 1) all_reduce(c, one), all_reduce(c, two);
      else all_reduce(c, two), all_reduce(c, one);
    });
  }, "together of 300 elements, all_reduce"));
  CHECK(refused_by_all([](communicator& c, auto& x, auto&) {
    const span<int> one(x.data(), 100), two(x.data() + 100, 200), all(x.data(), 300);
    together(c, [&] {
      if (c.rank() != 1) all_reduce(c, one), all_reduce(c, two);
      else all_reduce(c, all);
    });
  }, "together of 300 elements, all_reduce"));
  CHECK(refused_by_all([](communicator& c, auto& x, auto& y) {
    const span<int> some(y.data(), y.size() - (c.rank() == 2));
    together(c, [&] { all_reduce(c, x), all_reduce(c, some); });
  }, "together of 10999 elements, all_reduce all_reduce"));
  CHECK(refused_by_all([](communicator& c, auto& x, auto& y) {
    if (c.rank() == 0) return all_reduce(c, x);
    together(c, [&] { all_reduce(c, x), all_reduce(c, y); });
  }, "called all_reduce of 4000 int, sum"));
}

TEST_CASE("what returns its result cannot be one of the calls issued as one") {
  CHECK_NOTHROW(thread_ranks::run(2, [](communicator& c) {
    std::vector<double> x(3, 1.5);
    auto refused = [&](auto call) {
      try {
        together(c, [&] { static_cast<void>(call()); });
      } catch (const error& e) {
        return e.code() == errc::invalid_argument && std::string(e.what()).find("returns its result") != std::string::npos;
      }
      return false;
    };
    need(refused([&] { return reproducible_sum(c, x); }), "a sum", c);
    need(refused([&] { return ranks_on_this_machine(c); }), "a count", c);
    need(reproducible_sum(c, x) == 9, "afterwards", c);
  }));
}
