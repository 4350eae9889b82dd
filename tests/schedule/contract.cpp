#include <tutti/schedule/contract.hpp>

#include <doctest/doctest.h>

#include <set>
#include <string>

namespace {

using namespace tutti;

/// The chunks that a rank holds before and after, as text: "0123|02".
std::string promise(collective what, int size, int parts, rank me, rank root = {}) {
  const contract terms{.what = what, .all = {size}, .root = root, .parts = parts};
  std::string text;
  for (int c = 0; c < parts; ++c)
    if (terms.holds_before(me, {c})) text += std::to_string(c);
  text += '|';
  for (int c = 0; c < parts; ++c)
    if (terms.holds_after(me, {c})) text += std::to_string(c);
  return text;
}

TEST_CASE("what every collective promises") {
  CHECK(promise(collective::all_reduce, 2, 4, {1}) == "0123|0123");
  CHECK(promise(collective::reduce_scatter, 2, 4, {0}) == "0123|01");
  CHECK(promise(collective::reduce_scatter, 2, 4, {1}) == "0123|23");
  CHECK(promise(collective::all_gather, 2, 4, {1}) == "23|0123");
  CHECK(promise(collective::broadcast, 3, 2, {1}, {1}) == "01|01");
  CHECK(promise(collective::broadcast, 3, 2, {0}, {1}) == "|01");
  CHECK(promise(collective::reduce, 3, 2, {1}, {1}) == "01|01");
  CHECK(promise(collective::reduce, 3, 2, {2}, {1}) == "01|");
  CHECK(promise(collective::barrier, 3, 1, {2}) == "0|");
}

TEST_CASE("whose values come out") {
  CHECK(contract{.what = collective::all_gather, .all = {3}, .parts = 6}.source_of({5}) == rank{2});
  CHECK(contract{.what = collective::broadcast, .all = {3}, .root = {1}, .parts = 6}.source_of({5}) == rank{1});
  CHECK(owner_of({4}, {4}, 8) == rank{2});
}

TEST_CASE("collectives have different names") {
  std::set<std::string> names;
  for (collective what : every_collective) names.insert(name_of(what));
  CHECK(names.size() == 6);
  CHECK(names.count("unknown") == 0);
}

}  // namespace
