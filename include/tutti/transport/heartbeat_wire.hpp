#pragma once
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <sys/random.h>
#include <sys/socket.h>

#include <tutti/base/error.hpp>
#include <tutti/base/socket.hpp>
#include <tutti/base/span.hpp>

namespace tutti::detail {

// What the monitors of a session say to each other. All are of one build, so
// numbers keep the byte order of the machine: another order has another magic.

/// Known to the ranks of one session only; stands in everything they say.
struct session_secret {
  std::uint64_t words[2] = {};

  static session_secret fresh() {
    session_secret s;
    if (::getrandom(s.words, sizeof s.words, 0) != static_cast<ssize_t>(sizeof s.words))
      throw error(errc::link, format("no random numbers for the session's secret: %s", std::strerror(errno)));
    return s;
  }
  bool operator==(const session_secret& other) const {
    return ((words[0] ^ other.words[0]) | (words[1] ^ other.words[1])) == 0;
  }
};

enum class heartbeat_kind : std::uint32_t {
  hello,     ///< first words of who connects: `rank` speaks, `operation` is the rank it looks for
  welcome,   ///< the answer: `rank` speaks
  beat,      ///< I live
  ask,       ///< do you live, and what do you wait in? `operation` 1: a verdict follows
  stuck,     ///< the answer: in `operation`, 0 in none
  suspect,   ///< to the coordinator: a connection to `rank` broke
  report,    ///< to the coordinator: a verdict that one rank would give
  verdict,   ///< the verdict; whoever gets it first says it on, to the sender too
  left,      ///< a byte a rank: 1 where it has left
  goodbye,   ///< I leave, and my end is no failure
  released,  ///< I have a new coordinator: the old one may go
  gather,    ///< after a verdict, to who leads the survivors: my part of all-gather `operation`
  gathered,  ///< its answer: the length of each rank's part, then the parts
  scattered, ///< the survivors cannot go on, `rank` being lost: why
};

struct heartbeat_frame {
  static constexpr std::uint64_t right_magic = 0x32'2d'69'74'74'75'54'89;  // no text starts with 0x89

  std::uint64_t magic = right_magic;
  session_secret secret{};
  heartbeat_kind kind = heartbeat_kind::beat;
  std::int32_t rank = -1;
  std::uint64_t operation = 0;
  std::uint64_t length = 0;  ///< bytes that follow
};
static_assert(sizeof(heartbeat_frame) == 48);

/// One connection between two monitors. Nothing in it waits.
class heartbeat_line : public frame_reader<heartbeat_frame> {
 public:
  enum class stage : std::uint8_t {
    connecting,  ///< to `peer`
    greeting,    ///< hello was said; `peer` has not answered
    unknown,     ///< somebody connected and has not said who
    open,        ///< `peer` is there
    closed,
  };

  heartbeat_line(socket s, const session_secret& secret, stage first, int to, double t)
      : now_in(first), peer(to), since(t), heard(t), socket_(std::move(s)), secret_(secret) {}

  stage now_in;
  int peer;
  double since, heard;          ///< when it began, and when something came last
  double asked = 0;             ///< when an answer was asked for, 0 where none is due
  std::size_t way = 0;          ///< which of the peer's addresses
  bool knows_verdict = false, said_goodbye = false, released = false;  // the peer

  int descriptor() const { return socket_.descriptor(); }
  int why_unconnected() const { return detail::why_unconnected(socket_); }
  bool open() const { return now_in == stage::open; }
  bool has_more_to_say() const { return said_ < out_.size(); }

  void say(heartbeat_kind kind, int rank = -1, std::uint64_t operation = 0, bytes_view more = {}) {
    const heartbeat_frame f{.secret = secret_, .kind = kind, .rank = rank, .operation = operation, .length = more.size()};
    const bytes_view head = bytes_of(f);
    out_.insert(out_.end(), head.begin(), head.end());
    out_.insert(out_.end(), more.begin(), more.end());
  }

  /// Sends what can be sent now. What fails is seen by who reads.
  void flush() {
    while (has_more_to_say()) {
      const ssize_t n = ::send(socket_.descriptor(), out_.data() + said_, out_.size() - said_, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) break;
      said_ += static_cast<std::size_t>(n);
    }
    if (!has_more_to_say()) {
      out_.clear();
      said_ = 0;
    }
  }

  /// Reads up to one frame of this session, with at most `most` bytes behind it.
  transfer read(std::size_t most, double t) {
    const transfer moved = read_frame(socket_, most, [&](const heartbeat_frame& f) {
      return f.magic == heartbeat_frame::right_magic && f.secret == secret_;
    });
    if (moved == transfer::moved) heard = t;
    return moved;
  }

  /// Ends it; what was said before still arrives.
  void close() {
    if (socket_) ::shutdown(socket_.descriptor(), SHUT_WR);
    socket_ = socket();
    now_in = stage::closed;
  }

 private:
  socket socket_;
  session_secret secret_;
  std::vector<std::byte> out_;
  std::size_t said_ = 0;
};

}  // namespace tutti::detail
