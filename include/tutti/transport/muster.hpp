#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <tutti/base/bootstrap.hpp>
#include <tutti/base/error.hpp>
#include <tutti/base/packing.hpp>
#include <tutti/transport/peer_lines.hpp>

namespace tutti::detail {

/// How ranks that survive a verdict find each other between hosts, over the
/// connections of their monitors: all-gathers through the lowest of them, which
/// leads. The first is among all that come, and its answer says who they are;
/// the others are among these. Each says for how long it waits for those that do
/// not come: the least counts, for all. Used by the monitor's thread.
class muster {
 public:
  static constexpr double grace = 1.0;  ///< for the others to turn to a new leader

  /// For how many seconds after `until` ranks may wait for their answer where others
  /// live and do not come: far longer than it takes.
  static constexpr double longest = 5 * grace + 7;

  muster(int rank, std::vector<int> members, std::size_t size) : rank_(rank), members_(std::move(members)), come_(size) {}

  /// What an all-gather came to.
  struct answer {
    contributions said;
    std::vector<char> came;  ///< by rank; empty where it failed
    int lost = -1;
    std::string why{};
  };

  /// This rank contributes to all-gather `round`, the first of which is 0. Who
  /// has not come to that one at `until`, or at another's, is left out.
  void contribute(std::uint64_t round, std::vector<std::byte> mine, double until) {
    round_ = round;
    until_ = std::min(until_, until);
    told_.assign(come_.size(), 0);
    waits_ = true;
    come_[static_cast<std::size_t>(rank_)] = {.here = true, .round = round, .said = std::move(mine)};
  }
  /// This rank cannot go on with the others.
  void give_up(const std::string& why, peer_lines& lines) {
    if (failed_) return;
    fail(rank_, why, lines);
  }
  bool waits() const { return waits_; }
  /// Whether an answer is there; moves it out.
  bool take(answer& a) {
    if (!answered_) return false;
    a = std::move(answer_);
    answered_ = false;
    return true;
  }

  /// A frame of these kinds has come.
  void came(const heartbeat_line& l, peer_lines& lines) {
    const heartbeat_frame& f = l.frame;
    if (f.kind == heartbeat_kind::gather) {
      if (l.payload.size() < sizeof(double)) return;
      unpacking said(l.payload);
      const double patience = said.value<double>();
      if (f.operation == 0) until_ = std::min(until_, l.heard + patience);
      come_[static_cast<std::size_t>(l.peer)] = {.here = true, .round = f.operation, .said = {said.rest().begin(), said.rest().end()}};
      if (!first_.empty() && f.operation == 0 && !goes_on(l.peer))
        if (heartbeat_line* to = lines.to(l.peer)) to->say(heartbeat_kind::gathered, rank_, 0, first_);
    } else if (f.kind == heartbeat_kind::gathered) {
      if (f.operation == 0 && first_.empty()) learn(l.payload, lines);
      if (waits_ && f.operation == round_) deliver(l.payload);
    } else {
      const std::string why(reinterpret_cast<const char*>(l.payload.data()), l.payload.size());
      failed_with(f.rank, why);
    }
  }

  /// `here(r)`: whether a rank is there and is waited for. `reach(r)` sees to a
  /// connection.
  template <class Here, class Reach>
  void step(double t, peer_lines& lines, Here here, Reach reach) {
    if (!waits_) return;
    if (failed_) return failed_with(lost_, why_);
    if (!first_.empty() && round_ == 0) return deliver(first_);
    // Where one that would lead lives and does not come, those that have come tell all; the lowest of these leads then.
    const bool tells_all = round_ == 0 && t > until_ + 2 * grace, passes_over = round_ == 0 && t > until_ + 4 * grace;
    const int leader = lead(here, passes_over);
    if (leader == rank_) {
      if (!std::exchange(leads_, true)) {
        leads_since_ = t;
        for (int m : members_)
          if (round_ == 0 && here(m)) reach(m);
      }
      return lead_on(t, lines, here);
    }
    leads_ = false;
    if (round_ > 0 && !here(leader)) return fail(leader, format("rank %d, which led the survivors, was lost while they joined", leader), lines);
    for (int m : members_)
      if (m == leader || (round_ == 0 && here(m) && (tells_all || come_[static_cast<std::size_t>(m)].here))) tell(m, t, lines, reach);
  }

