#pragma once
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <poll.h>

#include <tutti/base/clock.hpp>
#include <tutti/base/error.hpp>
#include <tutti/base/log.hpp>
#include <tutti/launch/rank_list.hpp>
#include <tutti/launch/socket.hpp>
#include <tutti/launch/tcp_wire.hpp>

namespace tutti::detail {

inline constexpr double tcp_hello_time = 5;       ///< seconds that a connection gets to say who it is
inline constexpr std::size_t tcp_strangers = 64;  ///< connections beyond the job's that may be about to say so

inline std::string tcp_where(const tcp_options& options) {
  bool v6 = options.host.find(':') != std::string::npos;
  return format(v6 ? "[%s]:%d" : "%s:%d", options.host.c_str(), options.port);
}

/// Rank 0's side of joining: takes connections until every rank has said who
/// it is. What does not speak the protocol is dropped; an error of the job's
/// own goes to all that have joined.
class tcp_lobby {
 public:
  explicit tcp_lobby(const tcp_options& options)
      : options_(options), me_(options), peers_(static_cast<std::size_t>(options.size)),
        deadline_(now() + options.join_timeout) {
    peers_[0].name = me_.name();
  }

  /// The connections, by rank; the one of rank 0 is empty.
  std::vector<tcp_peer> gather_all(socket listener) {
    listener_ = std::move(listener);
    try {
      while (joined_ + 1 < options_.size) serve();
    } catch (const error& e) {
      for (const tcp_peer& p : peers_)
        if (p.line) p.send_failure(e);
      throw;
    }
    for (const tcp_peer& p : peers_)  // who is gone by now is found missing at the first all-gather
      if (p.line) p.send({.kind = tcp_kind::welcome}, {}, deadline_ + 1);
    return std::move(peers_);
  }

 private:
  struct guest {
    socket line;
    double until = 0;
    tcp_hello hello;
    std::size_t got = 0;
  };

  void serve() {
    std::vector<pollfd> polled{{listener_.descriptor(), POLLIN, 0}};
    double wake = deadline_;
    for (const guest& g : guests_) {
      polled.push_back({g.line.descriptor(), POLLIN, 0});
      if (g.until < wake) wake = g.until;
    }
    for (const tcp_peer& p : peers_)
      if (p.line) polled.push_back({p.line.descriptor(), POLLIN, 0});
    ::poll(polled.data(), polled.size(), milliseconds_until(wake));
    if (now() >= deadline_) throw_missing();

    // Nobody who has joined speaks before the welcome, so this is an end.
    for (std::size_t r = 1; r < peers_.size(); ++r)
      if (peers_[r].line && peers_[r].read(tcp_longest_text) == transfer::closed)
        throw error(errc::rank_died,
                    format("rank %zu (%s) ended before all ranks had joined", r, peers_[r].name.c_str()),
                    static_cast<int>(r));
    std::vector<guest> still;
    for (guest& g : guests_)
      if (listen_to(g)) still.push_back(std::move(g));
    guests_ = std::move(still);
    take_connections();
  }

  void take_connections() {
    for (;;) {
      socket line = accept_at(listener_);
      if (!line) return;
      if (guests_.size() >= peers_.size() + tcp_strangers) guests_.erase(guests_.begin());
      guests_.push_back({std::move(line), now() + tcp_hello_time, tcp_hello{}, 0});
    }
  }

  /// False where the connection has been taken in, or dropped.
  bool listen_to(guest& g) {
    transfer t = receive_some(g.line, &g.hello, sizeof g.hello, g.got);
    std::size_t start = g.got < sizeof tcp_magic ? g.got : sizeof tcp_magic;
    if (t == transfer::closed || now() >= g.until || std::memcmp(&g.hello.magic, &tcp_magic, start) != 0) {
      log(log_level::info, "dropped a connection that does not speak Tutti's protocol");
      return false;
    }
    if (g.got < sizeof g.hello) return true;
    take_in(g);
    return false;
  }

  void take_in(guest& g) {
    const tcp_hello& h = g.hello;
    tcp_peer peer;
    peer.line = std::move(g.line);
    peer.name = h.name();
    if (h.version == tcp_version && h.job != me_.job) {
      peer.send_failure(error(errc::launch, format("rank 0 (%s) at %s serves another job", me_.name().c_str(),
                                                   tcp_where(options_).c_str())));
      return;
    }
    try {
      check(h, peer.name);
    } catch (const error& e) {
      peer.send_failure(e);
      throw;
    }
    if (peer.send({.kind = tcp_kind::accepted}, {}, now() + 1) != transfer::moved) return;
    peers_[static_cast<std::size_t>(h.rank)] = std::move(peer);
    ++joined_;
  }

