#include <tutti/comm/request.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <vector>

#include <sched.h>

#include <tutti/comm/collectives.hpp>

#include "../need.hpp"
#include "thread_ranks.hpp"

using namespace tutti;
using tests::need;

namespace {

struct watched {
  static constexpr bool commutative = true;
  std::shared_ptr<int> weight;
  int operator()(int a, int b) const { return a + b + *weight * 0; }
};

template <class Body>
void on_ranks(int ranks, Body body) {
  for (progress how : {progress::caller, progress::thread}) {
    CAPTURE(how == progress::thread);
    CHECK_NOTHROW(thread_ranks::run(ranks, body, {.progress = how}));
  }
}

}  // namespace

TEST_CASE("a request of nothing is done") {
  request r;
  CHECK(r.test());
  r.wait();
  request other = std::move(r);
  CHECK(other.test());
  static_assert(!std::is_copy_constructible_v<request> && !std::is_copy_assignable_v<request>);
  static_assert(std::is_nothrow_move_constructible_v<request>);
}

TEST_CASE("test moves a collective to its end, and then stays true") {
  on_ranks(3, [](communicator& c) {
    std::vector<double> x(5000, 1.0);
    request r = all_reduce_async(c, x);
    while (!r.test()) {}
    need(x == std::vector<double>(5000, 3.0), "a wrong sum");
    need(r.test(), "no longer done");
    r.wait();
  });
}

TEST_CASE("a request that was moved is waited for where it went") {
  on_ranks(2, [](communicator& c) {
    std::vector<int> x(300, 1), y(300, 2);
    request first = all_reduce_async(c, x), second = all_reduce_async(c, y);
    request moved = std::move(first);
    need(first.test(), "it holds nothing any more");
    first = std::move(second);
    first.wait();  // the later one: the earlier is done by then
    need(y == std::vector<int>(300, 4), "a wrong sum");
    moved.wait();
    need(x == std::vector<int>(300, 2), "a wrong sum");
    // Assigned over, a request lets its collective go on.
    std::vector<int> z(300, 3);
    request over = all_reduce_async(c, z);
    over = request();
    barrier(c);
    need(z == std::vector<int>(300, 6), "it did not go on");
  });
}

TEST_CASE("requests that nobody waits for go on, and their memory is used again") {
  on_ranks(3, [](communicator& c) {
    std::vector<std::vector<int>> x(200, std::vector<int>(50, 1));
    for (auto& v : x) all_reduce_async(c, v);  // NOLINT: dropped at once
    barrier(c);
    for (auto& v : x) need(v == std::vector<int>(50, 3), "a wrong sum");
    for (auto& v : x) {
      request r = all_reduce_async(c, v);
      r.wait();
      request done = std::move(r);
    }
    for (auto& v : x) need(v == std::vector<int>(50, 9), "a wrong sum");
  });
}

TEST_CASE("the functor of an asynchronous collective lives until it is done, and no longer than the communicator") {
  std::weak_ptr<int> seen[2][2];
  on_ranks(2, [&](communicator& c) {
    std::vector<int> x(1000, 1);
    const auto me = static_cast<std::size_t>(c.rank());
    auto issue = [&](std::size_t which) {
      auto weight = std::make_shared<int>(5);
      seen[me][which] = weight;
      return all_reduce_async(c, x, watched{std::move(weight)});
    };
    request r = issue(0);
    need(!seen[me][0].expired() || r.test(), "its functor died before it");
    r.wait();
    need(seen[me][0].expired(), "its functor outlived its wait");
    need(x == std::vector<int>(1000, 2), "a wrong sum");
    { request dropped = issue(1); }
    barrier(c);
  });
  for (auto& rank : seen)
    for (auto& s : rank) CHECK(s.expired());
}

TEST_CASE("a failed collective throws from wait and from test, once") {
  std::atomic<int> told{0};
  for (bool by_test : {false, true}) {
    CHECK_NOTHROW(thread_ranks::run(2, [&](communicator& c, session& s) {
      std::vector<int> x(10);
      if (c.rank() == 1) return s.abandon("a full disk");
      request r;
      try {
        r = all_reduce_async(c, x);  // says so itself where it comes after the verdict
        if (by_test) while (!r.test()) {}
        else r.wait();
      } catch (const error& e) {
        told += e.rank() == 1 && std::string(e.what()) == "rank 1 failed: a full disk";
      }
      need(r.test(), "it was given back");
    }));
  }
  CHECK(told == 2);
}

TEST_CASE("waiting for a communicator with a thread of its own does not stop what has none") {
  for (bool tested : {false, true}) {
    CAPTURE(tested);
    loopback_world shared;
    CHECK_NOTHROW(run_threads(2, [&](auto& b) {
      session s(b, shared, {.deadline = 20});
      communicator world(s), threaded = world.duplicate({.progress = progress::thread});
      std::vector<float> large(500000, 1), small(10, 1);
      request first;
      // Rank 0 must move the first while it waits for the second, or rank 1 never comes to that.
      if (s.rank() == 0) first = all_reduce_async(world, large);
      else all_reduce(world, large);
      request second = all_reduce_async(threaded, small);
      if (tested) while (!second.test()) ::sched_yield();
      second.wait();
      first.wait();
      if (large[499999] != 2 || small[9] != 2) throw std::logic_error("a wrong sum");
    }));
  }
}
