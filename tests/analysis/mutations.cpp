// Every schedule, with any one step dropped, doubled or swapped with the next,
// must be refused by verify, unless the change means nothing.
#include <tutti/analysis/verify.hpp>

#include <doctest/doctest.h>

#include <map>
#include <string>

#include <tutti/schedule/repertoire.hpp>

#include "reference_run.hpp"

namespace {

using namespace tutti;

enum class mutation { drop, twice, swap };
const char* name_of(mutation m) {
  return m == mutation::drop ? "drop" : m == mutation::twice ? "twice" : "swap";
}

schedule mutated(schedule s, mutation m, std::size_t i) {
  const auto at = s.steps.begin() + static_cast<std::ptrdiff_t>(i);
  if (m == mutation::drop) s.steps.erase(at);
  if (m == mutation::twice) s.steps.insert(at, s.steps[i]);
  if (m == mutation::swap) std::swap(s.steps[i], s.steps[i + 1]);
  return s;
}

/// Why a change of a proved schedule may mean nothing; empty where it must not
/// be accepted. Each reason follows from step.hpp or from the promise made of
/// the operation, and is the whole list.
std::string excuse(collective what, order needed, const schedule& s, mutation m, std::size_t i) {
  const step& a = s.steps[i];
  if (m == mutation::twice) return a.what == verb::copy ? "a copy repeated at once writes the same again" : "";
  if (m == mutation::drop) return "";
  const step& b = s.steps[i + 1];
  if (!reference::conflict_on_chunk(a, b) && !reference::same_queue(a, b))
    return "neither step waits for the other: steps are ordered only by chunks and by queues";
  auto folds_in_place = [](const step& x) { return x.what == verb::fold || (x.what == verb::recv_reduce && x.with == x.where); };
  if (folds_in_place(a) && folds_in_place(b) && a.where == b.where && !reference::same_queue(a, b)) {
    if (a.incoming != b.incoming) return "(x∘m)∘y = x∘(m∘y), the operation is associative";
    if (needed == order::any) return "the operation is commutative";
  }
  if (what == collective::barrier && a.what == verb::recv_reduce && b.what == verb::send)
    return "a barrier may hear the same rank twice, so a token may travel without what another way brings";
  return "";
}

TEST_CASE("verify refuses every mutation that changes the meaning, and agrees with the reference run") {
  std::map<std::string, int> accepted;
  int refused = 0;
  for (const repertoire_entry& entry : repertoire)
    for (int p = 2; p <= 6; ++p)
      for (int root = 0; root < (rooted(entry.what) ? p : 1); ++root)
        for (order needed : {order::any, order::kept}) {
          if (needed == order::kept && !keeps_order(entry.what, entry.how, {p})) continue;
          std::vector<schedule> team;
          for (int r = 0; r < p; ++r) team.push_back(entry.make({p}, {r}, {root}));
          REQUIRE(verify(entry.what, {root}, needed, team).ok);
          REQUIRE(reference::works(entry.what, {root}, needed, team));
          for (std::size_t r = 0; r < team.size(); ++r)
            for (std::size_t i = 0; i < team[r].steps.size(); ++i)
              for (mutation m : {mutation::drop, mutation::twice, mutation::swap}) {
                if (m == mutation::swap && i + 1 == team[r].steps.size()) continue;
                std::vector<schedule> damaged = team;
                damaged[r] = mutated(team[r], m, i);
                if (damaged[r] == team[r]) continue;
                const proof found = verify(entry.what, {root}, needed, damaged);
                const bool works = reference::works(entry.what, {root}, needed, damaged);
                const std::string why = excuse(entry.what, needed, team[r], m, i);
                INFO(name_of(entry.what), " ", name_of(entry.how), " of ", p, " root ", root, ": rank ", r, " ",
                     name_of(m), " step ", i, needed == order::kept ? " in order: " : ": ", explain(found));
                CHECK(found.ok == works);
                if (found.ok) CHECK_MESSAGE(!why.empty(), "accepted without a reason");
                if (!why.empty() && entry.what != collective::barrier) CHECK_MESSAGE(found.ok, "refused, though ", why);
                found.ok ? ++accepted[why] : ++refused;
              }
        }
  MESSAGE(refused, " mutations refused");
  for (const auto& [why, times] : accepted) MESSAGE(times, " accepted: ", why);
  CHECK(refused > 5000);
}

}  // namespace
