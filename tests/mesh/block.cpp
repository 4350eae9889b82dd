#include <tutti/mesh/block.hpp>

#include <doctest/doctest.h>

#include <vector>

#include "worlds.hpp"

using namespace tutti;

namespace {

block box(std::initializer_list<share> along) {
  shape any;
  for (const share& s : along) any.append({"d", s.end()});
  block b(any);
  std::size_t d = 0;
  for (const share& s : along) b[d++] = s;
  return b;
}

/// Each place holds its number in the whole.
std::vector<std::size_t> numbered(const block& b, const block& whole) {
  std::vector<std::size_t> values;
  for_each_run(b, b, whole, [&](std::size_t, std::size_t at, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) values.push_back(at + i);
  });
  return values;
}

}  // namespace

TEST_CASE("what two blocks share is copied to its places, and nothing else changes") {
  random_stream random{.seed = 7};
  const block whole = box({{0, 5}, {0, 4}, {0, 3}});
  for (std::uint64_t round = 0; round < 300; ++round) {
    block a = whole, b = whole;
    for (std::size_t d = 0; d < 3; ++d)
      for (block* each : {&a, &b}) {
        const std::uint64_t n = round * 16 + d * 4 + (each == &a ? 0 : 2);
        const std::size_t first = random.below(n, whole[d].count);
        (*each)[d] = {.first = first, .count = random.below(n + 1, whole[d].count - first + 1)};
      }
    const std::size_t nothing = 1000;
    std::vector<std::size_t> from = numbered(a, whole), into(b.elements(), nothing), places = numbered(b, whole);
    REQUIRE(from.size() == a.elements());
    const block both = common(a, b);
    copy_block(both, a, from.data(), b, into.data());
    std::size_t copied = 0;
    for (std::size_t i = 0; i < into.size(); ++i) {
      bool in_a = false;
      for (std::size_t place : from) in_a |= place == places[i];
      CHECK(into[i] == (in_a ? places[i] : nothing));
      copied += in_a;
    }
    CHECK(copied == both.elements());
  }
}

TEST_CASE("runs are as long as memory allows") {
  const block whole = box({{0, 5}, {0, 4}, {0, 3}});
  auto runs = [&](const block& part) {
    std::size_t count = 0;
    for_each_run(part, whole, part, [&](std::size_t, std::size_t, std::size_t) { ++count; });
    return count;
  };
  CHECK(runs(whole) == 1);
  CHECK(runs(box({{1, 3}, {0, 4}, {0, 3}})) == 1);
  CHECK(runs(box({{1, 3}, {1, 2}, {0, 3}})) == 3);
  CHECK(runs(box({{1, 3}, {1, 2}, {1, 2}})) == 6);
  CHECK(runs(box({{1, 3}, {1, 0}, {1, 2}})) == 0);
}

TEST_CASE("the blocks of all ranks cover a tensor once for each that holds the same") {
  const shape tensor{{"x", 5}, {"y", 3}};
  const block whole(tensor);
  for (const mesh& on : worlds::meshes())
    for (const placement& p : worlds::placements(2, on)) {
      std::vector<int> held(whole.elements());
      int copies = on.size();
      for (int axis = 0; axis < on.axes(); ++axis)
        if (p.dimension_on(axis) >= 0) copies /= on[axis].size;
      for (rank r{0}; r.value < on.size(); ++r.value)
        for (std::size_t place : numbered(block_of(tensor, p, on, r), whole)) ++held[place];
      for (int each : held) CHECK(each == copies);
    }
}

TEST_CASE("parts lie in order where each is one run behind the one before it") {
  const block whole = box({{2, 4}, {0, 3}, {1, 5}});
  CHECK(lie_in_order({box({{2, 1}, {0, 3}, {1, 5}}), box({{3, 0}, {0, 3}, {1, 5}}), box({{3, 3}, {0, 3}, {1, 5}})}, whole));
  CHECK(!lie_in_order({box({{3, 3}, {0, 3}, {1, 5}}), box({{2, 1}, {0, 3}, {1, 5}})}, whole));
  CHECK(!lie_in_order({box({{2, 4}, {0, 1}, {1, 5}}), box({{2, 4}, {1, 2}, {1, 5}})}, whole));
  CHECK(!lie_in_order({box({{2, 1}, {0, 3}, {1, 5}})}, whole));
  const block row = box({{2, 1}, {0, 3}, {1, 5}});
  CHECK(lie_in_order({box({{2, 1}, {0, 1}, {1, 5}}), box({{2, 1}, {1, 2}, {1, 5}})}, row));
}
