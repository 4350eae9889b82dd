#include <tutti/comm/operation.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("a fresh operation is idle and nobody's") {
  operation o;
  CHECK(o.current() == operation::stage::idle);
  CHECK_FALSE(o.in_use);
  CHECK_FALSE(o.detached);
  CHECK_FALSE(o.awaited);
  o.state.store(static_cast<std::uint32_t>(operation::stage::failed));
  CHECK(o.current() == operation::stage::failed);
}

TEST_CASE("an operation that has ended says how to whoever waits, and is free at once where nobody does") {
  operation o;
  o.functor.keep(5);
  o.in_use = true;
  detail::finish(o, operation::stage::failed);
  CHECK(o.current() == operation::stage::failed);
  CHECK(o.in_use);
  detail::give_back(o);
  CHECK(o.current() == operation::stage::idle);
  CHECK_FALSE(o.in_use);
  o.detached = true;
  o.state.store(static_cast<std::uint32_t>(operation::stage::running));
  detail::finish(o, operation::stage::done);
  CHECK(o.current() == operation::stage::idle);
}
