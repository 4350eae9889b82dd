#pragma once
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/socket.h>

#include <tutti/transport/heartbeat_wire.hpp>
#include <tutti/transport/reach.hpp>

namespace tutti::detail {

/// The connections of one rank's monitor to others: takes those that come,
/// makes those that are asked for, and knows who is at their other end. Used by
/// one thread; nothing waits but `wait`.
class peer_lines {
 public:
  using clock = double;  ///< seconds, as `now()` gives them
  static constexpr double stranger_time = 1.0;    ///< for whoever connects to say who it is
  static constexpr double next_way_after = 0.05;  ///< without an answer from one address, the next is tried too
  static constexpr double try_again_after = 0.2;  ///< all of them once more
  static constexpr std::size_t most_payload = std::size_t{64} << 20;

  peer_lines(int rank, std::vector<reach> ranks, std::vector<std::uint16_t> ports, const session_secret& secret,
             socket listener)
      : rank_(rank), ranks_(std::move(ranks)), ports_(std::move(ports)), secret_(secret), listener_(std::move(listener)),
        refused_(ranks_.size()) {}

  std::size_t size() const { return ranks_.size(); }
  const reach& about(int rank) const { return ranks_[static_cast<std::size_t>(rank)]; }

  heartbeat_line* to(int peer) {
    for (const auto& l : lines_)
      if (l->open() && l->peer == peer) return l.get();
    return nullptr;
  }
  template <class F>
  void each_open(F f) {
    for (const auto& l : lines_)
      if (l->open()) f(*l);
  }

  /// To peers that have been told who this rank is, and have not answered yet: they read
  /// it after that, if only once the line has ended.
  void say_before_welcome(heartbeat_kind kind) {
    for (const auto& l : lines_)
      if (l->now_in == heartbeat_line::stage::greeting) {
        l->say(kind, rank_);
        l->flush();
      }
  }

  /// Connects to a peer, trying its addresses in turn, until it answers or
  /// `stop_dialing`.
  void dial(int peer, clock t) {
    for (const dialled& d : dials_)
      if (d.peer == peer) return;
    if (to(peer)) return;
    const auto r = static_cast<std::size_t>(peer);
    dials_.push_back({.peer = peer, .ways = ranks_[static_cast<std::size_t>(rank_)].ways_to(ranks_[r], ports_[r]), .at = t});
  }
  void stop_dialing(int peer) {
    std::erase_if(dials_, [&](const dialled& d) { return d.peer == peer; });
    // Once hello was said, the end of a line would look like the end of this rank.
    for (const auto& l : lines_)
      if (l->peer == peer && l->now_in == heartbeat_line::stage::connecting) l->close();
  }
  /// Whether the last that was heard from a peer's addresses was that nobody
  /// listens there.
  bool refused(int peer) const { return refused_[static_cast<std::size_t>(peer)] != 0; }

  /// Something must be looked at soon.
  bool restless() const {
    if (!dials_.empty()) return true;
    for (const auto& l : lines_)
      if (l->now_in == heartbeat_line::stage::unknown) return true;
    return false;
  }
  bool all_said() const {
    for (const auto& l : lines_)
      if (l->open() && l->has_more_to_say()) return false;
    return true;
  }

  /// Sleeps until something comes here or at `wake`, or `seconds` have passed.
  void wait(int wake, double seconds, clock t) {
    polled_.clear();
    polled_.push_back({wake, POLLIN, 0});
    if (t >= accept_after_) polled_.push_back({listener_.descriptor(), POLLIN, 0});
    for (const auto& l : lines_) {
      const bool to_write = l->now_in == heartbeat_line::stage::connecting || l->has_more_to_say();
      polled_.push_back({l->descriptor(), static_cast<short>(to_write ? POLLIN | POLLOUT : POLLIN), 0});
    }
    ::poll(polled_.data(), polled_.size(), static_cast<int>(1e3 * seconds) + 1);
  }

  /// Moves everything that can be moved. Calls `opened(line)` for a new
  /// connection with a peer, `came(line)` for each frame, and `ended(line)`
  /// where an open one has come to its end.
  template <class Events>
  void move(clock t, Events& events) {
    accept(t);
    dial_on(t);
    for (std::size_t i = 0; i < lines_.size(); ++i) {  // events may add lines
      heartbeat_line& l = *lines_[i];
      if (l.now_in == heartbeat_line::stage::connecting) finish_connecting(l);
      if (l.now_in == heartbeat_line::stage::closed || l.now_in == heartbeat_line::stage::connecting) continue;
      read(l, t, events);
      if (l.now_in == heartbeat_line::stage::unknown && t - l.since > stranger_time) l.close();
    }
    flush();
  }

