#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <tutti/comm/direct_program.hpp>

// Ranks that cannot reach each other's buffers, but see what each of them shows,
// do the passes of a direct program piece by piece: what others fold is shown by
// whoever holds it, and the result by whoever has folded it, one round later. In
// each round that is no more than stays in a cache.

namespace tutti {

/// What one rank does before and after each of several rounds. Of its places,
/// `memory_role::scratch` is what a rank shows: a source as it was shown in this
/// round, a target as it will be in the next.
struct relay_program {
  std::vector<direct_pass> shows;  ///< before the round: a piece of its input, for all who read that
  std::vector<direct_pass> folds;  ///< after it: the same piece of what the others show and of its own, into its output and, where others get it too, into what it shows
  std::vector<direct_pass> takes;  ///< after it: the piece before that of what others have folded, into its output
  std::vector<remote_place> places;
  std::vector<char> has_input;     ///< by rank: whether it shows any
  std::size_t piece = 0;           ///< bytes of a pass in one round
  std::size_t pieces = 0, rounds = 0;
  std::vector<direct_program::bill> sends;
  std::size_t sent_bytes = 0;
  bool streams = false;  ///< too much to stay in a cache
};

namespace detail {

/// What one rank shows in the rounds of a team, each in a place of its own: parts
/// of its input, each once however many read it, then results.
struct shown_parts {
  std::vector<remote_place> inputs;
  std::vector<std::size_t> lengths;  // of these, bytes
  std::size_t results = 0;

  std::size_t place_of(const remote_place& input, std::size_t bytes) {
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i].offset == input.offset && lengths[i] == bytes) return i;
    inputs.push_back(input);
    lengths.push_back(bytes);
    return inputs.size() - 1;
  }
  std::size_t size() const { return inputs.size() + results; }
};

/// Bytes of a pass in one round where a rank shows `parts` of them in `room` bytes:
/// whole elements, and whole lines where these are in lines.
constexpr std::size_t piece_within(std::size_t room, std::size_t parts, std::size_t element) {
  const std::size_t line = 64, most = parts > 0 ? room / parts / line * line : room;
  return most - most % element;
}

}  // namespace detail

/// What rank `me` does in place of the passes of all ranks, of which `team` has
/// each one's, where a rank shows at most `room` bytes in a round; nothing where
/// not even one element of everything goes into that.
inline std::optional<relay_program> relay(const std::vector<direct_program>& team, int me, std::size_t room, std::size_t element) {
  const auto at = [](int rank) { return static_cast<std::size_t>(rank); };
  std::vector<detail::shown_parts> shown(team.size());
  relay_program p;
  std::size_t longest = 0, most = 0;
  auto each_pass = [&](int rank, auto use) {
    const direct_program& of = team[at(rank)];
    for (const direct_pass& pass : of.passes) use(pass, of.places.data() + pass.begin);
  };
  const int ranks = static_cast<int>(team.size());
  for (int r = 0; r < ranks; ++r)
    each_pass(r, [&](const direct_pass& pass, const remote_place* places) {
      if (pass.bytes > longest) longest = pass.bytes;
      for (std::uint32_t k = 0; k < pass.sources; ++k)
        if (places[k].rank != r) shown[at(places[k].rank)].place_of(places[k], pass.bytes);
      shown[at(r)].results += pass.targets > 1;
    });
  bool results = false;
  for (const detail::shown_parts& of : shown) {
    if (of.size() > most) most = of.size();
    results |= of.results > 0;
    p.has_input.push_back(!of.inputs.empty());
  }
  p.piece = detail::piece_within(room, most, element);
  if (p.piece == 0) return std::nullopt;
  p.pieces = longest > 0 ? (longest - 1) / p.piece + 1 : 1;
  p.rounds = p.pieces + results;

  const std::size_t stride = (p.piece + 63) / 64 * 64;
  auto in_show = [&](int rank, std::size_t part) { return remote_place{rank, memory_role::scratch, part * stride}; };
  auto add = [&](std::vector<direct_pass>& to, direct_pass pass, const std::vector<remote_place>& sources, const std::vector<remote_place>& targets) {
    pass.begin = static_cast<std::uint32_t>(p.places.size());
    pass.sources = static_cast<std::uint32_t>(sources.size());
    pass.targets = static_cast<std::uint32_t>(targets.size());
    p.places.insert(p.places.end(), sources.begin(), sources.end());
    p.places.insert(p.places.end(), targets.begin(), targets.end());
    to.push_back(pass);
  };
  const detail::shown_parts& mine = shown[at(me)];
  for (std::size_t i = 0; i < mine.inputs.size(); ++i)
    add(p.shows, {.bytes = mine.lengths[i]}, {mine.inputs[i]}, {in_show(me, i)});
  for (int hop = 0; hop < ranks; ++hop) {
    const int r = (me + hop) % ranks;
    std::size_t result = shown[at(r)].inputs.size();
    each_pass(r, [&](const direct_pass& pass, const remote_place* places) {
      const remote_place* const targets = places + pass.sources;
      const remote_place in_result = in_show(r, pass.targets > 1 ? result++ : 0);
      if (r != me) {
        for (std::uint32_t t = 0; t < pass.targets; ++t)
          if (targets[t].rank == me) add(p.takes, {.bytes = pass.bytes}, {in_result}, {targets[t]});
        return;
      }
      std::vector<remote_place> sources, into{targets[0]};
      for (std::uint32_t k = 0; k < pass.sources; ++k) {
        const int from = places[k].rank;
        sources.push_back(from == me ? places[k] : in_show(from, shown[at(from)].place_of(places[k], pass.bytes)));
      }
      if (pass.targets > 1) into.push_back(in_result);
      add(p.folds, pass, sources, into);
    });
  }
  p.sends = team[at(me)].sends;
  p.sent_bytes = team[at(me)].sent_bytes;
  p.streams = team[at(me)].streams;
  return p;
}

}  // namespace tutti
