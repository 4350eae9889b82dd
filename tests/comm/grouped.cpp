#include <tutti/comm/grouped.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include <tutti/comm/collectives.hpp>

#include "../need.hpp"
#include "thread_ranks.hpp"

using namespace tutti;
using tests::need;

namespace {

// Vector v of `rank`: small numbers, so that every sum is exact.
std::vector<float> vector_of(int rank, std::size_t v, std::size_t n) {
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<float>((static_cast<std::size_t>(rank) * 5 + v * 3 + i) % 17);
  return x;
}

void check(communicator& c, const std::vector<std::size_t>& lengths, bool waits) {
  std::vector<std::vector<float>> mine, want;
  grouped<float> all;
  for (std::size_t v = 0; v < lengths.size(); ++v) {
    mine.push_back(vector_of(c.rank(), v, lengths[v]));
    want.emplace_back(lengths[v]);
    for (int r = 0; r < c.size(); ++r) {
      const auto theirs = vector_of(r, v, lengths[v]);
      for (std::size_t i = 0; i < lengths[v]; ++i) want[v][i] += theirs[i];
    }
  }
  for (auto& v : mine) all.add(v);
  if (waits) {
    all_reduce(c, all);
  } else {
    request r = all_reduce_async(c, all);
    while (!r.test()) {
    }
  }
  need(mine == want, "a wrong sum");
}

}  // namespace

TEST_CASE("vectors of a group are reduced as if each were alone") {
  for (int ranks : {1, 2, 3, 5}) {
    CAPTURE(ranks);
    CHECK_NOTHROW(thread_ranks::run(ranks, [](communicator& world) {
      communicator threaded = world.duplicate({.progress = progress::thread});
      for (communicator* c : {&world, &threaded})
        for (bool waits : {true, false}) {
          check(*c, {}, waits);
          check(*c, {0, 0}, waits);
          check(*c, {1}, waits);
          check(*c, {3, 0, 1000, 7}, waits);
          check(*c, std::vector<std::size_t>(32, 1024), waits);
          check(*c, {50000, 1, 70000}, waits);
        }
    }));
  }
}

TEST_CASE("a group keeps the order of operands, and is made of vectors of any kind") {
  struct first {
    int operator()(int a, int) const { return a; }
  };
  CHECK_NOTHROW(thread_ranks::run(3, [](communicator& world) {
    std::vector<int> x(5, world.rank() + 1);
    buffer<int> y(world, 3);
    for (int& v : y) v = 10 * (world.rank() + 1);
    grouped<int> both(x, y);
    need(both.size() == 8 && both.vectors().size() == 2, "another size");
    all_reduce(world, both, first{});
    need(x == std::vector<int>(5, 1) && y[0] == 10 && y[2] == 10, "not the first rank's");
  }));
}

TEST_CASE("a group with a null vector is refused before anything is sent") {
  CHECK_NOTHROW(thread_ranks::run(2, [](communicator& world) {
    std::vector<float> x(4, 1);
    grouped<float> bad;
    bad.add(x);
    bad.add(span<float>(nullptr, 3));
    bool refused = false;
    try {
      all_reduce(world, bad);
    } catch (const error& e) {
      refused = e.code() == errc::invalid_argument && std::string(e.what()).find("a null pointer with 3 elements") != std::string::npos;
    }
    need(refused, "not refused");
    all_reduce(world, x);
    need(x[3] == 2, "a wrong sum afterwards");
  }));
}
