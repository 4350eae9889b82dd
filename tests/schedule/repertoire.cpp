#include <tutti/schedule/repertoire.hpp>

#include <doctest/doctest.h>

namespace {

using namespace tutti;

static_assert(available(collective::broadcast, algorithm::tree, {7}));
static_assert(make_schedule(collective::all_reduce, algorithm::ring, {4}, {1}) == ring_all_reduce({4}, {1}));
static_assert(make_schedule(collective::gather, algorithm::tree, {4}, {1}, {2}) == tree_gather({4}, {1}, {2}));
static_assert(make_schedule(collective::reduce, algorithm::tree, {4}, {1}, {2}) == tree_reduce({4}, {1}, {2}));

TEST_CASE("every collective can be done by any team, and in order") {
  for (collective what : every_collective)
    for (int p = 1; p <= 33; ++p) {
      bool some = false, ordered = false;
      for (algorithm how : every_algorithm) {
        if (!available(what, how, {p})) continue;
        some = true;
        ordered = ordered || keeps_order(what, how, {p});
      }
      CHECK(some);
      CHECK(ordered);
    }
}

TEST_CASE("what is not in the table is not available") {
  CHECK_FALSE(available(collective::all_reduce, algorithm::automatic, {4}));
  CHECK_FALSE(available(collective::barrier, algorithm::ring, {4}));
  CHECK_FALSE(available(collective::all_reduce, algorithm::ring, {0}));
  CHECK_FALSE(keeps_order(collective::barrier, algorithm::ring, {4}));
}

TEST_CASE("a team of one has nothing to do, but to put an all_to_all's block into the output") {
  for (const repertoire_entry& entry : repertoire) {
    INFO(name_of(entry.what), " ", name_of(entry.how));
    const bool copies = entry.what == collective::all_to_all;
    CHECK(entry.make({1}, {0}, {0}).steps.size() == (copies ? 1 : 0));
    for (const step& s : entry.make({1}, {0}, {0}).steps) CHECK(s.what == verb::copy);
  }
}

TEST_CASE("what serves uneven blocks asks for the lengths of no others than a rank is told") {
  for (const repertoire_entry& entry : repertoire) {
    INFO(name_of(entry.what), " ", name_of(entry.how));
    CHECK(serves_uneven(entry.what, entry.how) == entry.uneven);
    if (!blocked(entry.what)) CHECK_FALSE(entry.uneven);
    bool own_only = true, equal = false;
    for (int p = 1; p <= 33; ++p)
      for (int root = 0; root < (rooted(entry.what) ? p : 1); ++root)
        for (int r = 0; r < p; ++r) {
          const schedule s = entry.make({p}, {r}, {root});
          const contract terms{.what = entry.what, .all = {p}, .root = {root}, .parts = s.parts};
          equal |= s.equal_chunks;
          auto own = [&](chunks named) {
            for (int c = named.first.value; c < named.first.value + named.count; ++c)
              own_only &= c < s.parts && (terms.holds_before({r}, {c}) || terms.holds_after({r}, {c}));
          };
          for (const step& each : s.steps) {
            own(each.where);
            if (has_operand(each.what)) own(each.with);
          }
        }
    const bool all_known = entry.what == collective::all_gather || entry.what == collective::reduce_scatter;
    CHECK(entry.uneven == (blocked(entry.what) && !equal && (all_known || own_only)));
  }
  for (collective what : every_collective) {
    bool some = false, ordered = false;
    for (algorithm how : every_algorithm)
      if (serves_uneven(what, how)) some = true, ordered |= keeps_order(what, how, {33});
    CHECK((some && ordered) == blocked(what));
  }
}

TEST_CASE("no line of the table stands twice") {
  for (const repertoire_entry& entry : repertoire) CHECK(find_entry(entry.what, entry.how) == &entry);
}

}  // namespace
