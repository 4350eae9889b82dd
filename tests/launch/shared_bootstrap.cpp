#include <tutti/launch/shared_bootstrap.hpp>

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

/// Runs `body(bootstrap)` in `ranks` processes; the exit code of each.
template <class Body>
std::vector<int> in_processes(int ranks, Body body) {
  tutti::shared_board board(ranks);
  std::vector<pid_t> pids;
  for (int r = 0; r < ranks; ++r) {
    pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      ::alarm(60);
      tutti::shared_bootstrap mine(board, r);
      ::_exit(body(mine));
    }
    pids.push_back(pid);
  }
  std::vector<int> codes;
  for (pid_t pid : pids) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    codes.push_back(tutti::exit_code_of(status));
  }
  return codes;
}

std::vector<std::byte> filled(std::size_t length, int value) {
  return std::vector<std::byte>(length, static_cast<std::byte>(value));
}

}  // namespace

static_assert(tutti::bootstrap<tutti::shared_bootstrap>);

TEST_CASE("shared bootstrap: contributions around the size of a piece, and none") {
  const std::size_t piece = tutti::shared_board::slot_bytes;
  for (int ranks : {1, 2, 3, 7}) {
    CAPTURE(ranks);
    auto codes = in_processes(ranks, [&](tutti::shared_bootstrap& b) {
      for (std::size_t base : {std::size_t{0}, piece - 1, piece, 3 * piece + 1})
        for (int turn = 0; turn < ranks; ++turn) {
          // One rank gives `base`, the others a little or nothing.
          auto length = [&](int r) { return r == turn ? base : static_cast<std::size_t>(r); };
          auto all = b.all_gather(filled(length(b.rank()), b.rank() + turn));
          if (static_cast<int>(all.size()) != ranks) return 2;
          for (int r = 0; r < ranks; ++r)
            if (all[static_cast<std::size_t>(r)] != filled(length(r), r + turn)) return 3;
        }
      return 0;
    });
    for (int code : codes) CHECK(code == 0);
  }
}

TEST_CASE("shared bootstrap: the deadline names who is missing") {
  tutti::shared_board board(4);
  tutti::shared_bootstrap mine(board, 1, 0.05);
  try {
    mine.all_gather({});
    FAIL("it returned");
  } catch (const tutti::error& e) {
    CHECK(e.code() == tutti::errc::deadline);
    CHECK(e.rank() == 0);
    CHECK(e.what() == std::string("ranks 0, 2 and 3 of 4 did not come to an all-gather of the bootstrap within 0.05 s"));
  }
}

TEST_CASE("shared bootstrap: whoever has ended is not waited for") {
  struct {
    int status;
    tutti::errc code;
    std::string text;
  } cases[] = {
      {W_EXITCODE(0, 9), tutti::errc::rank_died, "rank 1 (pid 77) was killed by signal 9 (Killed)"},
      {W_EXITCODE(4, 0), tutti::errc::rank_died, "rank 1 (pid 77) ended with exit code 4"},
      {0, tutti::errc::rank_failed, "rank 1 (pid 77) left with exit code 0 while others waited for it"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    tutti::shared_board board(2);
    board.report_end(1, 77, c.status);
    tutti::shared_bootstrap mine(board, 0);
    try {
      mine.all_gather({});
      FAIL("it returned");
    } catch (const tutti::error& e) {
      CHECK(e.code() == c.code);
      CHECK(e.rank() == 1);
      CHECK(e.what() == c.text);
    }
  }
}

TEST_CASE("shared bootstrap: all name the first failure, whoever reports it and whatever follows") {
  tutti::shared_board board(4);
  tutti::shared_bootstrap first(board, 1), second(board, 2), third(board, 3);
  first.fail("rank 0 does not answer", 0);
  second.fail("later");
  CHECK(board.gave_up_for_another(1));
  CHECK(!board.gave_up_for_another(2));
  try {
    third.all_gather({});
    FAIL("it returned");
  } catch (const tutti::error& e) {
    CHECK(e.rank() == 0);
    CHECK(e.what() == std::string("rank 1 gave up: rank 0 does not answer"));
  }
}

TEST_CASE("shared bootstrap: a failure wakes those who wait already") {
  auto codes = in_processes(4, [](tutti::shared_bootstrap& b) {
    b.all_gather({});
    if (b.rank() == 3) {
      b.fail("no more");
      return 0;
    }
    try {
      b.all_gather({});
    } catch (const tutti::error& e) {
      return e.rank() == 3 && e.what() == std::string("rank 3 gave up: no more") ? 5 : 6;
    }
    return 7;
  });
  CHECK(codes == std::vector<int>{5, 5, 5, 0});
}
