#include <tutti/comm/direct_program.hpp>

#include <doctest/doctest.h>

#include <string>

#include <tutti/comm/plan.hpp>

using namespace tutti;

namespace {

std::optional<direct_program> lowered(collective what, algorithm how, int ranks, int me, std::size_t bytes, int root = 0) {
  const call_shape c{.what = what, .count = bytes, .root = rooted(what) ? root : -1, .algorithm = how};
  return detail::prepare_direct(c, {ranks}, {me});
}

// "i2+10 < o0+0 …": the sources in their order, the first of all, then those on
// its left, then a bar; the targets.
std::string describe(const direct_program& p, const direct_pass& pass) {
  std::string text;
  for (std::uint32_t k = 0; k < pass.sources + pass.targets; ++k) {
    const remote_place& at = p.places[pass.begin + k];
    if (k == pass.lefts + 1 && k < pass.sources) text += "| ";
    if (k == pass.sources) text += "> ";
    text += (at.role == memory_role::input ? "i" : "o") + std::to_string(at.rank) + "+" + std::to_string(at.offset) + " ";
  }
  return text + "(" + std::to_string(pass.bytes) + ")";
}

std::vector<std::string> all_of(const direct_program& p) {
  std::vector<std::string> all;
  for (const direct_pass& pass : p.passes) all.push_back(describe(p, pass));
  return all;
}

using lines = std::vector<std::string>;
using bytes = std::vector<char>;

}  // namespace

TEST_CASE("an all-reduce is one pass a rank: all inputs, nearest below first, into all outputs") {
  auto p = lowered(collective::all_reduce, algorithm::two_shot, 4, 2, 400);
  REQUIRE(p);
  CHECK(all_of(*p) == lines{"i2+200 i1+200 i0+200 | i3+200 > o2+200 o3+200 o0+200 o1+200 (100)"});
  CHECK(p->reads == bytes{1, 1, 1, 1});
  CHECK(p->writes == bytes{1, 1, 1, 1});
  CHECK(p->input_bytes == 400);
  CHECK(p->output_bytes == 400);
}

TEST_CASE("the others read where their peers' inputs are, and write what is theirs only") {
  auto scattered = lowered(collective::reduce_scatter, algorithm::pairwise, 3, 0, 100);
  REQUIRE(scattered);
  CHECK(all_of(*scattered) == lines{"i0+0 | i1+0 i2+0 > o0+0 (100)"});
  CHECK(scattered->reads == bytes{1, 1, 1});
  CHECK(scattered->writes == bytes{0, 0, 0});
  CHECK(scattered->input_bytes == 300);
  CHECK(scattered->output_bytes == 100);

  auto gathered = lowered(collective::all_gather, algorithm::pairwise, 3, 1, 100);
  REQUIRE(gathered);
  CHECK(all_of(*gathered) == lines{"i0+0 > o1+0 (100)", "i2+0 > o1+200 (100)", "i1+0 > o1+100 (100)"});

  auto swapped = lowered(collective::all_to_all, algorithm::pairwise, 3, 1, 100);
  REQUIRE(swapped);
  CHECK(all_of(*swapped) == lines{"i1+100 > o1+100 (100)", "i0+100 > o1+0 (100)", "i2+100 > o1+200 (100)"});

  auto told = lowered(collective::broadcast, algorithm::linear, 3, 0, 100, 2), root = lowered(collective::broadcast, algorithm::linear, 3, 2, 100, 2);
  REQUIRE((told && root));
  CHECK(all_of(*told) == lines{"i2+0 > o0+0 (100)"});
  CHECK(all_of(*root) == lines{"i2+0 > o2+0 (100)"});
  CHECK(told->reads == bytes{0, 0, 1});
  CHECK(told->writes == bytes{0, 0, 0});
}

TEST_CASE("what everyone folds for itself is one pass in the order of the ranks, so that all get the same bits") {
  for (int me = 0; me < 4; ++me) {
    const auto p = lowered(collective::all_reduce, algorithm::one_shot, 4, me, 400);
    REQUIRE(p);
    CHECK(all_of(*p) == lines{"i0+0 | i1+0 i2+0 i3+0 > o" + std::to_string(me) + "+0 (400)"});
    CHECK(p->reads == bytes{1, 1, 1, 1});
    CHECK(p->writes == bytes{0, 0, 0, 0});
  }
}

TEST_CASE("what is passed on, or folded in more than one place, has no direct form; a plan's own choices have one") {
  for (algorithm how : {algorithm::ring, algorithm::tree, algorithm::doubling, algorithm::rabenseifner})
    CHECK_FALSE(lowered(collective::all_reduce, how, 4, 1, 400));
  CHECK_FALSE(lowered(collective::all_gather, algorithm::ring, 4, 0, 100));
  // What was read from its owner may be written to one more.
  const auto relayed = lowered(collective::all_gather, algorithm::ring, 3, 0, 100);
  REQUIRE(relayed);
  CHECK(all_of(*relayed) == lines{"i2+0 > o0+200 o1+200 (100)", "i0+0 > o0+0 (100)"});
  for (collective what : every_collective)
    for (int ranks = 1; ranks <= 33; ++ranks)
      if (const algorithm how = direct_algorithm(what, {ranks}); how != algorithm::automatic)
        for (int me = 0; me < ranks; ++me) CHECK(lowered(what, how, ranks, me, 1000, ranks / 2));
}

TEST_CASE("what is shown in one round has a form that writes nowhere else") {
  for (collective what : every_collective)
    for (int ranks = 2; ranks <= 33; ++ranks)
      if (const algorithm how = shown_algorithm(what); how != algorithm::automatic)
        for (int me = 0; me < ranks; ++me) {
          const auto p = lowered(what, how, ranks, me, 100);
          REQUIRE(p);
          CHECK(p->writes == bytes(static_cast<std::size_t>(ranks), 0));
        }
}

TEST_CASE("its bill is its schedule's, and empty chunks take no pass") {
  for (collective what : {collective::all_reduce, collective::reduce_scatter, collective::all_gather, collective::all_to_all})
    for (std::size_t count : {0u, 3u, 1000u, 70001u})
      for (int me = 0; me < 5; ++me) {
        const call_shape c{.what = what, .count = count, .element = 4, .algorithm = what == collective::all_reduce ? algorithm::two_shot : algorithm::pairwise};
        const auto direct = detail::prepare_direct(c, {5}, {me});
        REQUIRE(direct);
        std::size_t sent = 0;
        for (const direct_program::bill& b : direct->sends) sent += b.bytes;
        CHECK(sent == direct->sent_bytes);
        CHECK(direct->sent_bytes == prepare(c, {5}, {me})->body.sent_bytes);
        call_shape little = c;
        little.count = count % 101;
        if (what == collective::all_reduce) little.algorithm = algorithm::one_shot;
        const auto in_one_round = prepare(little, {5}, {me}, algorithm::automatic, true);
        REQUIRE(in_one_round->shown);
        CHECK(in_one_round->shown->sent_bytes == prepare(little, {5}, {me})->body.sent_bytes);
      }
  CHECK(lowered(collective::all_reduce, algorithm::two_shot, 5, 4, 3)->passes.empty());
}
