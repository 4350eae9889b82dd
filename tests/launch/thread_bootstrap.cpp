#include <tutti/launch/thread_bootstrap.hpp>

#include <doctest/doctest.h>

#include <tutti/launch/threads.hpp>

static_assert(tutti::bootstrap<tutti::thread_bootstrap>);

TEST_CASE("thread bootstrap: contributions of any length, round after round") {
  for (int ranks : {1, 2, 3, 5, 8}) {
    CAPTURE(ranks);
    tutti::run_threads(ranks, [&](tutti::thread_bootstrap& b) {
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

TEST_CASE("thread bootstrap: the deadline names who is missing") {
  tutti::thread_board board(3);
  tutti::thread_bootstrap mine(board, 1, 0.05);
  try {
    mine.all_gather({});
    FAIL("it returned");
  } catch (const tutti::error& e) {
    CHECK(e.code() == tutti::errc::deadline);
    CHECK(e.rank() == 0);
    CHECK(e.what() == std::string("ranks 0 and 2 of 3 did not come to an all-gather of the bootstrap within 0.05 s"));
  }
}

TEST_CASE("thread bootstrap: a failure is everyone's, and the first counts") {
  tutti::thread_board board(3);
  tutti::thread_bootstrap first(board, 2), second(board, 1), third(board, 0);
  first.fail("rank 1 is gone", 1);
  second.fail("later");
  for (int again = 0; again < 2; ++again) {
    try {
      third.all_gather({});
      FAIL("it returned");
    } catch (const tutti::error& e) {
      CHECK(e.rank() == 1);
      CHECK(e.what() == std::string("rank 2 gave up: rank 1 is gone"));
    }
  }
}
