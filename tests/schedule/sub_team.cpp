#include <tutti/schedule/sub_team.hpp>

#include <doctest/doctest.h>

namespace {

using namespace tutti;

TEST_CASE("a part's ranks become members, and its chunks their pieces, as many at once as follow one another") {
  const sub_team half{.members = {{4}, {7}}, .pieces = {{{3}, {4}, {8}}, {{5}}}};
  CHECK(half.all() == team{2});
  schedule part{.parts = 2}, whole{.parts = 9}, wanted{.parts = 9};
  part.send({1}, chunk{0});
  part.recv_reduce({1}, chunk{1}, side::right);
  part.send({1}, {chunk{0}, 2});
  half.play(whole, part);
  wanted.send({7}, {chunk{3}, 2});
  wanted.send({7}, chunk{8});
  wanted.recv_reduce({7}, chunk{5}, side::right);
  wanted.send({7}, {chunk{3}, 2});
  wanted.send({7}, chunk{8});
  wanted.send({7}, chunk{5});
  REQUIRE(whole.steps.size() == wanted.steps.size());
  for (std::size_t i = 0; i < whole.steps.size(); ++i) {
    CAPTURE(i);
    CHECK(whole.steps[i].what == wanted.steps[i].what);
    CHECK(whole.steps[i].peer == wanted.steps[i].peer);
    CHECK(whole.steps[i].where == wanted.steps[i].where);
    CHECK(whole.steps[i].incoming == wanted.steps[i].incoming);
    if (has_operand(whole.steps[i].what)) CHECK(whole.steps[i].with == wanted.steps[i].with);
  }
}

TEST_CASE("of one chunk the scratch is the part's, and what was there stays in front") {
  const sub_team pair{.members = {{2}, {0}}};
  schedule part{.parts = 1, .scratch = 1}, whole;
  part.copy(chunk{0}, chunk{1});
  part.send({1}, chunk{1});
  whole.send({5}, chunk{0});
  pair.play(whole, part);
  schedule wanted{.parts = 1, .scratch = 1};
  wanted.send({5}, chunk{0});
  wanted.copy(chunk{0}, chunk{1});
  wanted.send({0}, chunk{1});
  CHECK(whole == wanted);
}

}  // namespace