  void flush() {
    each_open([](heartbeat_line& l) { l.flush(); });
    std::erase_if(lines_, [](const auto& l) { return l->now_in == heartbeat_line::stage::closed; });
  }

  void close_all() {
    for (const auto& l : lines_) l->close();
    lines_.clear();
    dials_.clear();
    listener_ = socket();
  }

 private:
  struct dialled {
    int peer;
    std::vector<address> ways;
    std::size_t next = 0;
    clock at;
  };

  void accept(clock t) {
    if (t < accept_after_) return;
    std::size_t unknown = 0;
    for (const auto& l : lines_) unknown += l->now_in == heartbeat_line::stage::unknown;
    for (;;) {
      socket s = accept_at(listener_);
      if (!s) {
        // Out of descriptors, say: what waits is taken later.
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) accept_after_ = t + 0.1;
        if (errno != EINTR && errno != ECONNABORTED) return;
        continue;
      }
      if (unknown >= 64 + 4 * size()) continue;  // strangers, for all one can tell
      ++unknown;
      add(std::move(s), heartbeat_line::stage::unknown, -1, t);
    }
  }

  heartbeat_line& add(socket s, heartbeat_line::stage first, int peer, clock t) {
    lines_.push_back(std::make_unique<heartbeat_line>(std::move(s), secret_, first, peer, t));
    return *lines_.back();
  }

  void dial_on(clock t) {
    for (dialled& d : dials_) {
      if (t < d.at || d.ways.empty()) continue;
      const std::size_t way = d.next;
      d.next = (d.next + 1) % d.ways.size();
      d.at = t + (d.next == 0 ? try_again_after : next_way_after);
      bool under_way = false;
      for (const auto& l : lines_) under_way |= l->peer == d.peer && l->way == way;
      if (under_way) continue;
      socket s = open_socket(d.ways[way]);
      if (!s) continue;
      if (::connect(s.descriptor(), d.ways[way].get(), d.ways[way].length) != 0 && errno != EINPROGRESS) {
        note_failure(d.peer, errno);
        continue;
      }
      add(std::move(s), heartbeat_line::stage::connecting, d.peer, t).way = way;
    }
  }

  void note_failure(int peer, int why) { refused_[static_cast<std::size_t>(peer)] = why == ECONNREFUSED; }

  void finish_connecting(heartbeat_line& l) {
    pollfd fd{l.descriptor(), POLLOUT, 0};
    if (::poll(&fd, 1, 0) != 1) return;
    const int why = l.why_unconnected();
    note_failure(l.peer, why);
    if (why != 0) return l.close();
    l.now_in = heartbeat_line::stage::greeting;
    l.say(heartbeat_kind::hello, rank_, static_cast<std::uint64_t>(l.peer));
    l.flush();
  }

  template <class Events>
  void read(heartbeat_line& l, clock t, Events& events) {
    for (;;) {
      const transfer moved = l.read(l.open() ? most_payload : 0, t);
      if (moved == transfer::later) return;
      const bool was_open = l.open();
      if (moved == transfer::closed || (!was_open && !introduced(l))) {
        if (!was_open && l.peer >= 0) note_failure(l.peer, ECONNREFUSED);
        l.close();
        if (was_open) events.ended(l);
        return;
      }
      if (was_open) {
        events.came(l);
      } else {
        l.now_in = heartbeat_line::stage::open;
        stop_dialing(l.peer);
        events.opened(l);
      }
    }
  }

  /// Whether the first frame says that a peer is there that belongs there.
  bool introduced(heartbeat_line& l) {
    const bool called = l.now_in == heartbeat_line::stage::unknown;
    const heartbeat_frame& f = l.frame;
    if (f.kind != (called ? heartbeat_kind::hello : heartbeat_kind::welcome)) return false;
    if (f.rank < 0 || static_cast<std::size_t>(f.rank) >= size() || f.rank == rank_) return false;
    if (!called) return f.rank == l.peer;
    if (f.operation != static_cast<std::uint64_t>(rank_)) return false;
    l.peer = f.rank;
    l.way = static_cast<std::size_t>(-1);
    l.say(heartbeat_kind::welcome, rank_);
    return true;
  }

  int rank_;
  std::vector<reach> ranks_;
  std::vector<std::uint16_t> ports_;
  session_secret secret_;
  socket listener_;
  std::vector<char> refused_;
  std::vector<std::unique_ptr<heartbeat_line>> lines_;
  std::vector<dialled> dials_;
  std::vector<pollfd> polled_;
  clock accept_after_ = 0;
};

}  // namespace tutti::detail
