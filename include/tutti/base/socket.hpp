#pragma once
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tutti/base/error.hpp>

namespace tutti::detail {

/// A TCP socket that never blocks; owns its descriptor. Move-only.
class socket {
 public:
  socket() = default;
  explicit socket(int descriptor) : descriptor_(descriptor) {}
  socket(socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  socket& operator=(socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~socket() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  int descriptor() const { return descriptor_; }
  explicit operator bool() const { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

/// How a read or write that does not block went.
enum class transfer { moved, later, closed };

/// Up to `count` bytes; adds what was read to `got`.
inline transfer receive_some(const socket& s, void* to, std::size_t count, std::size_t& got) {
  ssize_t n = ::recv(s.descriptor(), static_cast<std::byte*>(to) + got, count - got, 0);
  if (n > 0) return got += static_cast<std::size_t>(n), transfer::moved;
  return n < 0 && (errno == EAGAIN || errno == EINTR) ? transfer::later : transfer::closed;
}

/// Frames as they come: a head, whose `length` says how many bytes follow, and these.
template <class Head>
class frame_reader {
 public:
  Head frame{};
  std::vector<std::byte> payload;

  /// Reads up to one frame: `moved` where it is whole, in `frame` and `payload`
  /// until the next call; `closed` also where what came does not belong here, or
  /// has more than `most` bytes behind it.
  template <class Belongs>
  transfer read_frame(const socket& from, std::size_t most, Belongs belongs) {
    if (std::exchange(whole_, false)) got_ = 0;
    while (got_ < sizeof frame) {
      if (const transfer t = receive_some(from, &frame, sizeof frame, got_); t != transfer::moved) return t;
      if (got_ < sizeof frame) continue;
      if (!belongs(frame) || frame.length > most) return transfer::closed;
      payload.resize(static_cast<std::size_t>(frame.length));
    }
    while (got_ < sizeof frame + payload.size()) {
      std::size_t got = got_ - sizeof frame;
      if (const transfer t = receive_some(from, payload.data(), payload.size(), got); t != transfer::moved) return t;
      got_ = got + sizeof frame;
    }
    whole_ = true;
    return transfer::moved;
  }

  /// Whether any of a frame has come.
  bool begun() const { return got_ > 0; }

 private:
  std::size_t got_ = 0;
  bool whole_ = false;
};

/// A resolved address, and how people write it.
struct address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }

  std::string text() const {
    char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
    ::getnameinfo(get(), length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    return format(storage.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
  }

  bool is_loopback() const {
    if (storage.ss_family == AF_INET) {
      auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
      return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr) != 0;
  }
};

/// Where a socket is bound.
inline address address_of(const socket& s) {
  address a;
  a.length = sizeof a.storage;
  if (::getsockname(s.descriptor(), reinterpret_cast<sockaddr*>(&a.storage), &a.length) != 0) return {};
  return a;
}

/// Of a connection that was under way: 0, or the error number of why it failed.
inline int why_unconnected(const socket& s) {
  int why = 0;
  socklen_t length = sizeof why;
  ::getsockopt(s.descriptor(), SOL_SOCKET, SO_ERROR, &why, &length);
  return why;
}

inline socket without_delay(socket s) {
  const int on = 1;
  if (s) ::setsockopt(s.descriptor(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return s;
}
inline socket open_socket(const address& where) {
  return without_delay(socket(::socket(where.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP)));
}
/// A connection that waits at a socket that listens, or none and errno.
inline socket accept_at(const socket& listener) {
  return without_delay(socket(::accept4(listener.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)));
}

/// A socket that listens at `where`, or none and errno.
inline socket listen_at(const address& where) {
  socket s = open_socket(where);
  if (!s) return s;
  int on = 1, off = 0;
  ::setsockopt(s.descriptor(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (where.storage.ss_family == AF_INET6) ::setsockopt(s.descriptor(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(s.descriptor(), where.get(), where.length) != 0 || ::listen(s.descriptor(), 1024) != 0) {
    int failed = errno;
    s = socket();
    errno = failed;
  }
  return s;
}

}  // namespace tutti::detail
