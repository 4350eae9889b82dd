#include <tutti/analysis/simulation.hpp>

#include <doctest/doctest.h>

#include <initializer_list>

#include <tutti/schedule/repertoire.hpp>

namespace {

using namespace tutti;

std::vector<schedule> team_of(collective what, algorithm how, int p, int root = 0) {
  std::vector<schedule> team;
  for (int r = 0; r < p; ++r) team.push_back(make_schedule(what, how, {p}, {r}, {root}));
  return team;
}

// A wire that takes 2 s for a chunk of 8 bytes, half a second after which it is
// there; processors cost nothing. Powers of two, so that every sum is exact.
constexpr cost_model wires{.link = {.latency_s = 0.5, .wire_bytes_per_s = 4}};
constexpr double chunk_bytes = 8;

TEST_CASE("latency and bandwidth alone give the textbook's times") {
  for (int p : {1, 2, 3, 4, 7, 8, 16, 33}) {
    CAPTURE(p);
    const slice_times ring = simulate(team_of(collective::all_reduce, algorithm::ring, p), chunk_bytes, 0, wires);
    CHECK(ring.pace_s == 2 * (p - 1) * 2.0);
    int log = 0;
    while (1 << log < p) ++log;
    if (1 << log == p) {
      const auto doubling = team_of(collective::all_reduce, algorithm::doubling, p);
      CHECK(simulate(doubling, chunk_bytes, 0, wires).pace_s == log * 2.0);
    }
  }
}

// The same cost on processors, which do one thing at a time: 1 s a step.
constexpr cost_model processors{.link = {.latency_s = 0.5, .step_s = 1}};

TEST_CASE("a ring's hop is a send, the way, and a receive") {
  for (int p : {2, 3, 4, 7, 8, 16, 33}) {
    const slice_times ring = simulate(team_of(collective::all_reduce, algorithm::ring, p), 0, 0, processors);
    CHECK(ring.first_s == 2 * (p - 1) * 2.5);
    CHECK(ring.pace_s == 2 * (p - 1) * 2.0);
    CHECK(ring.of(1) == ring.first_s);
    CHECK(ring.of(5) == ring.first_s + 4 * ring.pace_s);
  }
}

TEST_CASE("a tree of 3: leaves send together, the root folds one after the other") {
  const slice_times up = simulate(team_of(collective::reduce, algorithm::tree, 3, 1), 0, 0, processors);
  CHECK(up.first_s == 1 + 0.5 + 1 + 1);
  const slice_times down = simulate(team_of(collective::broadcast, algorithm::tree, 3, 1), 0, 0, processors);
  CHECK(down.first_s == 1 + 1 + 0.5 + 1);
}

TEST_CASE("one rank's view of a ring is exact") {
  for (int p : {2, 3, 5, 16, 33})
    for (const cost_model& model : {wires, processors, cost_model{}}) {
      const auto team = team_of(collective::all_reduce, algorithm::ring, p);
      const slice_times all = simulate(team, 64, 64 * p, model);
      const slice_times one = simulate_one(team[1], {p}, {1}, 64, 64 * p, model);
      CAPTURE(p);
      // The same additions in the same order, rank by rank.
      CHECK(all.first_s == one.first_s);
      CHECK(all.pace_s == one.pace_s);
    }
}

TEST_CASE("few cores do all the work one after the other, and pay for switching") {
  for (const repertoire_entry& entry : repertoire)
    for (int p : {2, 5, 8}) {
      const auto team = team_of(entry.what, entry.how, p);
      double steps = 0;
      for (const schedule& s : team) steps += static_cast<double>(s.steps.size());
      cost_model one_core = processors;
      one_core.cores = 1;
      one_core.switch_s = 0;
      const slice_times free = simulate(team, 0, 0, one_core);
      INFO(name_of(entry.what), " ", name_of(entry.how), " of ", p);
      CHECK(free.first_s >= steps);  // of 1 s each
      CHECK(free.pace_s == steps);
      one_core.switch_s = 4;
      // Every rank must run at least once, so all but the first are switched to.
      CHECK(simulate(team, 0, 0, one_core).first_s >= steps + 4 * (p - 1));
      one_core.cores = p;
      const slice_times enough = simulate(team, 0, 0, one_core);
      CHECK(enough.first_s == simulate(team, 0, 0, processors).first_s);
    }
}

TEST_CASE("ranks that share a core take turns: one with nothing to do takes its own, one of another core takes none") {
  cost_model shared = processors;
  shared.switch_s = 4;
  auto seconds_of = [&](collective what, int root, int cores) {
    shared.cores = cores;
    return simulate(team_of(what, algorithm::linear, 4, root), 0, 0, shared).first_s;
  };
  // Six steps of 1 s. Rank 1 follows 0, 3 follows 1 after a turn of 2, and 2 follows 3 after turns of 0 and 1.
  CHECK(seconds_of(collective::gather, 2, 1) == 6 + 4 * (1 + 2 + 3));
  CHECK(seconds_of(collective::gather, 0, 1) == 6 + 4 * (1 + 1 + 1));
  // Where 1 and 3 have run on one core, the other goes from 2 to 0 at once: a send, its way, a switch, and three receives.
  CHECK(seconds_of(collective::gather, 0, 2) == 1 + 0.5 + 4 + 3);
  // And where 1 and 2 have run on one core, the other goes from 0 to 3: three sends, the way of the last, a switch, and a receive.
  CHECK(seconds_of(collective::scatter, 0, 2) == 3 + 0.5 + 4 + 1);
}

TEST_CASE("one rank's view with few cores counts the others' turns") {
  const auto team = team_of(collective::all_reduce, algorithm::ring, 4);
  cost_model two_cores = processors;
  two_cores.cores = 2;
  two_cores.switch_s = 4;
  const slice_times one = simulate_one(team[1], {4}, {1}, 0, 0, two_cores);
  CHECK(one.pace_s == 12 * 2.0);                // 12 steps a rank, two ranks a core
  CHECK(one.first_s == 12 * 2.0 + 6 * 2 * 4.0);  // 6 waits, each for the turns of two
}

TEST_CASE("ranks of a host share its cores, and nobody else's") {
  hosts_model model{{.link = {.step_s = 1}, .cores = 2, .switch_s = 0}, {.step_s = 1}, {4, {0, 0, 1, 1}}};
  auto steps = [](const std::vector<schedule>& team, int first, int last) {
    double sum = 0;
    for (int r = first; r <= last; ++r) sum += static_cast<double>(team[static_cast<std::size_t>(r)].steps.size());
    return sum;
  };
  // The first two have all the work: the other host's core is no help.
  std::vector<schedule> team = team_of(collective::all_reduce, algorithm::doubling, 2);
  team.resize(4);
  for (schedule& s : team) s.parts = team[0].parts;
  CHECK(simulate(team, 0, 0, model).first_s == steps(team, 0, 1));
  CHECK(simulate(team, 0, 0, model).pace_s == steps(team, 0, 1));
  // Both leaders are the first of their hosts: they stand in no turn of each other's.
  for (const std::vector<int>& host_of : {std::vector{0, 0, 1, 1}, std::vector{0, 1, 0, 1}}) {
    model.all = {4, host_of};
    team.clear();
    for (int r = 0; r < 4; ++r) team.push_back(make_schedule(collective::all_reduce, algorithm::leaders, model.all, {r}));
    CHECK(simulate(team, 0, 0, model).pace_s == steps(team, 0, 3) / 2);
  }
  // A host of three of four ranks has two of three cores, and none has less than one.
  model.all = {4, {0, 0, 0, 1}};
  model.cores = 3;
  team = team_of(collective::all_gather, algorithm::ring, 4);  // 6 steps each
  CHECK(simulate(team, 0, 0, model).pace_s == 2 * 6);
  model.cores = 1;
  CHECK(simulate(team, 0, 0, model).pace_s == 3 * 6);
}

}  // namespace
