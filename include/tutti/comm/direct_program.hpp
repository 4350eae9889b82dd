#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <tutti/comm/program.hpp>
#include <tutti/schedule/step.hpp>

// Where every rank can reach the others' buffers, a schedule need not be carried
// out message by message: what comes from several peers is folded in one pass,
// and the result written to all who get it. The steps say who folds what, in
// which order, and where it goes.

namespace tutti {

/// A rank's input or output, from some byte on.
struct remote_place {
  int rank = 0;
  memory_role role = memory_role::input;
  std::size_t offset = 0;  ///< bytes
};

/// An n-ary reduce: the sources are folded in their order, of those after the
/// first the first `lefts` on the left of what there is, the others on its right;
/// with a single source, copied. The result goes to all targets, of which the
/// first is this rank's own.
struct direct_pass {
  std::uint32_t begin = 0;  ///< of its sources in `direct_program::places`; the targets follow
  std::uint32_t sources = 0, lefts = 0, targets = 0;
  std::size_t bytes = 0;
};

/// What one rank does between two synchronisations of all.
struct direct_program {
  struct bill {
    int peer = 0;
    std::size_t bytes = 0;
  };
  std::vector<direct_pass> passes;
  std::vector<remote_place> places;
  std::vector<char> reads, writes;  ///< by rank: whether others need its input, its output
  std::vector<bill> sends;          ///< what the schedule sends, one step after the other
  std::size_t sent_bytes = 0;
  std::size_t input_bytes = 0, output_bytes = 0;  ///< of this rank
  bool streams = false;  ///< too much to stay in a cache
};

namespace detail {

/// Reads the schedules of a team as one rank's passes.
class direct_lowering {
 public:
  direct_lowering(const std::vector<schedule>& team, const std::vector<chunk_map>& maps, int me)
      : team_(team), maps_(maps), ranks_(static_cast<int>(team.size())), me_(me) {
    program_.reads.resize(team.size());
    program_.writes.resize(team.size());
    sent_.resize(team.size());
    received_.resize(team.size());
    for (int r = 0; r < ranks_; ++r) note_messages(r);
    legal_ = legal_ && make_passes();
  }

  std::optional<direct_program> result() && {
    if (!legal_) return std::nullopt;
    return static_cast<direct_program&&>(program_);
  }

 private:
  struct message {
    int chunk = 0;
    bool written = false;  // is no longer what the input holds
  };
  struct result_of_pass {
    std::vector<remote_place> sources, targets;
    std::uint32_t lefts = 0;
    bool sent = false;
  };

  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  std::size_t length(int c) const { return maps_[at(me_)].bounds[at(c) + 1] - maps_[at(me_)].bounds[at(c)]; }
  remote_place in(int r, int c) const {
    const chunk_map& m = maps_[at(r)];
    return {r, memory_role::input, m.bounds[at(c)] - m.bounds[at(m.held_begin)]};
  }
  remote_place out(int r, int c) const {
    const chunk_map& m = maps_[at(r)];
    return {r, memory_role::output, m.bounds[at(c)] - m.bounds[at(m.required_begin)]};
  }

  void note_messages(int r) {
    const schedule& s = team_[at(r)];
    std::vector<char> written(at(s.parts + s.scratch));
    for (const step& next : s.steps) {
      legal_ = legal_ && next.where.count == 1 && next.with.count == 1 && (next.what != verb::recv_reduce || next.with == next.where);
      const int c = next.where.first.value;
      if (!legal_) return;
      const int peer = next.peer.value;
      if (next.what == verb::send) {
        (written[at(c)] ? program_.writes[at(peer)] : program_.reads[at(r)]) = 1;
        if (peer == me_) sent_[at(r)].push_back({c, written[at(c)] != 0});
        continue;
      }
      if (!is_local(next.what) && peer == me_) received_[at(r)].push_back(c);
      written[at(c)] = 1;
    }
  }

