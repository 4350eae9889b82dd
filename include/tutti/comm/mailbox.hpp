#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <tutti/base/clock.hpp>
#include <tutti/base/config.hpp>
#include <tutti/comm/flight_recorder.hpp>
#include <tutti/comm/message_channel.hpp>
#include <tutti/comm/own_messages.hpp>
#include <tutti/comm/statistics.hpp>
#include <tutti/transport/link.hpp>
#include <tutti/transport/operation_id.hpp>

namespace tutti {

class operation_queue;

/// The messages of one communicator, over channels of their own: they are
/// ordered by peer and tag only, and neither wait for collectives nor hold them
/// up. Filled by the caller, moved by an engine.
class mailbox {
 public:
  /// `members` by their ranks in the session, this one being number `me`;
  /// `collectives` the status of the same communicator's collectives, by whose
  /// number a failure is reported.
  mailbox(std::unique_ptr<link> l, const std::vector<int>& members, communicator_key key, int me, fabric& joined,
          const rank_status& collectives, detail::counter_block& counts)
      : link_(std::move(l)), members_(members), key_(key), me_(me), joined_(joined), collectives_(collectives), counts_(counts) {
    channels_.reserve(members_.size());
    active_.reserve(members_.size());
    for (int peer = 0; peer < static_cast<int>(members_.size()); ++peer) {
      const bool self = link_->kind(peer) == link_kind::self;
      if (!self) link_->to(peer).counted = &counts_.over(link_->kind(peer));
      channels_.push_back({.channel = self ? nullptr : std::make_unique<message_channel>(link_->to(peer), link_->from(peer))});
    }
  }
  mailbox(const mailbox&) = delete;
  mailbox& operator=(const mailbox&) = delete;

  /// Hears of each message that has ended, with exact times.
  struct listener {
    void (*tell)(void* context, const operation_queue& of, const operation_record&) = nullptr;
    void* context = nullptr;
    const operation_queue* of = nullptr;
  };
  void listen(const listener& l) { listener_ = l; }

  /// From the thread that uses the communicator.
  void submit(posted_message& m) {
    m.issued = ++issued_;
    m.behind = submitted_.load(std::memory_order_relaxed);
    while (!submitted_.compare_exchange_weak(m.behind, &m, std::memory_order_release, std::memory_order_relaxed)) {
    }
  }

  /// From the same one: whether a message link joins the peer.
  bool by_messages(int peer) const { return link_->kind(peer) == link_kind::message; }

  /// Whether any message is under way. Like all that follows, for the thread
  /// that moves them.
  bool busy() const { return open_ > 0 || submitted_.load(std::memory_order_relaxed); }

  /// The peer of all messages under way, or −1.
  int waits_for() const { return active_.size() == 1 && own_.idle() ? active_[0] : -1; }

  /// True where anything moved. What cannot go on ends the session.
  bool progress() {
    return guarded([this] { return progress_active(); });
  }

  /// Takes what has come from anybody, so that nobody's short messages wait for
  /// this rank to ask for them.
  bool drain() {
    return guarded([this] { return progress_others(); });
  }

  /// Declares what keeps a message from ending: a peer that has left, a link that
  /// has lost something or, once somebody has waited for `deadline` seconds, that
  /// the other side does not come.
  void examine(double deadline) {
    const double t = now();
    for (std::size_t p = 0; p < channels_.size(); ++p) {
      message_channel* c = channels_[p].channel.get();
      if (c && c->idle()) continue;
      const int peer = static_cast<int>(p);
      const rank_status* s = c ? link_->status_of(peer) : nullptr;
      current_ = peer;
      const bool gone = s && s->left.load(std::memory_order_acquire);
      if (gone && guarded([&] { return c->progress(*this); })) continue;
      if (gone && !lost_for_long(channels_[p].gone_since, t)) continue;
      auto look = [&](posted_message& m) {
        if (joined_.board().any()) return;
        if (gone) return declare_left(m);
        if (c && c->broken()) return declare_lost(m);
        const bool awaited = m.awaited.load(std::memory_order_relaxed) || (m.part_of && m.part_of->awaited.load(std::memory_order_relaxed));
        if (!awaited) return;
        if (m.waits_since == 0) {
          m.waits_since = t;
          publish(m);
        }
        if (t - m.waits_since > deadline) declare_late(m, s, deadline);
      };
      if (c) c->each(look);
      else own_.each(look);
    }
  }

