#include <tutti/schedule/cyclic.hpp>

#include <doctest/doctest.h>

namespace {

using namespace tutti;

static_assert(cyclic(5, {3}, 2).first == chunks{{3}, 2});
static_assert(cyclic(5, {3}, 2).second.count == 0);
static_assert(cyclic(5, {3}, 4).first == chunks{{3}, 2});
static_assert(cyclic(5, {3}, 4).second == chunks{{0}, 2});

TEST_CASE("a range past the end is two steps, one that ends there is one") {
  schedule s{.parts = 5};
  send(s, {1}, cyclic(5, {3}, 2));
  CHECK(s.steps.size() == 1);
  send(s, {1}, cyclic(5, {3}, 3));
  recv(s, {1}, cyclic(5, {4}, 2));
  recv_reduce(s, {1}, cyclic(5, {0}, 5), side::right);
  REQUIRE(s.steps.size() == 6);
  CHECK(s.steps[2] == step{.what = verb::send, .peer = {1}, .where = {{0}, 1}});
  CHECK(s.steps[4] == step{.what = verb::recv, .peer = {1}, .where = {{0}, 1}});
  CHECK(s.steps[5].with == chunks{{0}, 5});
}

}  // namespace
