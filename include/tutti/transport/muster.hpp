#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <tutti/base/bootstrap.hpp>
#include <tutti/base/error.hpp>
#include <tutti/transport/peer_lines.hpp>

namespace tutti::detail {

/// How ranks that survive a verdict find each other between hosts, over the
/// connections of their monitors: all-gathers through the lowest of them, which
/// leads. The first is among all that come, and its answer says who they are;
/// the others are among these. Used by the monitor's thread.
class muster {
 public:
  static constexpr double grace = 1.0;  ///< for the others to turn to a new leader

  /// For how many seconds after `until` ranks may wait for their answer where others
  /// live and do not come.
  static constexpr double longest = 4 * grace + 8;

  muster(int rank, std::vector<int> members, std::size_t size) : rank_(rank), members_(std::move(members)), come_(size) {}

  /// What an all-gather came to.
  struct answer {
    contributions said;
    std::vector<char> came;  ///< by rank; empty where it failed
    int lost = -1;
    std::string why{};
  };

  /// This rank contributes to all-gather `round`, the first of which is 0. Who
  /// has not come to that one at `until` is left out.
  void contribute(std::uint64_t round, std::vector<std::byte> mine, double until) {
    round_ = round;
    until_ = until;
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
      contribution& theirs = come_[static_cast<std::size_t>(l.peer)];
      theirs = {.here = true, .round = f.operation, .said = l.payload};
      if (!first_.empty() && f.operation == 0 && !goes_on_[static_cast<std::size_t>(l.peer)])
        if (heartbeat_line* to = lines.to(l.peer)) to->say(heartbeat_kind::gathered, rank_, 0, {first_.data(), first_.size()});
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
    const int leader = lead(here);
    if (leader == rank_) {
      if (round_ == 0 && !std::exchange(leads_, true))
        for (int m : members_)
          if (here(m)) reach(m);
      return lead_on(t, lines, here);
    }
    if (round_ > 0 && !here(leader)) return fail(leader, format("rank %d, which led the survivors, was lost while they joined", leader), lines);
    if (round_ == 0 && t > until_ + 2 * grace) {
      // It lives and does not come. Those that have come tell all; the lowest of these leads then.
      (tells_all_ ? passes_over_ : tells_all_) = true;
      until_ = t;
    }
    for (int m : members_)
      if (m == leader || (round_ == 0 && here(m) && (tells_all_ || come_[static_cast<std::size_t>(m)].here))) tell(m, lines, reach);
  }

 private:
  struct contribution {
    bool here = false;
    std::uint64_t round = 0;
    std::vector<std::byte> said;
  };

  template <class Here>
  int lead(Here here) const {
    if (!first_.empty()) return members_[0];
    for (int m : members_)
      if (m == rank_ || (here(m) && (!passes_over_ || come_[static_cast<std::size_t>(m)].here))) return m;
    return rank_;
  }

  template <class Reach>
  void tell(int other, peer_lines& lines, Reach reach) {
    if (told_[static_cast<std::size_t>(other)]) return;
    heartbeat_line* l = lines.to(other);
    if (!l) return reach(other);
    const auto& mine = come_[static_cast<std::size_t>(rank_)].said;
    l->say(heartbeat_kind::gather, rank_, round_, {mine.data(), mine.size()});
    told_[static_cast<std::size_t>(other)] = 1;
  }

  template <class Here>
  void lead_on(double t, peer_lines& lines, Here here) {
    std::vector<char> with(come_.size());
    for (int m : members_) {
      const auto r = static_cast<std::size_t>(m);
      with[r] = come_[r].here && come_[r].round == round_ && (round_ > 0 || m == rank_ || here(m));
      if (with[r]) continue;
      if (round_ == 0 ? here(m) && t <= until_ : here(m)) return;
      if (round_ > 0) return fail(m, format("rank %d was lost while the survivors joined", m), lines);
    }
    std::vector<std::byte> all;
    for (std::size_t r = 0; r < come_.size(); ++r) {
      const std::uint64_t length = with[r] ? come_[r].said.size() : absent;
      const bytes_view head = bytes_of(length);
      all.insert(all.end(), head.begin(), head.end());
    }
    for (std::size_t r = 0; r < come_.size(); ++r)
      if (with[r]) {
        all.insert(all.end(), come_[r].said.begin(), come_[r].said.end());
        come_[r].here = false;
      }
    if (round_ == 0) learn(all, lines);
    else
      for (int m : members_)
        if (heartbeat_line* l = lines.to(m)) l->say(heartbeat_kind::gathered, rank_, round_, {all.data(), all.size()});
    deliver(all);
  }

  // Who goes on. All hear of it, those too who are left out.
  void learn(const std::vector<std::byte>& all, peer_lines& lines) {
    first_ = all;
    goes_on_.assign(come_.size(), 0);
    members_.clear();
    for (std::size_t r = 0; r < come_.size() && 8 * r + 8 <= all.size(); ++r)
      if (length_in(all, r) != absent) {
        goes_on_[r] = 1;
        members_.push_back(static_cast<int>(r));
      }
    lines.each_open([&](heartbeat_line& l) { l.say(heartbeat_kind::gathered, rank_, 0, {first_.data(), first_.size()}); });
  }

  void deliver(const std::vector<std::byte>& all) {
    answer a{.said = contributions(come_.size()), .came = std::vector<char>(come_.size())};
    std::size_t at = 8 * come_.size();
    for (std::size_t r = 0; r < come_.size() && at <= all.size(); ++r) {
      const std::uint64_t length = length_in(all, r);
      if (length == absent) continue;
      if (length > all.size() - at) return;
      const auto from = all.begin() + static_cast<std::ptrdiff_t>(at);
      a.said[r].assign(from, from + static_cast<std::ptrdiff_t>(length));
      a.came[r] = 1;
      at += static_cast<std::size_t>(length);
    }
    put(std::move(a));
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

  static constexpr std::uint64_t absent = ~std::uint64_t{0};
  static std::uint64_t length_in(const std::vector<std::byte>& all, std::size_t r) {
    std::uint64_t length;
    std::memcpy(&length, all.data() + 8 * r, sizeof length);
    return length;
  }

  int rank_;
  std::vector<int> members_;          // that go on, once that is known
  std::vector<contribution> come_;    // by rank
  std::vector<std::byte> first_;      // the first answer; empty: not known
  std::vector<char> goes_on_;
  std::uint64_t round_ = 0;
  double until_ = 0;
  std::vector<char> told_;            // by rank: who has this rank's contribution
  bool waits_ = false, answered_ = false, leads_ = false, failed_ = false;
  bool tells_all_ = false, passes_over_ = false;  // since ranks that would lead do not come
  int lost_ = -1;
  std::string why_;
  answer answer_;
};

}  // namespace tutti::detail
