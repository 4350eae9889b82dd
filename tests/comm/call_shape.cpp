#include <tutti/comm/call_shape.hpp>

#include <doctest/doctest.h>

#include <string>

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
  for (const call_shape& other : {with([](call_shape& o) { o.what = collective::all_reduce; }),
                                  with([](call_shape& o) { o.count = 6; }), with([](call_shape& o) { o.element = 8; }),
                                  with([](call_shape& o) { o.root = 0; }), with([](call_shape& o) { o.staging = 8; }),
                                  with([](call_shape& o) { o.algorithm = algorithm::tree; }),
                                  with([](call_shape& o) { o.type = "int"; }),
                                  with([](call_shape& o) { o.operation = "minus"; }),
                                  with([&](call_shape& o) { o.operation = equal_name; }),
                                  with([](call_shape& o) { o.in_place = true; }),
                                  with([](call_shape& o) { o.commutative = false; })}) {
    CHECK_FALSE(c.is(other));
    CHECK_FALSE(other.is(c));
  }
}
