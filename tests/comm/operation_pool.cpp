#include <tutti/comm/operation_pool.hpp>

#include <doctest/doctest.h>

#include <memory>

#include <tutti/comm/plan.hpp>
#include <tutti/transport/loopback.hpp>

using namespace tutti;

namespace {

struct pool_of_one {
  explicit pool_of_one(std::size_t kept = static_cast<std::size_t>(-1)) : operations(joined, kept) {}
  // A call whose operation needs so many bytes for the input that it makes of it.
  static std::unique_ptr<prepared_call> needs(std::size_t bytes) {
    return prepare({.what = collective::all_reduce, .count = bytes, .staging = bytes, .algorithm = algorithm::ring}, {2}, {0});
  }
  static std::unique_ptr<prepared_call> shown(int ranks) {
    return prepare({.what = collective::all_reduce, .count = 1, .element = 4, .algorithm = algorithm::one_shot}, {ranks}, {0}, algorithm::automatic, true);
  }
  loopback_fabric::world world;
  loopback_fabric joined{world};
  operation_pool operations;
};

}  // namespace

TEST_CASE("an operation is taken again with its memory, by who needs as much") {
  pool_of_one p;
  const auto small = p.needs(100), large = p.needs(5000);
  operation& first = p.operations.take(*large);
  CHECK(first.scratch.size() >= 5000);
  operation& second = p.operations.take(*small);
  CHECK(&second != &first);
  CHECK(p.operations.in_use() == 2);
  CHECK(p.operations.in_use(*small));
  detail::give_back(second);
  detail::give_back(first);
  CHECK_FALSE(p.operations.in_use(*small));
  CHECK(&p.operations.take(*large) == &first);
  CHECK(&p.operations.take(*small) == &second);
  p.operations.forget(*small);
  CHECK(second.plan == nullptr);
  CHECK(p.operations.scratch_bytes() == first.scratch.size() + second.scratch.size());
}

TEST_CASE("idle operations keep no more than they may") {
  pool_of_one p(6000);
  const auto one = p.needs(5000), other = p.needs(4000);
  operation& first = p.operations.take(*one);
  operation& second = p.operations.take(*other);
  CHECK(p.operations.scratch_bytes() >= 9000);
  detail::give_back(first);
  p.operations.tidy();
  CHECK(first.scratch.size() == 0);
  CHECK(second.scratch.size() >= 4000);
}

TEST_CASE("what is reserved is there, whatever else is under way") {
  pool_of_one p;
  const auto call = p.shown(3), larger = p.shown(9);
  CHECK_FALSE(p.operations.has_reserved(*call));
  p.operations.reserve(*call);
  REQUIRE(p.operations.has_reserved(*call));
  CHECK_FALSE(p.operations.has_reserved(*larger));
  CHECK(p.operations.in_use() == 0);
  operation& taken = p.operations.take_reserved(*call);
  CHECK(taken.has_room_for(*call));
  CHECK(taken.in_use);
  CHECK_FALSE(p.operations.has_reserved(*call));
  p.operations.reserve(*call);
  operation& next = p.operations.take_reserved(*call);
  CHECK(&next != &taken);
  detail::give_back(next);
  p.operations.reserve(*larger);
  CHECK(p.operations.take_reserved(*larger).has_room_for(*larger));
  p.operations.forget(*larger);
  CHECK_FALSE(p.operations.has_reserved(*larger));
}

TEST_CASE("what was reserved may be taken for another call, and is missing then") {
  pool_of_one p;
  const auto call = p.shown(3), other = p.shown(2);
  p.operations.reserve(*call);
  operation& taken = p.operations.take(*other);
  REQUIRE(p.operations.in_use() == 1);
  CHECK_FALSE(p.operations.has_reserved(*call));
  p.operations.reserve(*call);
  REQUIRE(p.operations.has_reserved(*call));
  CHECK(&p.operations.take_reserved(*call) != &taken);
}

TEST_CASE("what was reserved with its scratch is missing once another call has had that given back") {
  pool_of_one p(200000);
  const auto lent = prepare({.what = collective::all_reduce, .count = 6000, .element = 4, .staging = 30000, .algorithm = algorithm::ring}, {3}, {0}, algorithm::two_shot, true);
  REQUIRE(lent->lent_briefly);
  REQUIRE(lent->scratch_bytes() > 0);
  p.operations.reserve(*lent);
  REQUIRE(p.operations.has_reserved(*lent));
  const auto larger = p.needs(250000);
  detail::give_back(p.operations.take(*larger));
  p.operations.tidy();
  CHECK_FALSE(p.operations.has_reserved(*lent));
  p.operations.reserve(*lent);
  REQUIRE(p.operations.has_reserved(*lent));
  CHECK(p.operations.take_reserved(*lent).scratch.size() >= lent->scratch_bytes());
}
