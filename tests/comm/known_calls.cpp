#include <tutti/comm/known_calls.hpp>

#include <doctest/doctest.h>

#include <set>

using namespace tutti;

namespace {

struct cache {
  known_calls known{3};
  int made = 0;
  std::set<const prepared_call*> used, forgotten;

  const prepared_call& find(const call_shape& c) {
    return known.find(c, [&] {
      ++made;
      auto p = std::make_unique<prepared_call>();
      p->counts.assign(c.counts.begin(), c.counts.end());
      p->shapes.assign(c.calls.begin(), c.calls.end());
      return p;
    }, [&](const prepared_call& p) { return used.contains(&p); }, [&](const prepared_call& p) { forgotten.insert(&p); });
  }
  const prepared_call& of(std::size_t count) { return find({.count = count}); }
};

}  // namespace

TEST_CASE("a shape is prepared once, and of too many the one used longest ago goes, but for those in use") {
  cache c;
  const prepared_call* const first = &c.of(1);
  const prepared_call* const second = &c.of(2);
  c.of(3);
  CHECK(&c.of(1) == first);
  CHECK(c.made == 3);
  c.of(4);
  CHECK(c.forgotten == std::set<const prepared_call*>{second});
  CHECK(c.known.size() == 3);
  CHECK(&c.of(1) == first);
  // All in use: there is one more, and never less.
  for (std::size_t n : {1u, 3u, 4u}) c.used.insert(&c.of(n));
  CHECK(c.made == 4);
  c.of(5);
  CHECK(c.known.size() == 4);
  CHECK(c.forgotten.size() == 1);
}

TEST_CASE("lists of a shape are compared, and need not outlive the call") {
  cache c;
  const prepared_call* known;
  {
    const std::vector<std::size_t> counts{1, 2};
    const call_shape parts[] = {{.count = 1}, {.count = 2}};
    known = &c.find({.counts = counts, .calls = {parts, 2}});
  }
  const std::vector<std::size_t> same{1, 2}, other{2, 1};
  const call_shape parts[] = {{.count = 1}, {.count = 2}}, others[] = {{.count = 1}, {.count = 3}};
  CHECK(&c.find({.counts = same, .calls = {parts, 2}}) == known);
  CHECK(&c.find({.counts = other, .calls = {parts, 2}}) != known);
  CHECK(&c.find({.counts = same, .calls = {others, 2}}) != known);
  CHECK(&c.find({.counts = same, .calls = {parts, 1}}) != known);
}
