#include <tutti/comm/operation.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("a fresh operation is idle and nobody's") {
  operation o;
  CHECK(o.current() == operation::stage::idle);
  CHECK_FALSE(o.in_use);
  CHECK_FALSE(o.detached);
  o.state.store(static_cast<std::uint32_t>(operation::stage::failed));
  CHECK(o.current() == operation::stage::failed);
}
