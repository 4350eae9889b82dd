#include <tutti/analysis/step_graph.hpp>

#include <doctest/doctest.h>

#include <algorithm>

#include <tutti/schedule/repertoire.hpp>

#include "reference_run.hpp"

namespace {

using namespace tutti;

std::vector<schedule> team_of(const repertoire_entry& entry, int p) {
  std::vector<schedule> team;
  for (int r = 0; r < p; ++r) team.push_back(entry.make({p}, {r}, {p / 2}));
  return team;
}

TEST_CASE("the k-th send meets the k-th receive") {
  std::vector<schedule> team(2, schedule{.parts = 2});
  team[0].send({1}, chunk{0});
  team[0].send({1}, chunk{1});
  team[1].recv({0}, chunk{0});
  team[1].recv({0}, chunk{1});
  const step_graph graph(team);
  REQUIRE(graph.fault().ok);
  CHECK(graph.size() == 4);
  CHECK(graph.match(graph.number({0}, 1)) == graph.number({1}, 1));
  CHECK(graph.match(2) == 0);
  CHECK(graph.rank_of(3) == rank{1});
  CHECK(graph.index(3) == 1);
  CHECK(graph[3] == team[1].steps[1]);
}

TEST_CASE("a step waits exactly for what step.hpp says, directly or through others") {
  for (const repertoire_entry& entry : repertoire)
    for (int p : {2, 3, 5, 6}) {
      const std::vector<schedule> team = team_of(entry, p);
      const step_graph graph(team);
      REQUIRE(graph.fault().ok);
      for (int r = 0; r < p; ++r) {
        const auto& steps = team[static_cast<std::size_t>(r)].steps;
        const std::size_t n = steps.size();
        std::vector<std::vector<bool>> wanted(n, std::vector<bool>(n)), found = wanted;
        for (std::size_t i = 0; i < n; ++i) {
          for (std::size_t j = i + 1; j < n; ++j)
            wanted[i][j] = reference::conflict_on_chunk(steps[i], steps[j]) || reference::same_queue(steps[i], steps[j]);
          graph.for_each_waiting(graph.number({r}, static_cast<int>(i)), [&](int later) {
            const int j = graph.index(later);
            CHECK(graph.rank_of(later) == rank{r});
            CHECK(wanted[i][static_cast<std::size_t>(j)]);  // no step waits without a reason
            found[i][static_cast<std::size_t>(j)] = true;
          });
        }
        auto close = [n](std::vector<std::vector<bool>>& order) {
          for (std::size_t k = 0; k < n; ++k)
            for (std::size_t i = 0; i < n; ++i)
              for (std::size_t j = 0; j < n; ++j)
                if (order[i][k] && order[k][j]) order[i][j] = true;
        };
        close(wanted);
        close(found);
        INFO(name_of(entry.what), " ", name_of(entry.how), " of ", p, ", rank ", r);
        CHECK(wanted == found);
      }
    }
}

TEST_CASE("a run visits every step once, rows never go back, and what waits comes in a later row") {
  for (const repertoire_entry& entry : repertoire)
    for (int p : {1, 2, 5, 8}) {
      const std::vector<schedule> team = team_of(entry, p);
      const step_graph graph(team);
      std::vector<int> row(static_cast<std::size_t>(graph.size()), -1);
      int last = 0;
      const int stuck = graph.run([&](int sent, int done, int now) {
        CHECK(now >= last);
        last = now;
        for (int s : {sent, done})
          if (s >= 0) {
            CHECK(row[static_cast<std::size_t>(s)] == -1);
            row[static_cast<std::size_t>(s)] = now;
          }
      });
      CHECK(stuck == -1);
      CHECK(std::find(row.begin(), row.end(), -1) == row.end());
      for (int s = 0; s < graph.size(); ++s)
        graph.for_each_waiting(s, [&](int later) {
          CHECK(row[static_cast<std::size_t>(later)] > row[static_cast<std::size_t>(s)]);
        });
    }
}

TEST_CASE("the ring of p takes 2(p-1) rows, though nothing is buffered") {
  for (int p = 1; p <= 33; ++p) {
    const std::vector<schedule> team = team_of(*find_entry(collective::all_reduce, algorithm::ring), p);
    int rows = 0;
    step_graph(team).run([&](int, int, int row) { rows = row + 1; });
    CHECK(rows == 2 * (p - 1));
  }
}

}  // namespace
