#include <tutti/comm/communicator_core.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

using namespace tutti;

namespace {

// A world of one is enough to see what is kept between calls.
struct alone {
  solo_bootstrap ranks;
  session joined{ranks};
  detail::communicator_core core{joined, {}};

  operation& broadcast(std::size_t count, std::vector<int>& x) {
    return core.issue({.what = collective::broadcast, .count = count, .element = 4, .root = 0, .type = "int"},
                      {.input = x.data(), .output = x.data()});
  }
};

}  // namespace

TEST_CASE("a shape is prepared once, and an operation used again") {
  alone a;
  std::vector<int> x(10);
  operation& first = a.broadcast(10, x);
  const prepared_call* how = first.plan;
  CHECK(first.in_use);
  a.core.wait(first);
  CHECK_FALSE(first.in_use);
  operation& second = a.broadcast(10, x);
  CHECK(&second == &first);
  CHECK(second.plan == how);
  operation& third = a.broadcast(9, x);
  CHECK(&third != &second);
  CHECK(third.plan != how);
  a.core.wait(third);
  a.core.wait(second);
  CHECK(a.core.known.size() == 2);
  CHECK(a.core.issued == 3);
}

TEST_CASE("what one communicator sends is no other's, be the calls and their numbers alike") {
  solo_bootstrap ranks;
  session joined(ranks);
  detail::communicator_core one(joined, {}), other(joined, {});
  std::vector<int> x(10);
  std::uint64_t marks[2];
  for (int i = 0; i < 2; ++i) {
    detail::communicator_core& c = i ? other : one;
    operation& o = c.issue({.what = collective::broadcast, .count = 10, .element = 4, .root = 0, .type = "int"},
                           {.input = x.data(), .output = x.data()});
    marks[i] = o.mark.fingerprint;
    c.wait(o);
  }
  CHECK(one.issued == other.issued);
  CHECK(marks[0] != marks[1]);
}

TEST_CASE("of too many shapes those used longest ago are forgotten, but for those under way") {
  alone a;
  std::vector<int> x(detail::communicator_core::most_shapes + 2);
  operation& held = a.broadcast(1, x);
  const prepared_call* how = held.plan;
  for (std::size_t n = 2; n <= x.size(); ++n) a.core.wait(a.broadcast(n, x));
  CHECK(a.core.known.size() == detail::communicator_core::most_shapes);
  CHECK(held.plan == how);
  a.core.wait(held);
}

TEST_CASE("of shapes with counts those used last are kept, and those under way") {
  alone a;
  constexpr std::size_t most = detail::communicator_core::most_lists;
  std::vector<int> x(3 * most), y(x.size());
  auto gather = [&](std::size_t n) -> operation& {
    const std::size_t counts[] = {n};  // gone when this returns
    return a.core.issue({.what = collective::all_gather, .count = n, .element = 4, .type = "int", .uneven = true, .counts = {counts, 1}},
                        {.input = x.data(), .output = y.data()});
  };
  operation& held = gather(1);
  const prepared_call* how = held.plan;
  CHECK(how->counts == std::vector<std::size_t>{1});
  for (std::size_t n = 2; n <= most; ++n) a.core.wait(gather(n));
  CHECK(a.core.known_lists.size() == most);
  a.core.wait(gather(2));  // used again: no longer the oldest
  operation& second = gather(most);
  const prepared_call* kept = second.plan;
  a.core.wait(second);
  for (std::size_t n = most + 1; n < 2 * most - 3; ++n) a.core.wait(gather(n));
  CHECK(a.core.known_lists.size() == most);
  CHECK(a.core.known.size() == 0);
  CHECK(held.plan == how);
  operation& again = gather(most);
  CHECK(again.plan == kept);
  a.core.wait(again);
  a.core.wait(held);
  // As many under way as there are: more than usual are kept, never too few.
  std::vector<operation*> many;
  for (std::size_t n = 0; n < most + 5; ++n) many.push_back(&gather(2 * most + n % most + n / most));
  for (operation* o : many) a.core.wait(*o);
  CHECK(a.core.known_lists.size() <= most + 5);
}

TEST_CASE("an operation whose functor cannot be copied was not issued") {
  alone a;
  std::vector<int> x(3);
  const functor_keeper refuses = [](kept_functor&, const void*) -> const void* { throw std::runtime_error("no copy"); };
  CHECK_THROWS_WITH(a.core.issue({.what = collective::broadcast, .count = 3, .element = 4, .root = 0},
                                 {.input = x.data(), .output = x.data(), .keep = refuses}),
                    "no copy");
  CHECK(a.core.issued == 0);
  CHECK(a.core.operations->in_use() == 0);
}
