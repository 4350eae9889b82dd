#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <tutti/transport/calls.hpp>
#include <tutti/transport/muster.hpp>
#include <tutti/transport/peer_lines.hpp>
#include <tutti/transport/verdict.hpp>

namespace tutti::detail {

/// Who decides how a session ends, and what: failure detection by heartbeats and
/// leader election, the work of a monitor's thread.
///
/// Every rank has a line to the coordinator, rank 0 at first. A rank whose line
/// ends without a goodbye has died, one that is silent has stopped or cannot be
/// reached. Whoever sees something reports it to the coordinator, which hears
/// for a moment in which operations the others wait, decides, and tells all.
/// Where the coordinator itself goes, every rank turns to the lowest below
/// itself that answers, or takes its place. Whoever learns a verdict says it on
/// over all its lines, so that it also reaches those who turned to another.
class succession {
 public:
  static constexpr double beat_every = 0.5;
  static constexpr double silence = 2.0;          ///< so long means stopped
  static constexpr double answer_time = 1.0;      ///< for an answer that was asked for
  static constexpr double not_run_myself = 1.0;   ///< a pause of this thread after which silence starts anew
  static constexpr double hearing = 0.1;          ///< a coordinator hears others before it decides
  static constexpr double first_hearing = 0.3;    ///< so does one that has just become it
  static constexpr double finding = 0.4;          ///< for lower ranks to answer when a coordinator is sought
  static constexpr int sought_at_once = 16;
  static constexpr double alone_after = 3.0;      ///< a rank decides for itself
  static constexpr double leaving = 1.0;          ///< the longest that a leaving rank waits

  /// `members` in ascending order; the first coordinates. `t` is the time, here
  /// and below: in seconds, from anywhere on.
  succession(int rank, const std::vector<int>& members, peer_lines lines, verdict_board& board, double t)
      : rank_(rank), lines_(std::move(lines)), board_(board), standing_(lines_.size(), standing::gone), t_(t), last_(t),
        coordinator_(members[0]), calls_(lines_.size()), muster_(rank, members, lines_.size()) {
    for (int m : members) standing_of(m) = standing::here;
    if (rank_ != coordinator_) lines_.dial(coordinator_, t_);
    else joined_ = true;
  }

  bool joined() const { return joined_; }
  bool finished() const { return finished_; }
  void wait(int wake) {
    const bool soon = seeking_ || muster_.waits() || lines_.restless() || leaving_since_ > 0 || (blamed_ && !decided_) || calls_.under_way() ||
                      (t_ < answer_until_ && !decided_);
    const double until_beat = next_beat_ - t_;
    lines_.wait(wake, soon ? 0.01 : until_beat > 0 ? until_beat : 0, t_);
  }

  /// This rank would end the session so.
  void propose(const verdict& v, double t) {
    t_ = t;
    blame(v);
  }
  void suspect(int rank, double t) {
    t_ = t;
    if (rank < 0 || static_cast<std::size_t>(rank) >= standing_.size()) return;
    if (heartbeat_line* l = lines_.to(rank)) ask(*l);
    if (coordinator_ != rank_) say_to_coordinator(heartbeat_kind::suspect, rank);
  }
  /// Where the operation (an `operation_id`) is found that this rank waits in, 0
  /// for none.
  void follow(const std::atomic<std::uint64_t>& open) { open_operation_ = &open; }
  /// After a verdict: see `muster`. `condemned` (−1: none) is not waited for.
  void contribute(std::uint64_t round, std::vector<std::byte> mine, double until, int condemned) {
    if (condemned >= 0) standing_of(condemned) = standing::gone;
    muster_.contribute(round, std::move(mine), until);
  }
  void give_up(const std::string& why) { muster_.give_up(why, lines_); }
  bool take(muster::answer& a) { return muster_.take(a); }

  void leave(double t) { if (leaving_since_ == 0) leaving_since_ = t; }

