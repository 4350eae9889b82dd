#pragma once
#include <string>

#include <tutti/base/error.hpp>
#include <tutti/schedule/step.hpp>

namespace tutti {

/// Why a team's schedules cannot be run, or do not do what they should.
enum class flaw : unsigned char {
  none,
  team_size,     ///< there is not one schedule a rank
  parts,         ///< ranks cut the vector differently, or blocks into no whole number of chunks, or take different chunks for equal
  peer,          ///< the peer is no other member of the team
  chunks,        ///< chunks that do not exist, or operands that overlap what is written
  unmatched,     ///< a send that nobody receives, or a receive that nobody sends
  mismatched,    ///< matched steps hold different chunks
  deadlock,      ///< steps that wait for each other
  nothing_held,  ///< reads a chunk that holds nothing
  twice,         ///< folds the same contribution a second time
  out_of_order,  ///< folds operands that are not neighbours in rank order
  missing,       ///< an output chunk holds nothing
  incomplete,    ///< an output chunk lacks contributions
  folded,        ///< folds, where nothing is to be reduced
  misplaced,     ///< an output chunk holds what belongs elsewhere
  unheard,       ///< a barrier ends before everyone was heard from
};

/// What a check found. `step` counts from 0 within the rank's schedule, −1
/// where the flaw shows only at the end.
struct proof {
  bool ok = true;
  flaw found = flaw::none;
  rank who{};
  int step = -1;
  chunk where{};

  friend constexpr bool operator==(const proof&, const proof&) = default;
};

/// The flaw in a sentence.
inline std::string explain(const proof& p) {
  auto flawed = [&](const char* text) {
    return p.step < 0 ? format("rank %d: %s", p.who.value, text)
                      : format("rank %d, step %d, chunk %d: %s", p.who.value, p.step, p.where.value, text);
  };
  auto output = [&](const char* text) {
    return format("rank %d ends with chunk %d %s", p.who.value, p.where.value, text);
  };
  switch (p.found) {
    case flaw::none: return "proved";
    case flaw::team_size: return "the team needs one schedule a rank, and the root must be one of them";
    case flaw::parts: return flawed("the vector is not cut as the other ranks or the blocks of the collective ask");
    case flaw::peer: return flawed("the peer is no other member of the team");
    case flaw::chunks: return flawed("these chunks do not exist, differ in length, or overlap what is written");
    case flaw::unmatched: return flawed("no step of the peer meets this one");
    case flaw::mismatched: return flawed("the peer's receive is for other chunks");
    case flaw::deadlock: return flawed("this step can never complete");
    case flaw::nothing_held: return flawed("the chunk is read and holds nothing");
    case flaw::twice: return flawed("a contribution is folded a second time");
    case flaw::out_of_order: return flawed("operands are folded out of rank order");
    case flaw::missing: return output("holding nothing");
    case flaw::incomplete: return output("lacking contributions");
    case flaw::folded: return flawed("operands are folded, where nothing is to be reduced");
    case flaw::misplaced: return output("holding what belongs elsewhere");
    case flaw::unheard: return format("rank %d may leave the barrier before everyone has come", p.who.value);
  }
  return "unknown";
}

}  // namespace tutti
