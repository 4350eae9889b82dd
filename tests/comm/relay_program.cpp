#include <tutti/comm/relay_program.hpp>

#include <doctest/doctest.h>

#include <string>

#include <tutti/comm/plan.hpp>

using namespace tutti;

namespace {

std::optional<relay_program> relayed(collective what, algorithm how, int ranks, int me, std::size_t bytes, std::size_t room, std::size_t element = 1, int root = 0) {
  const call_shape c{.what = what, .count = bytes / element, .element = element, .root = rooted(what) ? root : -1, .algorithm = how};
  const detail::direct_forms forms(c, {ranks});
  std::vector<direct_program> team;
  for (int r = 0; r < ranks; ++r) team.push_back(forms.of({r}).value());
  return relay(team, me, room, element);
}

// "i1+100 s0+0 | s2+64 > o1+100 s1+128 (100)": as of direct passes, `s` for what a
// rank shows.
std::vector<std::string> all_of(const relay_program& p, const std::vector<direct_pass>& passes) {
  std::vector<std::string> all;
  for (const direct_pass& pass : passes) {
    std::string text;
    for (std::uint32_t k = 0; k < pass.sources + pass.targets; ++k) {
      const remote_place& at = p.places[pass.begin + k];
      if (k == pass.lefts + 1 && k < pass.sources) text += "| ";
      if (k == pass.sources) text += "> ";
      text += (at.role == memory_role::input ? "i" : at.role == memory_role::output ? "o" : "s") + std::to_string(at.rank) + "+" + std::to_string(at.offset) + " ";
    }
    all.push_back(text + "(" + std::to_string(pass.bytes) + ")");
  }
  return all;
}

using lines = std::vector<std::string>;

}  // namespace

TEST_CASE("what others fold is shown, and what is folded for others is shown a round later") {
  const auto p = relayed(collective::all_reduce, algorithm::two_shot, 3, 1, 300, 3 * 64);
  REQUIRE(p);
  CHECK(all_of(*p, p->shows) == lines{"i1+0 > s1+0 (100)", "i1+200 > s1+64 (100)"});
  CHECK(all_of(*p, p->folds) == lines{"i1+100 s0+0 | s2+64 > o1+100 s1+128 (100)"});
  CHECK(all_of(*p, p->takes) == lines{"s2+128 > o1+200 (100)", "s0+128 > o1+0 (100)"});
  CHECK(p->piece == 64);
  CHECK(p->pieces == 2);
  CHECK(p->rounds == 3);
  CHECK(p->has_input == std::vector<char>{1, 1, 1});
}

TEST_CASE("what many read is shown once, and a round is over where nobody folds for another") {
  const auto gathered = relayed(collective::all_gather, algorithm::pairwise, 3, 1, 100, 64);
  REQUIRE(gathered);
  CHECK(all_of(*gathered, gathered->shows) == lines{"i1+0 > s1+0 (100)"});
  CHECK(all_of(*gathered, gathered->folds) == lines{"s0+0 > o1+0 (100)", "s2+0 > o1+200 (100)", "i1+0 > o1+100 (100)"});
  CHECK(gathered->takes.empty());
  CHECK(gathered->rounds == 2);

  const auto scattered = relayed(collective::reduce_scatter, algorithm::pairwise, 3, 0, 100, 1000);
  REQUIRE(scattered);
  CHECK(all_of(*scattered, scattered->shows) == lines{"i0+100 > s0+0 (100)", "i0+200 > s0+448 (100)"});
  CHECK(all_of(*scattered, scattered->folds) == lines{"i0+0 | s1+0 s2+0 > o0+0 (100)"});
  CHECK(scattered->rounds == 1);

  const auto told = relayed(collective::broadcast, algorithm::linear, 3, 0, 100, 64, 1, 2), root = relayed(collective::broadcast, algorithm::linear, 3, 2, 100, 64, 1, 2);
  REQUIRE((told && root));
  CHECK(told->shows.empty());
  CHECK(all_of(*told, told->folds) == lines{"s2+0 > o0+0 (100)"});
  CHECK(all_of(*root, root->shows) == lines{"i2+0 > s2+0 (100)"});
  CHECK(told->has_input == std::vector<char>{0, 0, 1});
}

TEST_CASE("a piece is of whole elements, and in whole lines where these are; none where one does not fit") {
  CHECK(detail::piece_within(1000, 3, 4) == 320);
  CHECK(detail::piece_within(1000, 3, 12) == 312);
  CHECK(detail::piece_within(1000, 3, 320) == 320);
  CHECK(detail::piece_within(1000, 3, 321) == 0);
  const auto p = relayed(collective::all_reduce, algorithm::two_shot, 2, 0, 1200, 300, 12);
  REQUIRE(p);
  CHECK(p->piece == 120);
  CHECK(all_of(*p, p->folds) == lines{"i0+0 | s1+0 > o0+0 s0+128 (600)"});
  CHECK_FALSE(relayed(collective::all_reduce, algorithm::two_shot, 2, 0, 1200, 300, 200));
}

TEST_CASE("its bill is its schedule's, and all ranks agree on pieces and rounds") {
  for (collective what : {collective::all_reduce, collective::reduce_scatter, collective::all_gather, collective::all_to_all, collective::broadcast}) {
    const algorithm how = direct_algorithm(what, {5});
    const call_shape c{.what = what, .count = 70001, .element = 4, .root = rooted(what) ? 3 : -1, .algorithm = how};
    const auto first = detail::prepare_relayed(c, {5}, {0});
    REQUIRE(first);
    for (int me = 0; me < 5; ++me) {
      const auto prepared = prepare(c, {5}, {me}, algorithm::automatic, true);
      REQUIRE(prepared->relayed);
      const relay_program& p = *prepared->relayed;
      CHECK(p.sent_bytes == prepare(c, {5}, {me})->body.sent_bytes);
      std::size_t sent = 0;
      for (const direct_program::bill& b : p.sends) sent += b.bytes;
      CHECK(sent == p.sent_bytes);
      CHECK((p.piece == first->piece && p.pieces == first->pieces && p.rounds == first->rounds && p.has_input == first->has_input));
    }
  }
}