  void step(double t) {
    // If this process was stopped, or had no processor, it has not listened either.
    if (t - last_ > not_run_myself)
      lines_.each_open([&](heartbeat_line& l) {
        l.heard = t;
        if (l.asked > 0) l.asked = t;
      });
    t_ = last_ = t;
    look_where();
    lines_.move(t, *this);
    answer();
    look_for_silence();
    seek();
    muster_.step(t_, lines_, [&](int r) { return r != rank_ && standing_of(r) == standing::here; }, [&](int r) { calls_.one(r, t_); });
    call();
    decide();
    tell_who_left();
    beat();
    lines_.flush();
    try_to_finish();
  }

  void close() { lines_.close_all(); }
  // What the lines report.

  void opened(heartbeat_line& l) {
    if (l.peer == coordinator_) joined_ = true;
    if (decided_) l.say(heartbeat_kind::verdict, rank_, 0, bytes_of(verdict_));
    else if (decide_at_ > 0) l.say(heartbeat_kind::ask, rank_, 1);
    if (goodbye_said_) l.say(heartbeat_kind::goodbye, rank_);
    if (somebody_left_) say_who_left(l);
  }

  void came(heartbeat_line& l) {
    l.asked = 0;
    const heartbeat_frame& f = l.frame;
    switch (f.kind) {
      case heartbeat_kind::ask:
        if (f.operation == 0) {
          l.say(heartbeat_kind::beat, rank_);
          break;
        }
        announce();
        l.say(heartbeat_kind::stuck, rank_, stuck_on_);
        if (stuck_on_ == 0) answer_until_ = t_ + first_hearing;
        break;
      case heartbeat_kind::stuck: open_.note(f.operation); break;
      case heartbeat_kind::suspect: suspect(f.rank, t_); break;
      case heartbeat_kind::report:
      case heartbeat_kind::verdict:
        if (l.payload.size() == sizeof(verdict)) {
          verdict v;
          std::memcpy(static_cast<void*>(&v), l.payload.data(), sizeof v);
          v.text[sizeof v.text - 1] = '\0';
          if (f.kind == heartbeat_kind::report) {
            if (!decided_) blame(v);
            break;
          }
          l.knows_verdict = true;
          adopt(v);
        }
        break;
      case heartbeat_kind::left:
        for (std::size_t r = 0; r < standing_.size() && r < l.payload.size(); ++r)
          if (l.payload[r] != std::byte{0} && standing_[r] == standing::here) standing_[r] = standing::left, somebody_left_ = true;
        break;
      case heartbeat_kind::goodbye:
        l.said_goodbye = true;
        if (standing_of(l.peer) == standing::here) standing_of(l.peer) = standing::left;
        left_changed_ = somebody_left_ = true;
        if (l.peer == coordinator_) seek_another();
        break;
      case heartbeat_kind::released: l.released = true; break;
      case heartbeat_kind::gather:
      case heartbeat_kind::gathered:
      case heartbeat_kind::scattered: muster_.came(l, lines_); break;
      default: break;  // a sign of life
    }
  }

  void ended(heartbeat_line& l) {
    if (l.said_goodbye || lines_.to(l.peer)) return;
    lost(l.peer, errc::rank_died);
  }

 private:
  enum class standing : std::uint8_t { here, left, gone };
  standing& standing_of(int rank) { return standing_[static_cast<std::size_t>(rank)]; }

  void ask(heartbeat_line& l) {
    l.say(heartbeat_kind::ask, rank_);
    if (l.asked == 0) l.asked = t_;
  }
  void say_to_coordinator(heartbeat_kind kind, int rank = -1, std::uint64_t operation = 0, bytes_view more = {}) {
    if (coordinator_ < 0 || coordinator_ == rank_) return;
    if (heartbeat_line* l = lines_.to(coordinator_)) l->say(kind, rank, operation, more);
  }

  void look_where() { if (open_operation_) stuck_on_ = open_operation_->load(std::memory_order_acquire); }
  // A verdict is to come: what this rank has completed by now is what it is asked for.
  void announce() {
    if (!announced_) announced_ = board_.announce(rank_);
    look_where();
  }

