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
  CHECK(promise(collective::gather, 3, 3, {1}, {1}) == "1|012");
  CHECK(promise(collective::gather, 3, 3, {2}, {1}) == "2|");
  CHECK(promise(collective::scatter, 2, 4, {1}, {1}) == "0123|23");
  CHECK(promise(collective::scatter, 2, 4, {0}, {1}) == "|01");
  CHECK(promise(collective::all_to_all, 3, 6, {1}) == "012|345");
  CHECK(promise(collective::scan, 3, 2, {0}) == "01|01");
  CHECK(promise(collective::exclusive_scan, 3, 2, {0}) == "01|");
  CHECK(promise(collective::exclusive_scan, 3, 2, {2}) == "01|01");
}

TEST_CASE("whose values come out") {
  auto source = [](collective what, rank at, chunk c) {
    return contract{.what = what, .all = {3}, .root = {1}, .parts = 6}.source_of(at, c);
  };
  for (collective what : {collective::all_gather, collective::gather}) CHECK(source(what, {0}, {5}) == origin{{2}, {5}});
  for (collective what : {collective::broadcast, collective::scatter}) CHECK(source(what, {0}, {5}) == origin{{1}, {5}});
  // Of three ranks: chunk 5 is what rank 2 has for me, with two chunks a block the last of rank 1's.
  CHECK(source(collective::all_to_all, {1}, {5}) == origin{{2}, {1}});
  CHECK(contract{.what = collective::all_to_all, .all = {3}, .parts = 12}.source_of({2}, {9}) == origin{{1}, {5}});
  CHECK(contract{.what = collective::all_reduce, .all = {3}}.folded_at({1}) == operands{0, 3});
  CHECK(contract{.what = collective::scan, .all = {3}}.folded_at({1}) == operands{0, 2});
  CHECK(contract{.what = collective::exclusive_scan, .all = {3}}.folded_at({1}) == operands{0, 1});
  CHECK(owner_of({4}, {4}, 8) == rank{2});
}

TEST_CASE("blocks are one a rank, of an all_to_all one a rank each way") {
  CHECK(blocks_of(collective::all_reduce, {3}) == 1);
  CHECK(blocks_of(collective::gather, {3}) == 3);
  CHECK(blocks_of(collective::all_to_all, {3}) == 6);
}

TEST_CASE("collectives have different names") {
  std::set<std::string> names;
  for (collective what : every_collective) names.insert(name_of(what));
  CHECK(names.size() == std::size(every_collective));
  CHECK(names.count("unknown") == 0);
}

}  // namespace
