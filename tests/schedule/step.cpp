#include <tutti/schedule/step.hpp>

#include <doctest/doctest.h>

namespace {

using namespace tutti;

TEST_CASE("verbs append the steps they name") {
  schedule s{.parts = 2, .scratch = 1};
  s.send({1}, chunk{0});
  s.recv({2}, chunks{{0}, 2});
  s.recv_reduce({1}, chunk{1}, side::left);
  s.recv_reduce({1}, chunk{2}, side::right, chunk{0});
  s.copy(chunk{2}, chunk{0});
  REQUIRE(s.steps.size() == 5);
  CHECK(s.steps[0] == step{.what = verb::send, .peer = {1}, .where = chunk{0}});
  CHECK(s.steps[1] == step{.what = verb::recv, .peer = {2}, .where = {{0}, 2}});
  CHECK(s.steps[2] ==
        step{.what = verb::recv_reduce, .incoming = side::left, .peer = {1}, .where = chunk{1}, .with = chunk{1}});
  CHECK(s.steps[3] ==
        step{.what = verb::recv_reduce, .incoming = side::right, .peer = {1}, .where = chunk{2}, .with = chunk{0}});
  CHECK(s.steps[4] == step{.what = verb::copy, .where = chunk{0}, .with = chunk{2}});
}

}  // namespace