  // Who is asked before it waits for anything says so when it does.
  void answer() {
    if (t_ > answer_until_ || stuck_on_ == 0) return;
    say_to_coordinator(heartbeat_kind::stuck, rank_, stuck_on_);
    answer_until_ = 0;
  }

  void lost(int rank, errc code) {
    if (standing_of(rank) != standing::here) return;
    standing_of(rank) = standing::gone;
    if (decided_) return;
    const bool was_coordinator = rank == coordinator_;
    if (was_coordinator) coordinator_ = -1;
    if (leaving_since_ == 0) blame(loss_of(rank, lines_.about(rank).home, code));
    if (was_coordinator) seek_another();
  }

  void look_for_silence() {
    if (decided_ && !muster_.waits()) return;
    int silent = -1;
    do {
      silent = -1;
      lines_.each_open([&](heartbeat_line& l) {
        const bool no_answer = l.asked > 0 && t_ - l.asked > answer_time;
        if ((t_ - l.heard > silence || no_answer) && standing_of(l.peer) == standing::here) silent = l.peer;
      });
      if (silent >= 0) lost(silent, errc::rank_stopped);
    } while (silent >= 0);
  }

  // A reason to end the session has come up: the first counts.
  void blame(const verdict& v) {
    if (decided_ || blamed_) return;
    blamed_ = true;
    blamed_at_ = t_;
    cause_ = v;
    if (coordinator_ == rank_) hear(v.code == errc::mismatch ? 0 : hearing);
    else report();
  }
  void report() {
    if (coordinator_ < 0) return;
    reported_at_ = t_;
    say_to_coordinator(heartbeat_kind::report, rank_, 0, bytes_of(cause_));
  }
  void hear(double seconds) {
    decide_at_ = t_ + seconds;
    announce();
    lines_.each_open([&](heartbeat_line& l) { l.say(heartbeat_kind::ask, rank_, 1); });
  }

  void decide() {
    if (decided_ || !blamed_) return;
    if (coordinator_ == rank_ ? t_ >= decide_at_ : t_ - blamed_at_ > alone_after) {
      adopt(judgement());
    } else if (coordinator_ >= 0 && coordinator_ != rank_ && t_ - reported_at_ > answer_time) {
      standing_of(coordinator_) = standing::gone;
      seek_another();
    }
  }

  verdict judgement() {
    announce();
    open_.note(stuck_on_);
    return cut_short(cause_, open_);
  }

  void adopt(const verdict& v) {
    if (decided_) return;
    decided_ = true;
    announce();
    verdict_ = announced_ ? v : board_.read();
    if (announced_) board_.write(announced_, v);
    lines_.each_open([&](heartbeat_line& l) { l.say(heartbeat_kind::verdict, rank_, 0, bytes_of(verdict_)); });
    if (coordinator_ == rank_) calls_.all(t_);
  }

  // The coordinator is gone: who is it now?
  void seek_another() {
    coordinator_ = -1;
    if (decided_ || seeking_) return;
    seeking_ = true;
    begin_round();
  }
  void begin_round() {
    seek_until_ = t_ + finding;
    int asked = 0;
    for (sought_below_ = 0; sought_below_ < rank_ && asked < sought_at_once; ++sought_below_)
      if (standing_of(sought_below_) == standing::here) {
        lines_.dial(sought_below_, t_);
        ++asked;
      }
  }
  void seek() {
    if (!seeking_) return;
    if (decided_) {
      seeking_ = false;
      for (int r = 0; r < rank_; ++r) lines_.stop_dialing(r);
      return;
    }
    for (int r = 0; r < rank_; ++r) {
      if (standing_of(r) != standing::here) continue;
      if (r >= sought_below_) return begin_round();
      heartbeat_line* l = lines_.to(r);
      if (l && standing_of(r) == standing::here) return turn_to(r);
      // One that nobody answers for may have left: then its goodbye is on its way.
      if (t_ < seek_until_) return;
      standing_of(r) = standing::gone;
      lines_.stop_dialing(r);
      if (leaving_since_ == 0) blame(loss_of(r, lines_.about(r).home, lines_.refused(r) ? errc::rank_died : errc::rank_stopped));
    }
    turn_to(rank_);
  }
  void turn_to(int r) {
    coordinator_ = r;
    seeking_ = false;
    for (int lower = 0; lower < rank_; ++lower)
      if (lower != r) lines_.stop_dialing(lower);
    lines_.each_open([&](heartbeat_line& l) {
      if (l.said_goodbye) l.say(heartbeat_kind::released, rank_);
    });
    if (goodbye_said_) say_to_coordinator(heartbeat_kind::goodbye, rank_);
    if (r != rank_) {
      if (blamed_) report();
      return;
    }
    if (blamed_) hear(first_hearing);
    calls_.all(t_);
  }

