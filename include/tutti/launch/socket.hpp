#pragma once
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <tutti/base/clock.hpp>
#include <tutti/base/socket.hpp>

namespace tutti::detail {

inline int milliseconds_until(double deadline) {
  double left = deadline - now();
  return left <= 0 ? 0 : left > 1e6 ? 1000000000 : static_cast<int>(1e3 * left) + 1;
}

/// Waits until `events` hold or the deadline; false at the deadline.
inline bool wait_for(const socket& s, short events, double deadline) {
  pollfd polled{s.descriptor(), events, 0};
  while (::poll(&polled, 1, milliseconds_until(deadline)) <= 0)
    if (now() >= deadline) return false;
  return true;
}

/// All of `count` bytes; `later` at the deadline.
inline transfer send_all(const socket& s, const void* from, std::size_t count, double deadline) {
  const std::byte* bytes = static_cast<const std::byte*>(from);
  while (count > 0) {
    ssize_t n = ::send(s.descriptor(), bytes, count, MSG_NOSIGNAL);
    if (n >= 0) {
      bytes += n;
      count -= static_cast<std::size_t>(n);
    } else if (errno == EAGAIN || errno == EINTR) {
      if (!wait_for(s, POLLOUT, deadline)) return transfer::later;
    } else {
      return transfer::closed;
    }
  }
  return transfer::moved;
}

/// The addresses of a host by name or number, IPv4 and IPv6; `why` says why
/// there are none. An empty name: any local address.
inline std::vector<address> resolve(const std::string& host, int port, std::string& why, bool numeric_only = false) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (host.empty() ? AI_PASSIVE : 0) | (numeric_only ? AI_NUMERICHOST : 0);
  int failed = ::getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(), &hints, &found);
  std::vector<address> all;
  if (failed != 0) {
    // A bare root may know no names at all; this one means the same everywhere (RFC 6761).
    if (host == "localhost" && !numeric_only) return resolve("127.0.0.1", port, why, true);
    why = failed == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(failed);
    return all;
  }
  for (addrinfo* a = found; a; a = a->ai_next) {
    address next;
    std::memcpy(&next.storage, a->ai_addr, a->ai_addrlen);
    next.length = a->ai_addrlen;
    all.push_back(next);
  }
  ::freeaddrinfo(found);
  return all;
}

/// Whether both ends of a connection are this socket, as can happen on a free
/// port of the own host, where the client is given the very port that it calls.
inline bool meets_itself(const socket& s) {
  const address mine = address_of(s);
  address theirs;
  theirs.length = sizeof theirs.storage;
  ::getpeername(s.descriptor(), reinterpret_cast<sockaddr*>(&theirs.storage), &theirs.length);
  return mine.length == theirs.length && std::memcmp(&mine.storage, &theirs.storage, mine.length) == 0;
}

/// A connected socket, or none and why. One that met itself does not count.
inline socket connect_to(const address& where, double deadline, std::string& why) {
  socket s = open_socket(where);
  if (!s) return why = std::strerror(errno), socket();
  if (::connect(s.descriptor(), where.get(), where.length) != 0) {
    if (errno != EINPROGRESS) return why = std::strerror(errno), socket();
    if (!wait_for(s, POLLOUT, deadline)) return why = std::strerror(ETIMEDOUT), socket();
    if (const int failed = why_unconnected(s)) return why = std::strerror(failed), socket();
  }
  if (meets_itself(s)) return why = std::strerror(ECONNREFUSED), socket();
  return s;
}

/// Rank 0's socket: on the local address that `host` names, or on all where it
/// names none of this machine (a forwarded or outer address). A name that
/// leads to loopback only here, as Debian's /etc/hosts has the machine's own,
/// is known to others by another address: all as well.
inline socket listen_for(const std::string& host, int port, std::string& why) {
  std::string ignored;
  bool literal = host == "localhost" || !resolve(host, port, ignored, true).empty();
  for (const address& where : resolve(host, port, why)) {
    if (where.is_loopback() && !literal) continue;
    if (socket s = listen_at(where)) return s;
    if (errno != EADDRNOTAVAIL) return why = std::strerror(errno), socket();
  }
  // IPv6 first: its any address takes IPv4 too.
  std::vector<address> any = resolve("", port, why);
  for (int family : {AF_INET6, AF_INET})
    for (const address& where : any)
      if (where.storage.ss_family == family) {
        if (socket s = listen_at(where)) return s;
        if (errno == EADDRINUSE) return why = std::strerror(errno), socket();
        why = std::strerror(errno);
      }
  return socket();
}

}  // namespace tutti::detail
