#include <tutti/launch/rank_list.hpp>

#include <doctest/doctest.h>

TEST_CASE("rank list: as people say it") {
  CHECK(tutti::rank_list({3}) == "rank 3");
  CHECK(tutti::rank_list({1, 3}) == "ranks 1 and 3");
  CHECK(tutti::rank_list({1, 3, 4}) == "ranks 1, 3 and 4");
  std::vector<int> many;
  for (int r = 0; r < 16; ++r) many.push_back(r);
  CHECK(tutti::rank_list(many) == "ranks 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 and 15");
  many.push_back(16);
  many.push_back(17);
  CHECK(tutti::rank_list(many) == "ranks 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 and 2 more");
}

TEST_CASE("rank list: how a process ended") {
  CHECK(tutti::describe_end(W_EXITCODE(3, 0)) == "ended with exit code 3");
  CHECK(tutti::exit_code_of(W_EXITCODE(3, 0)) == 3);
  CHECK(tutti::describe_end(W_EXITCODE(0, 9)) == "was killed by signal 9 (Killed)");
  CHECK(tutti::exit_code_of(W_EXITCODE(0, 9)) == 137);
}
