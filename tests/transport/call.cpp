#include <tutti/transport/call.hpp>

#include <doctest/doctest.h>

#include <set>
#include <utility>
#include <vector>

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
  c.counts = 12;
  CHECK(describe(c) == "broadcast of 18446744073709551615 float, root 0, ring");
  c.counts = call::by_pair;  // nobody knows how many
  CHECK(describe(c) == "broadcast of float, root 0, ring");
  CHECK_FALSE(is_message(c));
  c.counts = 0;
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
  c = some();
  c.counts = 1;
  CHECK(differs(c));
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

TEST_CASE("a weighed sum of counts tells which one differs, and that several do") {
  auto weighed = [](const std::vector<std::uint64_t>& counts) {
    std::uint64_t total = 0, sum = 0;
    for (std::size_t r = 0; r < counts.size(); ++r) total += counts[r], sum += count_weight(r) * counts[r];
    return std::pair(total, sum);
  };
  // The places that a difference in one place may have been in.
  auto places = [&](const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b) {
    const auto [total, sum] = weighed(a);
    const auto [other_total, other_sum] = weighed(b);
    std::vector<std::size_t> found;
    for (std::size_t r = 0; r < a.size(); ++r)
      if (other_total != total && count_weight(r) * (other_total - total) == other_sum - sum) found.push_back(r);
    return found;
  };
  const std::vector<std::uint64_t> counts(300, 1000);
  for (std::size_t r = 0; r < counts.size(); ++r)
    for (std::uint64_t by : {std::uint64_t{1}, ~std::uint64_t{0}, std::uint64_t{1000000007}, std::uint64_t{0} - 1000}) {
      std::vector<std::uint64_t> other = counts;
      other[r] += by;
      CHECK(places(counts, other) == std::vector<std::size_t>{r});
      other[(r + 7) % 300] += 5;
      CHECK(places(counts, other).empty());
      other[(r + 7) % 300] -= 5 + by;  // the same total
      CHECK(places(counts, other).empty());
      CHECK(weighed(counts) != weighed(other));
    }
}

TEST_CASE("what passes between two ranks is marked by how much it is") {
  std::set<std::uint64_t> seen;
  for (std::uint64_t shape : {1u, 2u, 77u})
    for (std::uint64_t count = 0; count < 300; ++count) {
      CHECK(pair_mark(shape, count) != 0);
      CHECK(seen.insert(pair_mark(shape, count)).second);
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