  // A chunk that is sent as it was given is read where it lies, by whoever gets
  // it; one that was folded here is written where it goes.
  bool make_passes() {
    const schedule& s = team_[at(me_)];
    const chunk_map& mine = maps_[at(me_)];
    std::vector<std::optional<result_of_pass>> results(at(s.parts + s.scratch));
    std::vector<char> arrives(results.size());
    std::vector<std::size_t> sent(at(ranks_)), received(at(ranks_));
    std::vector<int> order;
    auto begin = [&](int c, remote_place from) -> result_of_pass& {
      result_of_pass& r = results[at(c)].emplace(result_of_pass{.sources = {from}, .targets = {}});
      if (c >= s.parts) return r;
      order.push_back(c);
      r.targets.push_back(out(me_, c));
      return r;
    };
    for (const step& next : s.steps) {
      const int c = next.where.first.value, peer = next.peer.value;
      switch (next.what) {
        case verb::send: {
          program_.sends.push_back({peer, length(c)});
          program_.sent_bytes += length(c);
          const std::size_t k = sent[at(peer)]++;
          if (results[at(c)]) {
            results[at(c)]->sent = true;
            results[at(c)]->targets.push_back(out(peer, received_[at(peer)][k]));
          } else if (arrives[at(c)]) {
            return false;  // passed on
          }
          break;
        }
        case verb::recv:
        case verb::recv_reduce: {
          const message& m = sent_[at(peer)][received[at(peer)]++];
          const bool folds = next.what == verb::recv_reduce;
          if (m.written) {
            if (folds || results[at(c)]) return false;
            arrives[at(c)] = 1;
            break;
          }
          if (!folds) {
            if (results[at(c)] || arrives[at(c)]) return false;
            begin(c, in(peer, m.chunk));
            break;
          }
          if (arrives[at(c)] || (results[at(c)] ? results[at(c)]->sent : c >= s.parts)) return false;
          result_of_pass& r = results[at(c)] ? *results[at(c)] : begin(c, in(me_, c));
          // Those on the left come first.
          if (next.incoming == side::left && r.lefts + 1 != r.sources.size()) return false;
          r.lefts += next.incoming == side::left;
          r.sources.push_back(in(peer, m.chunk));
          break;
        }
        case verb::copy:
          if (results[at(c)] || arrives[at(c)] || c >= s.parts || next.with.first.value >= s.parts) return false;
          begin(c, in(me_, next.with.first.value));
          break;
        case verb::fold: {
          // What was folded in scratch goes before what was given.
          const auto& before = results[at(next.with.first.value)];
          if (results[at(c)] || arrives[at(c)] || c >= s.parts || next.incoming != side::left || !before || before->lefts > 0 || before->sent)
            return false;
          std::vector<remote_place> sources = before->sources;
          result_of_pass& r = begin(c, in(me_, c));
          sources.push_back(r.sources.front());
          r.sources = sources;
          break;
        }
      }
    }
    for (int c = mine.required_begin; c < mine.required_end; ++c)
      if (!results[at(c)] && !arrives[at(c)]) begin(c, in(me_, c));
    for (int c : order) add(*results[at(c)], length(c));
    program_.input_bytes = mine.held();
    program_.output_bytes = mine.required();
    return true;
  }

  void add(const result_of_pass& r, std::size_t bytes) {
    if (bytes == 0) return;
    auto& places = program_.places;
    program_.passes.push_back({.begin = static_cast<std::uint32_t>(places.size()),
                               .sources = static_cast<std::uint32_t>(r.sources.size()), .lefts = r.lefts,
                               .targets = static_cast<std::uint32_t>(r.targets.size()), .bytes = bytes});
    places.insert(places.end(), r.sources.begin(), r.sources.end());
    places.insert(places.end(), r.targets.begin(), r.targets.end());
  }

  const std::vector<schedule>& team_;
  const std::vector<chunk_map>& maps_;
  int ranks_, me_;
  bool legal_ = true;
  std::vector<std::vector<message>> sent_;  // to this rank, by rank
  std::vector<std::vector<int>> received_;  // from this rank, by rank: the chunks into which it goes
  direct_program program_;
};

}  // namespace detail

/// The passes of rank `me` that bring about what the team's schedules do, or
/// nothing where it passes on what others write to it, or folds what was folded
/// elsewhere: then two synchronisations are not enough. Together the passes of
/// all ranks do it only where all have some.
inline std::optional<direct_program> lower_directly(const std::vector<schedule>& team, const std::vector<chunk_map>& maps, int me) {
  return detail::direct_lowering(team, maps, me).result();
}

}  // namespace tutti
