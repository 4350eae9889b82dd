#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <poll.h>

#include <tutti/base/bootstrap.hpp>
#include <tutti/base/clock.hpp>
#include <tutti/base/error.hpp>
#include <tutti/base/packing.hpp>
#include <tutti/launch/rank_list.hpp>
#include <tutti/launch/tcp_join.hpp>
#include <tutti/launch/tcp_wire.hpp>

namespace tutti {

/// Ranks that find each other over TCP, IPv4 or IPv6: all others connect to
/// rank 0, which passes everything on. An all-gather costs two messages a rank,
/// and rank 0 sends (size−1) times the sum of the contributions, each of which
/// is at most 64 MiB. Move-only.
///
/// Anyone who reaches rank 0's port and speaks the protocol may join while the
/// ranks gather (the port is closed after that): use it on networks you trust.
class tcp_bootstrap {
 public:
  /// Collective. Throws, on every rank that rank 0 knows of, `deadline` where
  /// ranks are missing, which it names, and `launch` where two say they are the
  /// same rank or ranks disagree on their number; `deadline` where rank 0 is
  /// not there.
  explicit tcp_bootstrap(const tcp_options& options) : options_(options) {
    if (options.size < 1 || options.rank < 0 || options.rank >= options.size)
      throw error(errc::invalid_argument, format("rank %d of %d ranks does not exist", options.rank, options.size));
    if (options.size == 1) return;
    if (options.rank != 0) {
      peers_.push_back(detail::tcp_join(options_));
      return;
    }
    std::string why;
    detail::socket listener = detail::listen_for(options.host, options.port, why);
    if (!listener) detail::tcp_throw_taken(options_, why);
    peers_ = detail::tcp_lobby(options_).gather_all(std::move(listener));
  }

  int rank() const { return options_.rank; }
  int size() const { return options_.size; }

  /// Throws, on every rank, `rank_died` or `rank_failed` with the rank at
  /// fault, or `deadline` with all that are missing; then at every later call.
  contributions all_gather(bytes_view mine) {
    if (failed_) throw *failed_;
    if (size() == 1) return {{mine.begin(), mine.end()}};
    if (mine.size() > detail::tcp_most_bytes)
      throw_to_all(error(errc::invalid_argument,
                         format("rank %d gave %zu bytes to an all-gather over tcp, which takes %zu", rank(), mine.size(),
                                detail::tcp_most_bytes), rank()));
    ++round_;
    return rank() == 0 ? gather_at_root(mine) : gather_through_root(mine);
  }

  void fail(const char* why, int culprit = -1) noexcept {
    if (failed_) return;
    try {
      throw_to_all(error(errc::rank_failed, format("rank %d gave up: %s", rank(), why), culprit < 0 ? rank() : culprit));
    } catch (...) {  // the others have been told; the caller knows
    }
  }

 private:
  contributions gather_at_root(bytes_view mine) {
    std::size_t count = peers_.size(), come = 1;
    contributions all(count);
    all[0].assign(mine.begin(), mine.end());
    std::vector<bool> here(count);
    double deadline = now() + options_.timeout;
    for (std::size_t first = 1; come < count; first = 0) {
      std::vector<pollfd> polled;
      for (std::size_t r = 1; r < count; ++r) polled.push_back({peers_[r].line.descriptor(), POLLIN, 0});
      // Whoever has come stays watched, for its end.
      if (first == 0) ::poll(polled.data(), polled.size(), detail::milliseconds_until(deadline));
      for (std::size_t r = 1; r < count; ++r)
        if (take_from(r, here[r])) {
          all[r] = std::move(peers_[r].payload);
          here[r] = true;
          ++come;
        }
      if (come < count && now() >= deadline) throw_late(here);
    }
    send_result(all);
    return all;
  }

  /// True where rank r's contribution has come whole.
  bool take_from(std::size_t r, bool already_here) {
    detail::tcp_peer& peer = peers_[r];
    int number = static_cast<int>(r);
    detail::transfer t = peer.read(detail::tcp_most_bytes);
    if (t == detail::transfer::closed)
      throw_to_all(error(errc::rank_died, format("rank %d (%s) closed its connection while others waited for it in an "
                                                 "all-gather of the bootstrap", number, peer.name.c_str()), number));
    if (t == detail::transfer::later) return false;
    if (peer.frame.kind == detail::tcp_kind::failure) throw_to_all(peer.failure());
    if (already_here || peer.frame.kind != detail::tcp_kind::data || peer.frame.round != round_)
      throw_to_all(error(errc::mismatch, format("rank %d (%s) is not in the same all-gather of the bootstrap as rank 0",
                                                number, peer.name.c_str()), number));
    return true;
  }

  void send_result(const contributions& all) {
    const std::vector<std::byte> bytes = pack(all);
    for (std::size_t r = 1; r < peers_.size(); ++r) {
      detail::transfer t = peers_[r].send({.kind = detail::tcp_kind::result, .round = round_}, bytes, now() + options_.timeout);
      int number = static_cast<int>(r);
      if (t != detail::transfer::moved)
        throw_to_all(error(t == detail::transfer::closed ? errc::rank_died : errc::deadline,
                           format("rank %d (%s) did not take what an all-gather of the bootstrap gave", number,
                                  peers_[r].name.c_str()), number));
    }
  }

  contributions gather_through_root(bytes_view mine) {
    detail::tcp_peer& root = peers_[0];
    // Rank 0 decides by its own clock who is late; it may come last itself.
    double deadline = now() + options_.timeout + detail::tcp_hello_time;
    detail::transfer t = root.send({.kind = detail::tcp_kind::data, .round = round_}, mine, deadline);
    std::size_t count = static_cast<std::size_t>(size());
    if (t != detail::transfer::later) t = root.read_until(deadline, count * (detail::tcp_most_bytes + 8));
    if (t == detail::transfer::closed)
      throw_here(error(errc::rank_died, format("rank 0 (%s) closed its connection in an all-gather of the bootstrap",
                                               root.name.c_str()), 0));
    if (t == detail::transfer::later)
      throw_here(error(errc::deadline, format("rank 0 (%s) did not answer in an all-gather of the bootstrap within %g s",
                                              root.name.c_str(), options_.timeout), 0));
    if (root.frame.kind == detail::tcp_kind::failure) throw_here(root.failure());
    contributions all(count);
    if (root.frame.kind != detail::tcp_kind::result || root.frame.round != round_ || !unpack(root.payload, all))
      throw_here(error(errc::mismatch, "rank 0 is not in the same all-gather of the bootstrap", 0));
    return all;
  }

  [[noreturn]] void throw_late(const std::vector<bool>& here) {
    std::vector<int> missing;
    for (std::size_t r = 1; r < here.size(); ++r)
      if (!here[r]) missing.push_back(static_cast<int>(r));
    throw_to_all(error_of_missing(missing, size(), options_.timeout));
  }

  [[noreturn]] void throw_here(const error& e) {
    failed_ = e;
    throw e;
  }

  [[noreturn]] void throw_to_all(const error& e) {
    for (const detail::tcp_peer& p : peers_)
      if (p.line) p.send_failure(e);
    throw_here(e);
  }

  tcp_options options_;
  std::vector<detail::tcp_peer> peers_;  // on rank 0 by rank, on the others rank 0 alone
  std::uint64_t round_ = 0;
  std::optional<error> failed_;
};

}  // namespace tutti
