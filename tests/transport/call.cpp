#include <tutti/transport/call.hpp>

#include <doctest/doctest.h>

#include <set>

using namespace tutti;

namespace {
call some() {
  call c{.number = 7, .count = 1000, .element = 4, .root = -1};
  std::strcpy(c.kind, "all_reduce");
  std::strcpy(c.algorithm, "ring");
  std::strcpy(c.type, "float");
  std::strcpy(c.operation, "sum");
  return c;
}
}  // namespace

TEST_CASE("a call is described as a person would write it") {
  call c = some();
  CHECK(describe(c) == "all_reduce of 1000 float, sum, ring");
  std::strcpy(c.kind, "broadcast");
  c.operation[0] = '\0';
  c.root = 0;
  CHECK(describe(c) == "broadcast of 1000 float, root 0, ring");
  c.count = ~std::uint64_t{0};
  CHECK(describe(c) == "broadcast of 18446744073709551615 float, root 0, ring");
  CHECK_FALSE(is_message(c));
  std::strcpy(c.kind, "recv");
  std::strcpy(c.operation, "from rank 3");
  c.count = 5;
  CHECK(is_message(c));
  CHECK(describe(c) == "recv of 5 float, from rank 3, tag 0");
  call nothing;
  std::strcpy(nothing.kind, "barrier");
  CHECK(describe(nothing) == "barrier");
}

TEST_CASE("the fingerprint tells apart whatever a rank can get wrong") {
  std::set<std::uint64_t> seen;
  auto differs = [&](const call& c) {
    CHECK(fingerprint(c) != 0);
    CHECK(fingerprint(c) == fingerprint(call(c)));
    return seen.insert(fingerprint(c)).second;
  };
  CHECK(differs(some()));
  CHECK_FALSE(differs(some()));
  call c = some();
  c.number = 8;
  CHECK(differs(c));
  c = some();
  c.count = 1001;
  CHECK(differs(c));
  c = some();
  c.element = 8;
  CHECK(differs(c));
  for (int root : {0, 1, 2}) {
    c = some();
    c.root = root;
    CHECK(differs(c));
  }
  for (std::size_t at : {0u, 15u}) {
    c = some();
    c.kind[at] ^= 1;
    CHECK(differs(c));
    c = some();
    c.algorithm[at] ^= 1;
    CHECK(differs(c));
  }
  c = some();
  c.type[23] = 1;
  CHECK(differs(c));
  c = some();
  c.operation[31] = 1;
  CHECK(differs(c));
  // Close numbers, in two fields at once, as counts and roots are.
  for (std::uint64_t count = 0; count < 300; ++count)
    for (int root = 10; root < 40; ++root) {
      c = some();
      c.count = count;
      c.root = root;
      REQUIRE(differs(c));
    }
}

TEST_CASE("of all bits none is left out") {
  const call c = some();
  for (std::size_t bit = 0; bit < 8 * sizeof c; ++bit) {
    call other = c;
    reinterpret_cast<unsigned char*>(&other)[bit / 8] ^= static_cast<unsigned char>(1u << bit % 8);
    CAPTURE(bit);
    CHECK(fingerprint(other) != fingerprint(c));
  }
}
