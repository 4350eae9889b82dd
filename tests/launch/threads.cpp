#include <tutti/launch/threads.hpp>

#include <atomic>
#include <stdexcept>

#include <doctest/doctest.h>

using tutti::thread_bootstrap;

namespace {

/// The error of a run of threads that must throw one.
template <class Body>
tutti::error failure_of(int ranks, Body body, double timeout = 300) {
  try {
    tutti::run_threads(ranks, body, timeout);
  } catch (const tutti::error& e) {
    return e;
  }
  return tutti::error(tutti::errc::data, "nothing was thrown");
}

}  // namespace

TEST_CASE("threads: every rank runs once") {
  std::atomic<int> seen{0};
  tutti::run_threads(6, [&](thread_bootstrap& b) {
    CHECK(b.size() == 6);
    seen.fetch_add(1 << b.rank());
  });
  CHECK(seen == 63);
}

TEST_CASE("threads: contributions of any length, round after round") {
  for (int ranks : {1, 2, 3, 5, 8}) {
    CAPTURE(ranks);
    tutti::run_threads(ranks, [&](thread_bootstrap& b) {
      for (int round = 0; round < 100; ++round) {
        auto give = [&](int r) {
          return std::vector<std::byte>(static_cast<std::size_t>((r + round) % ranks), static_cast<std::byte>(round));
        };
        tutti::contributions all = b.all_gather(give(b.rank()));
        if (static_cast<int>(all.size()) != ranks) throw std::runtime_error("wrong number of contributions");
        for (int r = 0; r < ranks; ++r)
          if (all[static_cast<std::size_t>(r)] != give(r)) throw std::runtime_error("wrong contribution");
      }
    });
  }
}

TEST_CASE("threads: what a rank throws is thrown again, and nobody waits for that rank") {
  tutti::error e = failure_of(4, [](thread_bootstrap& b) {
    if (b.rank() == 2) throw std::runtime_error("out of luck");
    b.all_gather({});
  });
  CHECK(e.code() == tutti::errc::rank_failed);
  CHECK(e.rank() == 2);
  CHECK(e.what() == std::string("rank 2: out of luck"));
}

TEST_CASE("threads: of several that throw the first by rank, those last that did it for another's sake") {
  tutti::error e = failure_of(4, [](thread_bootstrap& b) {
    if (b.rank() == 1) throw tutti::error(tutti::errc::rank_failed, "rank 3 is to blame", 3);
    throw tutti::error(tutti::errc::data, "bad");
  });
  CHECK(e.what() == std::string("rank 0: bad"));
  CHECK(e.code() == tutti::errc::data);
  CHECK(e.rank() == 0);

  e = failure_of(2, [](thread_bootstrap& b) {
    if (b.rank() == 0) throw tutti::error(tutti::errc::rank_died, "rank 1 is to blame", 1);
  });
  CHECK(e.what() == std::string("rank 0: rank 1 is to blame"));
  CHECK(e.rank() == 1);
}

TEST_CASE("threads: a rank that has left is not waited for") {
  tutti::error e = failure_of(3, [](thread_bootstrap& b) {
    if (b.rank() != 1) b.all_gather({});
  });
  CHECK(e.rank() == 1);
  // Rank 0 saw it itself, or heard it from rank 2.
  CHECK(std::string(e.what()).starts_with("rank 0: "));
  CHECK(std::string(e.what()).ends_with("rank 1 left while others waited for it"));
}

TEST_CASE("threads: what is no std::exception passes as it is") {
  CHECK_THROWS_AS(tutti::run_threads(3, [](thread_bootstrap& b) {
    if (b.rank() == 1) throw 42;
    b.all_gather({});
  }), int);
}

TEST_CASE("threads: no ranks at all is an error") {
  CHECK(failure_of(0, [](thread_bootstrap&) {}).what() == std::string("run_threads takes at least 1 rank, not 0"));
}