  // As the new coordinator, or with a verdict: those who have not come are called.
  void call() {
    calls_.step(t_, {.first = decided_ ? 0 : 0.1, .refused = 2 * finding, .silent = silence}, lines_,
                [&](int r) { return r != rank_ && standing_of(r) == standing::here; },
                [&](int r) { lost(r, lines_.refused(r) ? errc::rank_died : errc::rank_stopped); });
  }

  void tell_who_left() {
    if (!left_changed_) return;
    left_changed_ = false;
    lines_.each_open([&](heartbeat_line& l) { say_who_left(l); });
  }
  void say_who_left(heartbeat_line& l) {
    std::vector<std::byte> who(standing_.size());
    for (std::size_t r = 0; r < who.size(); ++r) who[r] = std::byte{standing_[r] == standing::left};
    l.say(heartbeat_kind::left, rank_, 0, {who.data(), who.size()});
  }

  void beat() {
    if (t_ < next_beat_) return;
    next_beat_ = t_ + beat_every;
    lines_.each_open([&](heartbeat_line& l) {
      if (!l.has_more_to_say()) l.say(heartbeat_kind::beat, rank_);
    });
  }

  void try_to_finish() {
    if (leaving_since_ == 0) return;
    // What this rank reported is to be known before it goes.
    if (blamed_ && !decided_) {
      if (t_ - leaving_since_ > 2 * leaving) adopt(judgement());
      return;
    }
    if (!goodbye_said_) {
      goodbye_said_ = true;
      leaving_since_ = t_;
      lines_.each_open([&](heartbeat_line& l) { l.say(heartbeat_kind::goodbye, rank_); });
      lines_.flush();
    }
    finished_ = t_ - leaving_since_ > leaving || (lines_.all_said() && may_go());
    // Else it has died for whoever has yet to read that it connects.
    if (finished_) lines_.say_before_welcome(heartbeat_kind::goodbye);
  }
  bool may_go() {
    if (!decided_ && coordinator_ != rank_) return standing_of(rank_) == standing::left;
    if (coordinator_ != rank_) return true;
    for (int r = 0; r < static_cast<int>(standing_.size()); ++r) {
      if (r == rank_ || standing_of(r) != standing::here) continue;
      const heartbeat_line* l = lines_.to(r);
      if (!l || !(decided_ ? l->knows_verdict : l->released)) return false;
    }
    return true;
  }

  int rank_;
  peer_lines lines_;
  verdict_board& board_;
  std::vector<standing> standing_;
  double t_, last_, next_beat_ = 0;
  bool joined_ = false, finished_ = false, left_changed_ = false, somebody_left_ = false;

  int coordinator_;  // −1 while one is sought
  bool seeking_ = false;
  double seek_until_ = 0;
  calls calls_;
  int sought_below_ = 0;

  bool blamed_ = false, decided_ = false;
  verdict_board::announcement announced_;
  verdict cause_{}, verdict_{};
  double blamed_at_ = 0, reported_at_ = 0, decide_at_ = 0;

  const std::atomic<std::uint64_t>* open_operation_ = nullptr;
  std::uint64_t stuck_on_ = 0;
  lowest_operations open_;
  double answer_until_ = 0;
  bool goodbye_said_ = false;
  double leaving_since_ = 0;

  muster muster_;
};

}  // namespace tutti::detail
