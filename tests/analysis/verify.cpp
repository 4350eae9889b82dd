#include <tutti/analysis/verify.hpp>

#include <doctest/doctest.h>

#include <string>

#include <tutti/schedule/repertoire.hpp>

namespace {

using namespace tutti;

using team_of = std::vector<schedule>;

constexpr proof at_step(flaw found, int who, int step, int where) {
  return {.ok = false, .found = found, .who = {who}, .step = step, .where = {where}};
}
constexpr proof at_end(flaw found, int who, int where = 0) { return at_step(found, who, -1, where); }

constexpr proof all_reduce_of(const team_of& team, order needed = order::any) {
  return verify(collective::all_reduce, {0}, needed, team);
}

/// Two ranks that exchange chunk 0 of `parts`, to be spoilt by a test.
constexpr team_of exchange(int parts = 1) {
  team_of team(2, schedule{.parts = parts, .scratch = 1});
  for (int r = 0; r < 2; ++r) {
    auto& mine = team[static_cast<std::size_t>(r)];
    mine.send({1 - r}, chunk{0});
    mine.recv_reduce({1 - r}, chunk{parts}, r == 0 ? side::right : side::left, chunk{0});
    mine.copy(chunk{parts}, chunk{0});
  }
  return team;
}

static_assert(all_reduce_of(exchange(), order::kept).ok);
static_assert(verify(collective::all_reduce, {4}, {}, order::any, ring_all_reduce).ok);
static_assert(verify(collective::reduce, {4}, {2}, order::kept, tree_reduce).ok);

TEST_CASE("a team needs a schedule a rank and a root among them") {
  CHECK(verify(collective::all_reduce, {0}, order::any, {}).found == flaw::team_size);
  CHECK(verify(collective::broadcast, {2}, order::any, team_of(2)).found == flaw::team_size);
  CHECK(verify(collective::broadcast, {-1}, order::any, team_of(2)).found == flaw::team_size);
}

TEST_CASE("ranks must cut the vector alike, and into whole chunks a block") {
  team_of team = exchange();
  team[1].parts = 2;
  CHECK(all_reduce_of(team) == at_end(flaw::parts, 1));
  team = exchange();
  team[0].parts = 0;
  CHECK(all_reduce_of(team) == at_end(flaw::parts, 0));
  team = exchange();
  team[1].scratch = -1;
  CHECK(all_reduce_of(team) == at_end(flaw::parts, 1));
  CHECK(verify(collective::reduce_scatter, {0}, order::any, exchange(3)).found == flaw::parts);
  CHECK(verify(collective::all_gather, {0}, order::any, exchange(1)).found == flaw::parts);
}

TEST_CASE("a peer is another member") {
  for (int peer : {-1, 1, 2}) {
    team_of team = exchange();
    team[1].steps[0].peer = {peer};
    CHECK(all_reduce_of(team) == at_step(flaw::peer, 1, 0, 0));
  }
}

TEST_CASE("chunks exist, are alike, and do not overlap") {
  auto spoilt = [](int i, chunks where, chunks with) {
    team_of team = exchange(2);
    step& s = team[0].steps[static_cast<std::size_t>(i)];
    s.where = where;
    s.with = with;
    return all_reduce_of(team);
  };
  CHECK(spoilt(0, chunk{3}, {}) == at_step(flaw::chunks, 0, 0, 3));
  CHECK(spoilt(0, chunk{-1}, {}) == at_step(flaw::chunks, 0, 0, -1));
  CHECK(spoilt(0, {{0}, 0}, {}) == at_step(flaw::chunks, 0, 0, 0));
  CHECK(spoilt(0, {{1}, 2}, {}) == at_step(flaw::chunks, 0, 0, 1));  // from the vector into scratch
  CHECK(spoilt(1, chunk{2}, chunk{4}) == at_step(flaw::chunks, 0, 1, 4));
  CHECK(spoilt(1, chunk{2}, chunk{1}) == at_step(flaw::chunks, 0, 1, 1));  // of another length
  CHECK(spoilt(2, chunk{0}, {{2}, 2}) == at_step(flaw::chunks, 0, 2, 2));
  CHECK(spoilt(2, chunk{0}, chunk{0}) == at_step(flaw::chunks, 0, 2, 0));  // a copy onto itself

  team_of team(2, schedule{.parts = 1, .scratch = 2});
  team[0].recv_reduce({1}, chunks{{1}, 2}, side::left, chunks{{0}, 2});
  CHECK(all_reduce_of(team) == at_step(flaw::chunks, 0, 0, 0));
}

TEST_CASE("every send meets a receive, of the same chunks") {
  team_of team = exchange();
  team[1].send({0}, chunk{0});
  CHECK(all_reduce_of(team) == at_step(flaw::unmatched, 1, 3, 0));
  team = exchange();
  team[0].recv({1}, chunk{0});
  CHECK(all_reduce_of(team) == at_step(flaw::unmatched, 0, 3, 0));

  team_of pair(2, schedule{.parts = 3});
  pair[0].send({1}, chunk{2});
  pair[1].recv({0}, chunk{1});
  CHECK(all_reduce_of(pair) == at_step(flaw::mismatched, 0, 0, 2));
  pair[1].steps[0].where = {{2}, 1};
  pair[0].steps[0].where = {{1}, 2};
  CHECK(all_reduce_of(pair) == at_step(flaw::mismatched, 0, 0, 1));
}

TEST_CASE("nobody waits for ever, though nothing is buffered") {
  // Each receives into the chunk that it is still sending.
  team_of team(2, schedule{.parts = 1});
  for (int r = 0; r < 2; ++r) {
    team[static_cast<std::size_t>(r)].send({1 - r}, chunk{0});
    team[static_cast<std::size_t>(r)].recv_reduce({1 - r}, chunk{0}, side::left);
  }
  CHECK(all_reduce_of(team) == at_step(flaw::deadlock, 0, 0, 0));

  // Two queues that each hold back what the other waits for.
  team_of crossed(2, schedule{.parts = 2});
  crossed[0].recv({1}, chunk{0});
  crossed[0].send({1}, chunk{0});
  crossed[1].recv({0}, chunk{0});
  crossed[1].send({0}, chunk{0});
  CHECK(all_reduce_of(crossed) == at_step(flaw::deadlock, 0, 0, 0));
}

TEST_CASE("what is read holds something") {
  team_of team(2, schedule{.parts = 1, .scratch = 1});
  team[0].send({1}, chunk{1});
  team[1].recv({0}, chunk{0});
  CHECK(all_reduce_of(team) == at_step(flaw::nothing_held, 0, 0, 1));
  team[0].steps[0].where = chunk{0};
  team[1].steps[0] = {.what = verb::recv_reduce, .peer = {0}, .where = chunk{0}, .with = chunk{1}};
  CHECK(all_reduce_of(team) == at_step(flaw::nothing_held, 1, 0, 1));
  team_of copying(1, schedule{.parts = 1, .scratch = 1});
  copying[0].copy(chunk{1}, chunk{0});
  CHECK(all_reduce_of(copying) == at_step(flaw::nothing_held, 0, 0, 1));
}

TEST_CASE("each contribution once, in order where that is needed") {
  team_of team = exchange();
  team[0].steps[1].incoming = side::left;
  CHECK(all_reduce_of(team).ok);
  CHECK(all_reduce_of(team, order::kept) == at_step(flaw::out_of_order, 0, 1, 0));

  team_of again(2, schedule{.parts = 1, .scratch = 1});
  again[0].send({1}, chunk{0});
  again[0].send({1}, chunk{0});
  again[1].recv_reduce({0}, chunk{0}, side::left);
  again[1].recv_reduce({0}, chunk{0}, side::left);
  for (order needed : {order::any, order::kept}) CHECK(all_reduce_of(again, needed) == at_step(flaw::twice, 1, 1, 0));
}

TEST_CASE("outputs hold what they should") {
  const team_of idle(2, schedule{.parts = 2});
  CHECK(all_reduce_of(idle) == at_end(flaw::incomplete, 0, 0));
  CHECK(all_reduce_of(idle, order::kept) == at_end(flaw::incomplete, 0, 0));
  CHECK(verify(collective::broadcast, {0}, order::any, idle) == at_end(flaw::missing, 1, 0));
  CHECK(verify(collective::all_gather, {0}, order::any, idle) == at_end(flaw::missing, 0, 1));
  CHECK(verify(collective::reduce_scatter, {0}, order::any, idle) == at_end(flaw::incomplete, 0, 0));
  CHECK(verify(collective::reduce, {1}, order::any, idle) == at_end(flaw::incomplete, 1, 0));
}

/// Two ranks that each bring one block and end with both, through chunks of one
/// length, to be spoilt by a test.
constexpr team_of trade() {
  team_of team(2, schedule{.parts = 2, .scratch = 1, .equal_chunks = true});
  for (int r = 0; r < 2; ++r) {
    auto& mine = team[static_cast<std::size_t>(r)];
    mine.send({1 - r}, chunk{r});
    mine.recv({1 - r}, chunk{2});
    mine.copy(chunk{2}, chunk{1 - r});
  }
  return team;
}

constexpr proof all_gather_of(const team_of& team) { return verify(collective::all_gather, {0}, order::any, team); }

static_assert(all_gather_of(trade()).ok);

TEST_CASE("chunks of one length may stand in any place, and must end in the right one") {
  team_of team = trade();
  team[0].steps[2].where = chunk{0};  // rank 1's block over rank 0's own
  CHECK(all_gather_of(team) == at_end(flaw::misplaced, 0, 0));
  team = trade();
  team[1].copy(chunk{1}, chunk{0});  // its own block instead of the other's
  CHECK(all_gather_of(team) == at_end(flaw::misplaced, 1, 0));
  team = trade();
  team[0].steps[0].where = chunk{1};  // which holds nothing
  CHECK(all_gather_of(team) == at_step(flaw::nothing_held, 0, 0, 1));
  team = trade();
  team[1].steps[1] = {.what = verb::recv_reduce, .peer = {0}, .where = chunk{2}, .with = chunk{1}};
  CHECK(all_gather_of(team) == at_step(flaw::folded, 1, 1, 1));
}

TEST_CASE("only whole blocks are of one length, and all ranks must take them so") {
  team_of team = trade();
  team[1].equal_chunks = false;
  CHECK(all_gather_of(team) == at_end(flaw::parts, 1));
  team[0].equal_chunks = false;
  CHECK(all_gather_of(team) == at_step(flaw::chunks, 0, 2, 2));
  team_of finer = trade();  // two chunks a block: one may be longer than the other
  for (schedule& s : finer) s.parts = 4, s.scratch = 4;
  CHECK(all_gather_of(finer).found == flaw::parts);
  team_of whole = trade();
  CHECK(verify(collective::broadcast, {0}, order::any, whole).found == flaw::parts);
}

TEST_CASE("gather asks something of the root only, scatter of everyone their block") {
  const team_of idle(2, schedule{.parts = 2});
  CHECK(verify(collective::gather, {0}, order::any, idle) == at_end(flaw::missing, 0, 1));
  CHECK(verify(collective::gather, {1}, order::any, idle) == at_end(flaw::missing, 1, 0));
  CHECK(verify(collective::scatter, {0}, order::any, idle) == at_end(flaw::missing, 1, 1));
  CHECK(verify(collective::scatter, {0}, order::any, team_of(2, schedule{.parts = 1})).found == flaw::parts);
}

TEST_CASE("an all_to_all's blocks end where they belong, each in its place") {
  auto spoilt = [](auto spoil) {
    team_of team;
    for (int r = 0; r < 3; ++r) {
      team.push_back(pairwise_all_to_all({3}, {r}));
      team.back().exchanges = false;
      team.back().equal_chunks = true;
    }
    spoil(team);
    return verify(collective::all_to_all, {0}, order::any, team);
  };
  // Of rank r: own copy, send to r + 1, receive from r − 1, send to r + 2, receive from r − 2.
  CHECK(spoilt([](team_of&) {}).ok);
  CHECK(spoilt([](team_of& t) { std::swap(t[0].steps[1].where, t[0].steps[3].where); }) == at_end(flaw::misplaced, 1, 3));  // two blocks swapped by who sends
  CHECK(spoilt([](team_of& t) { std::swap(t[1].steps[2].where, t[1].steps[4].where); }) == at_end(flaw::misplaced, 1, 3));  // and by who receives
  CHECK(spoilt([](team_of& t) { t[2].steps[0].with = chunk{0}; }) == at_end(flaw::misplaced, 2, 5));  // another's instead of its own
  CHECK(spoilt([](team_of& t) { t[2].steps.erase(t[2].steps.begin()); }) == at_end(flaw::missing, 2, 5));
  CHECK(spoilt([](team_of& t) {  // both swaps at once, so that every rank has some block of every other
          for (schedule& s : t) std::swap(s.steps[1].where, s.steps[3].where);
        }) == at_end(flaw::misplaced, 0, 4));
  CHECK(spoilt([](team_of& t) {
          for (schedule& s : t) s.parts = 9;
        }).found == flaw::parts);
}

TEST_CASE("where blocks are exchanged, each goes where it is as long, or the proof fails") {
  for (int in_block : {1, 2}) {
    auto spoilt = [in_block](auto spoil) {
      team_of team;
      for (int r = 0; r < 3; ++r) {
        schedule s = pairwise_all_to_all({3}, {r});
        s.parts *= in_block;
        for (step& each : s.steps) {
          each.where = {chunk{each.where.first.value * in_block}, in_block};
          each.with = {chunk{each.with.first.value * in_block}, in_block};
        }
        team.push_back(s);
      }
      spoil(team);
      return verify(collective::all_to_all, {0}, order::any, team);
    };
    // Of rank r: own copy, send to r + 1, receive from r − 1, send to r + 2, receive from r − 2.
    CHECK(spoilt([](team_of&) {}).ok);
    CHECK(spoilt([](team_of& t) { std::swap(t[0].steps[1].where, t[0].steps[3].where); }).found == flaw::mismatched);
    CHECK(spoilt([](team_of& t) { std::swap(t[1].steps[2].where, t[1].steps[4].where); }).found == flaw::mismatched);
    CHECK(spoilt([](team_of& t) { t[2].steps[0].with.first = chunk{0}; }).found == flaw::chunks);
    CHECK(spoilt([](team_of& t) { t[1].exchanges = false; }).found == flaw::parts);
    CHECK(spoilt([](team_of& t) {
            for (schedule& s : t) s.parts += 1;
          }).found == flaw::parts);
  }
  CHECK(verify(collective::all_gather, {0}, order::any, team_of(2, schedule{.parts = 4, .exchanges = true})).found == flaw::parts);
  // What lets blocks stand anywhere does not pass for an exchange.
  team_of packed;
  for (int r = 0; r < 4; ++r) packed.push_back(bruck_all_to_all({4}, {r}));
  CHECK(verify(collective::all_to_all, {0}, order::any, packed).ok);
  for (schedule& s : packed) s.equal_chunks = false, s.exchanges = true;
  CHECK_FALSE(verify(collective::all_to_all, {0}, order::any, packed).ok);
}

TEST_CASE("a scan folds the ranks up to each, an exclusive one those before, and neither any other") {
  auto proved = [](collective what, order needed, auto spoil) {
    team_of team;
    for (int r = 0; r < 3; ++r)
      team.push_back(make_schedule(what, algorithm::linear, {3}, {r}));
    spoil(team);
    return verify(what, {0}, needed, team);
  };
  for (order needed : {order::any, order::kept}) {
    CHECK(proved(collective::scan, needed, [](team_of&) {}).ok);
    CHECK(proved(collective::exclusive_scan, needed, [](team_of&) {}).ok);
    // Rank 1 ends with everyone's operands, which is too many.
    CHECK(proved(collective::scan, needed, [](team_of& t) {
            t[2].send({1}, chunk{0});
            t[1].recv({2}, chunk{0});
          }) == at_end(flaw::incomplete, 1, 0));
    // Rank 2 keeps what rank 1 has brought along alone.
    CHECK(proved(collective::exclusive_scan, needed, [](team_of& t) { t[2].copy(chunk{1}, chunk{0}); }) ==
          at_end(flaw::incomplete, 2, 0));
  }
  CHECK(proved(collective::scan, order::kept, [](team_of& t) { t[1].steps[0].incoming = side::right; }).found == flaw::out_of_order);
}

TEST_CASE("a barrier hears from everyone") {
  team_of team;
  for (int r = 0; r < 4; ++r) team.push_back(dissemination_barrier({4}, {r}));
  CHECK(verify(collective::barrier, {0}, order::any, team).ok);
  for (schedule& s : team) s.steps.resize(2);
  CHECK(verify(collective::barrier, {0}, order::any, team) == at_end(flaw::unheard, 0));
}

TEST_CASE("large teams are proved too, in sets of several words") {
  for (int p : {63, 64, 65, 128, 130}) {
    CHECK(verify(collective::all_reduce, {p}, {}, order::any, halving_all_reduce).ok);
    CHECK(verify(collective::all_reduce, {p}, {}, order::kept, double_tree_all_reduce).ok);
    CHECK(verify(collective::barrier, {p}, {}, order::any, dissemination_barrier).ok);
  }
}

}  // namespace