  /// Ends all messages as failed.
  void fail() {
    link_->status().entered.store(link_->status().completed.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    // First all lines are read: whoever is told that its message has ended may use it again.
    auto end = [this](posted_message& m) { lost_.push(m); };
    take_submitted();
    accepted_.each(end);
    accepted_ = {};
    for (peer_state& p : channels_)
      if (p.channel) {
        p.channel->each(end);
        p.channel->clear();
      }
    own_.each(end);
    own_.clear();
    while (!lost_.empty()) finish(lost_.pop(), operation::stage::failed);
  }

  const flight_recorder& recorder() const { return recorder_; }

  /// The last messages, as people read them `t` seconds after the clock began.
  std::string last(double t) const {
    const auto records = recorder_.read();
    std::string text;
    if (!records.empty()) text = format("\n  the last %zu messages%s:", records.size(), of_communicator(key_, members_).c_str());
    for (const operation_record& r : records) text += "\n    " + describe(r, t);
    return text;
  }

  /// The collective that will fail if a message does: what is known of a failure
  /// is said by its `operation_id`.
  std::uint64_t next_operation() const {
    return operation_id(key_, collectives_.completed.load(std::memory_order_relaxed) + 1);
  }

  // Called by the channels.
  void done(posted_message& m) {
    if (m.lent) {
      // After a verdict its owner may have written to it: whoever has seen that
      // must see the verdict as well.
      if constexpr (!under_thread_sanitizer) std::atomic_thread_fence(std::memory_order_acquire);
      if (joined_.board().any()) return lost_.push(m);
    }
    if (m.published) {
      // Peers that were told that this rank waits hear that it does not.
      const call nothing{};
      tell(nothing, 0);
    }
    (m.sends ? counts_.messages_sent : counts_.messages_received).add(m.bytes);
    finish(m, operation::stage::done);
  }
  void differ(posted_message& mine, const call& theirs) {
    const int peer = world(current_);
    blame(errc::mismatch, peer,
          format("ranks called different things: rank %d called %s, rank %d called %s%s", world(me_), describe(mine.what).c_str(),
                 peer, describe(theirs).c_str(), of_communicator(key_, members_).c_str()));
  }

 private:
  struct peer_state {
    std::unique_ptr<message_channel> channel;  // null: this rank itself
    bool active = false;
    double gone_since = 0;
  };

  int world(int peer) const { return members_[static_cast<std::size_t>(peer)]; }

  template <class Move>
  bool guarded(Move move) {
    if (joined_.board().any()) return false;
    int rank = world(me_);
    std::string why;
    try {
      return move();
    } catch (const error& e) {
      rank = e.rank();
      why = e.what();
    } catch (const std::exception& e) {
      why = e.what();
    }
    blame(errc::link, rank,
          format("rank %d: %s; a message%s could not be completed", world(me_), why.c_str(), of_communicator(key_, members_).c_str()));
    return false;
  }

  bool progress_active() {
    bool moved = accept();
    for (std::size_t i = 0; i < active_.size();) {
      peer_state& p = channels_[static_cast<std::size_t>(active_[i])];
      current_ = active_[i];
      moved |= p.channel->progress(*this);
      if (!p.channel->idle()) {
        ++i;
        continue;
      }
      p.active = false;
      active_[i] = active_.back();
      active_.pop_back();
    }
    return moved;
  }
  bool progress_others() {
    bool moved = false;
    for (std::size_t p = 0; p < channels_.size(); ++p)
      if (channels_[p].channel && !channels_[p].active) {
        current_ = static_cast<int>(p);
        moved |= channels_[p].channel->progress(*this);
      }
    return moved;
  }

  // In the order in which they were submitted.
  void take_submitted() {
    posted_message* newest = submitted_.exchange(nullptr, std::memory_order_acquire);
    posted_message* oldest = nullptr;
    while (newest) {
      posted_message* next = newest->behind;
      newest->behind = oldest;
      oldest = newest;
      newest = next;
    }
    while (oldest) {
      posted_message& m = *oldest;
      oldest = m.behind;
      accepted_.push(m);
      ++open_;
      m.begun_at = listener_.tell ? now() : coarse_now();
      recorder_.begin(m.issued, m.what, m.mark.fingerprint, m.begun_at);
    }
  }

  bool accept() {
    if (submitted_.load(std::memory_order_relaxed)) take_submitted();
    if (accepted_.empty()) return false;
    while (!accepted_.empty()) {
      posted_message& m = *accepted_.first();
      current_ = m.peer;  // once posted, it may have ended and be another
      peer_state& p = channels_[static_cast<std::size_t>(current_)];
      if (p.channel) p.channel->open();  // what may throw comes first
      else own_.open();
      accepted_.pop();
      if (!p.channel) {
        own_.post(m, *this);
        continue;
      }
      p.channel->post(m, *this);
      if (!p.active) {
        p.active = true;
        active_.push_back(current_);
      }
    }
    return true;
  }

  void finish(posted_message& m, operation::stage how) {
    --open_;
    const auto is = how == operation::stage::done ? operation_record::state::done : operation_record::state::failed;
    const double ended = listener_.tell ? now() : coarse_now();
    recorder_.end(m.issued, is, ended);
    if (listener_.tell) listener_.tell(listener_.context, *listener_.of, {.number = m.issued, .what = m.what, .is = is, .begun = m.begun_at, .ended = ended});
    detail::finish(m, how);  // from here on it may be another
  }

  void tell(const call& what, std::uint64_t shape) {
    rank_status& s = link_->status();
    call numbered = what;
    numbered.number = s.completed.load(std::memory_order_relaxed) + 1;
    s.enter(numbered, shape, numbered.number);
    s.completed.store(numbered.number, std::memory_order_relaxed);
    link_->tell(numbered, shape);
  }
  void publish(posted_message& m) {
    m.published = true;
    tell(m.what, m.mark.fingerprint);
  }

  void blame(errc code, int rank, const std::string& why) {
    verdict v{.code = code, .rank = rank, .operation = next_operation()};
    v.say(why);
    joined_.declare(v);
  }
  void declare_left(const posted_message& m) {
    blame(errc::rank_failed, world(m.peer),
          format("rank %d left the communicator%s, and rank %d waits for it in %s", world(m.peer), of_communicator(key_, members_).c_str(),
                 world(me_), describe(m.what).c_str()));
  }
  void declare_lost(const posted_message& m) {
    blame(errc::link, world(m.peer),
          format("what rank %d sent to rank %d is lost%s", world(m.peer), world(me_), of_communicator(key_, members_).c_str()));
  }
  void declare_late(const posted_message& m, const rank_status* peer, double deadline) {
    std::string other = "lives";
    if (m.peer == me_) other = "is the same";
    else if (peer)
      if (const auto theirs = peer->astray(peer->entered.load(std::memory_order_acquire), 0)) other += ", and waits in " + describe(*theirs);
    blame(errc::deadline, world(m.peer),
          format("rank %d waited %g s in %s%s; rank %d %s", world(me_), deadline, describe(m.what).c_str(),
                 of_communicator(key_, members_).c_str(), world(m.peer), other.c_str()));
  }

  std::unique_ptr<link> link_;
  const std::vector<int>& members_;
  communicator_key key_;
  int me_;
  fabric& joined_;
  const rank_status& collectives_;
  detail::counter_block& counts_;
  listener listener_;
  flight_recorder recorder_;

  std::uint64_t issued_ = 0;  // the caller's
  alignas(64) std::atomic<posted_message*> submitted_{nullptr};

  std::vector<peer_state> channels_;  // by peer
  std::vector<int> active_;           // peers with messages under way
  std::size_t open_ = 0;
  int current_ = 0;  // the peer whose channel moves
  own_messages own_;
  message_line accepted_;  // but not posted yet
  message_line lost_;      // ended, but nobody may know
};

}  // namespace tutti