 private:
  struct contribution {
    bool here = false;
    std::uint64_t round = 0;
    std::vector<std::byte> said;
  };

  bool goes_on(int rank) const { return first_[static_cast<std::size_t>(rank)] != std::byte{0}; }

  template <class Here>
  int lead(Here here, bool passes_over) const {
    if (!first_.empty()) return members_[0];
    for (int m : members_)
      if (m == rank_ || (here(m) && (!passes_over || come_[static_cast<std::size_t>(m)].here))) return m;
    return rank_;
  }

  template <class Reach>
  void tell(int other, double t, peer_lines& lines, Reach reach) {
    if (told_[static_cast<std::size_t>(other)]) return;
    heartbeat_line* l = lines.to(other);
    if (!l) return reach(other);
    std::vector<std::byte> mine;
    append(mine, until_ - t);
    append(mine, come_[static_cast<std::size_t>(rank_)].said);
    l->say(heartbeat_kind::gather, rank_, round_, mine);
    told_[static_cast<std::size_t>(other)] = 1;
  }

  template <class Here>
  void lead_on(double t, peer_lines& lines, Here here) {
    std::vector<std::byte> all(come_.size());  // whether each has come, then what those have said
    for (int m : members_) {
      const contribution& theirs = come_[static_cast<std::size_t>(m)];
      const bool there = m == rank_ || here(m), with = theirs.here && theirs.round == round_ && (round_ > 0 || there);
      all[static_cast<std::size_t>(m)] = std::byte{with};
      if (with) continue;
      if (there && (round_ > 0 || t <= std::max(until_, leads_since_ + grace))) return;
      if (round_ > 0) return fail(m, format("rank %d was lost while the survivors joined", m), lines);
    }
    contributions said(come_.size());
    for (std::size_t r = 0; r < come_.size(); ++r)
      if (all[r] != std::byte{0}) {
        said[r] = std::move(come_[r].said);
        come_[r].here = false;
      }
    append(all, pack(said));
    if (round_ == 0) learn(all, lines);
    else
      for (int m : members_)
        if (heartbeat_line* l = lines.to(m)) l->say(heartbeat_kind::gathered, rank_, round_, all);
    deliver(all);
  }

  // Who goes on. All hear of it, those too who are left out.
  void learn(const std::vector<std::byte>& all, peer_lines& lines) {
    if (all.size() < come_.size()) return;
    first_ = all;
    members_.clear();
    for (int r = 0; r < static_cast<int>(come_.size()); ++r)
      if (goes_on(r)) members_.push_back(r);
    lines.each_open([&](heartbeat_line& l) { l.say(heartbeat_kind::gathered, rank_, 0, first_); });
  }

  void deliver(bytes_view all) {
    if (all.size() < come_.size()) return;
    answer a{.said = contributions(come_.size()), .came = std::vector<char>(come_.size())};
    unpacking from(all);
    std::memcpy(a.came.data(), from.bytes(come_.size()).data(), come_.size());
    if (unpack(from.rest(), a.said)) put(std::move(a));
  }

  void fail(int lost, const std::string& why, peer_lines& lines) {
    for (int m : members_)
      if (heartbeat_line* l = lines.to(m))
        l->say(heartbeat_kind::scattered, lost, 0, {reinterpret_cast<const std::byte*>(why.data()), why.size()});
    failed_with(lost, why);
  }
  void failed_with(int lost, const std::string& why) {
    if (!failed_) lost_ = lost, why_ = why;
    failed_ = true;
    if (waits_) put({.said = {}, .came = {}, .lost = lost_, .why = why_});
  }
  void put(answer a) {
    answer_ = std::move(a);
    answered_ = true;
    waits_ = false;
  }

  int rank_;
  std::vector<int> members_;          // that go on, once that is known
  std::vector<contribution> come_;    // by rank
  std::vector<std::byte> first_;      // the first answer; empty: not known
  std::uint64_t round_ = 0;
  double until_ = std::numeric_limits<double>::infinity();  // the earliest that anyone who has come has named
  std::vector<char> told_;            // by rank: who has this rank's contribution
  bool waits_ = false, answered_ = false, leads_ = false, failed_ = false;
  double leads_since_ = 0;
  int lost_ = -1;
  std::string why_;
  answer answer_;
};

}  // namespace tutti::detail