  void check(const tcp_hello& h, const std::string& name) const {
    if (h.version != tcp_version)
      throw error(errc::launch, format("%s runs another version of Tutti than rank 0 (%s)", name.c_str(),
                                       me_.name().c_str()), h.rank);
    if (h.size != options_.size)
      throw error(errc::launch, format("rank %d (%s) says that there are %d ranks, rank 0 (%s) that there are %d",
                                       h.rank, name.c_str(), h.size, me_.name().c_str(), options_.size), h.rank);
    if (h.rank < 0 || h.rank >= options_.size)
      throw error(errc::launch, format("%s says it is rank %d of %d", name.c_str(), h.rank, h.size));
    const tcp_peer& before = peers_[static_cast<std::size_t>(h.rank)];
    if (h.rank == 0 || before.line)
      throw error(errc::launch, format("two processes say they are rank %d: %s and %s", h.rank, before.name.c_str(),
                                       name.c_str()), h.rank);
  }

  [[noreturn]] void throw_missing() const {
    std::vector<int> missing;
    for (int r = 1; r < options_.size; ++r)
      if (!peers_[static_cast<std::size_t>(r)].line) missing.push_back(r);
    throw error(errc::deadline, format("%s of %d did not join at %s within %g s", rank_list(missing).c_str(),
                                       options_.size, tcp_where(options_).c_str(), options_.join_timeout),
                missing.front());
  }

  const tcp_options& options_;
  tcp_hello me_;
  socket listener_;
  std::vector<tcp_peer> peers_;
  std::vector<guest> guests_;
  double deadline_;
  int joined_ = 0;
};

/// What an attempt to join came to: a peer that has accepted us, or why not.
struct tcp_attempt {
  tcp_peer root;
  bool accepted = false;
  std::string why;
};

/// One attempt to be accepted at `where`. Throws where an answer came that no
/// further attempt would change.
inline tcp_attempt tcp_knock(const tcp_options& options, const address& where, double deadline) {
  tcp_attempt attempt;
  double patience = now() + tcp_hello_time < deadline ? now() + tcp_hello_time : deadline;
  attempt.root.line = connect_to(where, patience, attempt.why);
  if (!attempt.root.line) return attempt;
  attempt.root.name = where.text();
  tcp_hello hello(options);
  transfer t = send_all(attempt.root.line, &hello, sizeof hello, deadline);
  if (t == transfer::moved) t = attempt.root.read_until(deadline, tcp_longest_text);
  if (t == transfer::closed && attempt.root.begun())
    throw error(errc::launch, format("what answers at %s is not rank 0 of a Tutti program", where.text().c_str()), 0);
  if (t == transfer::closed) attempt.why = "it closed the connection";
  if (t == transfer::later) attempt.why = "it took the connection and did not answer";
  if (t != transfer::moved) return attempt;
  if (attempt.root.frame.kind == tcp_kind::failure) throw attempt.root.failure();
  attempt.accepted = true;
  return attempt;
}

/// Every other rank's side of joining: tries rank 0 until it answers, then
/// waits until all have joined.
inline tcp_peer tcp_join(const tcp_options& options) {
  double deadline = now() + options.join_timeout, pause = 0.02;
  std::string why;
  tcp_attempt attempt;
  while (!attempt.accepted) {
    for (const address& where : resolve(options.host, options.port, why)) {
      attempt = tcp_knock(options, where, deadline);
      if (attempt.accepted) break;
      why = attempt.why;
    }
    if (attempt.accepted) break;
    if (now() + pause >= deadline)
      throw error(errc::deadline, format("rank 0 was not there at %s within %g s: %s", tcp_where(options).c_str(),
                                         options.join_timeout, why.c_str()), 0);
    ::poll(nullptr, 0, static_cast<int>(1e3 * pause));
    if (pause < 0.5) pause *= 2;
  }
  // Rank 0 lives, and decides by its own clock, which may have started later than ours.
  double patience = options.join_timeout + (options.join_timeout < tcp_hello_time ? options.join_timeout : tcp_hello_time);
  transfer t = attempt.root.read_until(now() + patience, tcp_longest_text);
  if (t == transfer::later)
    throw error(errc::deadline, format("rank 0 at %s did not say within %g s that all ranks have joined",
                                       tcp_where(options).c_str(), patience), 0);
  if (t == transfer::closed)
    throw error(errc::rank_died, format("rank 0 at %s ended before all ranks had joined", tcp_where(options).c_str()), 0);
  if (attempt.root.frame.kind == tcp_kind::failure) throw attempt.root.failure();
  return std::move(attempt.root);
}

/// Where rank 0 finds its port taken: if another process of this job holds it,
/// that one hears of us too, and says so.
[[noreturn]] inline void tcp_throw_taken(const tcp_options& options, const std::string& why) {
  std::string ignored;
  double deadline = now() + (options.join_timeout < 2 ? options.join_timeout : 2);
  for (const address& where : resolve(options.host, options.port, ignored)) {
    try {
      tcp_knock(options, where, deadline);
    } catch (const error& e) {
      if (e.rank() == 0 && e.code() == errc::launch && std::strstr(e.what(), "two processes")) throw;
    }
  }
  throw error(errc::launch, format("rank 0 cannot listen at %s: %s", tcp_where(options).c_str(), why.c_str()), 0);
}

}  // namespace tutti::detail
