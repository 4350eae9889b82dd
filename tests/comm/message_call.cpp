#include <tutti/comm/message_call.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("two messages are the same call where all but their memory is equal") {
  static constexpr char number[] = "number", other_number[] = "number";
  int x = 0;
  const message_call m{.sends = true, .peer = 1, .tag = 2, .data = nullptr, .count = 3, .element = 4, .type = number};
  auto with = [&](auto change) {
    message_call c = m;
    change(c);
    return c;
  };
  CHECK(m.is(with([&](message_call& c) { c.data = &x; })));
  CHECK(!m.is(with([](message_call& c) { c.sends = false; })));
  CHECK(!m.is(with([](message_call& c) { c.peer = 0; })));
  CHECK(!m.is(with([](message_call& c) { c.tag = 0; })));
  CHECK(!m.is(with([](message_call& c) { c.count = 0; })));
  CHECK(!m.is(with([](message_call& c) { c.element = 8; })));
  CHECK(!m.is(with([](message_call& c) { c.type = other_number; })));
  CHECK(m.bytes() == 12);
  CHECK(m.name() == std::string_view("send"));
  CHECK(message_call{}.name() == std::string_view("recv"));
}
