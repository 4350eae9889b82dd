#include <tutti/comm/call_shape.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace tutti;

TEST_CASE("a call is itself, and whatever differs in anything is another") {
  const call_shape c{.what = collective::reduce, .count = 5, .element = 4, .root = 1, .type = "float", .operation = "plus"};
  CHECK(c.is(c));
  auto with = [&](auto change) {
    call_shape other = c;
    change(other);
    return other;
  };
  const std::string equal_name = "plus";
  const std::vector<std::size_t> counts{1, 2};
  for (const call_shape& other : {with([](call_shape& o) { o.what = collective::all_reduce; }),
                                  with([](call_shape& o) { o.count = 6; }), with([](call_shape& o) { o.element = 8; }),
                                  with([](call_shape& o) { o.root = 0; }), with([](call_shape& o) { o.staging = 8; }),
                                  with([](call_shape& o) { o.algorithm = algorithm::tree; }),
                                  with([](call_shape& o) { o.type = "int"; }),
                                  with([](call_shape& o) { o.operation = "minus"; }),
                                  with([&](call_shape& o) { o.operation = equal_name; }),
                                  with([](call_shape& o) { o.in_place = true; }),
                                  with([](call_shape& o) { o.uneven = true; }), with([&](call_shape& o) { o.counts = counts; }),
                                  with([&](call_shape& o) { o.received = counts; }),
                                  with([](call_shape& o) { o.commutative = false; })}) {
    CHECK_FALSE(c.is(other));
    CHECK_FALSE(other.is(c));
  }
}

TEST_CASE("counts are compared, not where they stand") {
  const std::vector<std::size_t> one{1, 2, 3}, same = one, other{1, 2, 4}, fewer{1, 2};
  const call_shape c{.what = collective::all_to_all, .uneven = true, .counts = one, .received = other};
  auto with = [&](span<const std::size_t> counts, span<const std::size_t> received) {
    call_shape changed = c;
    changed.counts = counts;
    changed.received = received;
    return changed.is(c) && c.is(changed);
  };
  CHECK(with(same, other));
  CHECK_FALSE(with(other, one));
  CHECK_FALSE(with(same, fewer));
  CHECK_FALSE(with(fewer, other));
  CHECK(c.by_pair());
  CHECK_FALSE(call_shape{.what = collective::all_to_all}.by_pair());
  CHECK_FALSE(call_shape{.what = collective::all_gather, .uneven = true}.by_pair());
}
