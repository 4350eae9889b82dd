#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>

#include <tutti/base/socket.hpp>
#include <tutti/transport/peers.hpp>

namespace tutti::detail {

/// Under which addresses a rank can be reached by TCP, as it says itself.
struct reach {
  struct number {
    std::uint8_t is_ipv6 = 0;
    std::uint8_t bytes[16] = {};  ///< IPv4 in the first four

    bool operator==(const number&) const = default;

    /// How many leading bits two numbers share: more means nearer.
    int shared_bits(const number& other) const {
      if (is_ipv6 != other.is_ipv6) return -1;
      int bits = 0;
      for (int bit = 0; bit < (is_ipv6 ? 128 : 32); ++bit, ++bits)
        if (((bytes[bit / 8] ^ other.bytes[bit / 8]) >> (7 - bit % 8)) & 1) break;
      return bits;
    }

    address with_port(std::uint16_t port) const {
      address a;
      if (is_ipv6) {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&a.storage);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        std::memcpy(&v6->sin6_addr, bytes, 16);
        a.length = sizeof *v6;
      } else {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&a.storage);
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        std::memcpy(&v4->sin_addr, bytes, 4);
        a.length = sizeof *v4;
      }
      return a;
    }
  };
  static constexpr std::size_t most_numbers = 16;
  static constexpr number loopback{.is_ipv6 = 0, .bytes = {127, 0, 0, 1}};

  rank_home home{};
  std::uint32_t count = 0;
  number numbers[most_numbers]{};

  /// Those of this process: what its interfaces have, but for loopback and
  /// IPv6's link-local ones, which mean something else on every host.
  static reach mine() {
    reach r{.home = rank_home::mine()};
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0) return r;
    for (ifaddrs* i = all; i && r.count < most_numbers; i = i->ifa_next) {
      if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) || (i->ifa_flags & IFF_LOOPBACK)) continue;
      number& next = r.numbers[r.count];
      if (i->ifa_addr->sa_family == AF_INET) {
        std::memcpy(next.bytes, &reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr, 4);
        ++r.count;
      } else if (i->ifa_addr->sa_family == AF_INET6) {
        const in6_addr& a = reinterpret_cast<const sockaddr_in6*>(i->ifa_addr)->sin6_addr;
        if (IN6_IS_ADDR_LINKLOCAL(&a)) continue;
        next.is_ipv6 = 1;
        std::memcpy(next.bytes, &a, 16);
        ++r.count;
      }
    }
    ::freeifaddrs(all);
    return r;
  }

  /// Where to try `peer`, the likeliest first. What this rank has itself, such
  /// as the address of a bridge that every host has, leads to nobody else.
  std::vector<address> ways_to(const reach& peer, std::uint16_t port) const {
    if (home.same_network_space(peer.home)) return {loopback.with_port(port)};
    std::vector<address> ways;
    std::vector<int> nearness;
    for (std::uint32_t p = 0; p < peer.count && p < most_numbers; ++p) {
      int nearest = -1;
      bool own = false;
      for (std::uint32_t m = 0; m < count; ++m) {
        const int bits = numbers[m].shared_bits(peer.numbers[p]);
        if (bits > nearest) nearest = bits;
        own |= numbers[m] == peer.numbers[p];
      }
      if (own) continue;
      std::size_t at = 0;
      while (at < ways.size() && nearness[at] >= nearest) ++at;
      ways.insert(ways.begin() + static_cast<std::ptrdiff_t>(at), peer.numbers[p].with_port(port));
      nearness.insert(nearness.begin() + static_cast<std::ptrdiff_t>(at), nearest);
    }
    return ways;
  }
};

/// A listening socket on a free port: on loopback where all ranks are there,
/// else on every address.
inline socket listen_for_peers(bool loopback_only) {
  if (loopback_only) return listen_at(reach::loopback.with_port(0));
  socket s = listen_at(reach::number{.is_ipv6 = 1, .bytes = {}}.with_port(0));
  return s ? std::move(s) : listen_at(reach::number{}.with_port(0));
}

inline std::uint16_t port_of(const socket& s) {
  const address a = address_of(s);
  return ntohs(a.storage.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&a.storage)->sin6_port
                                               : reinterpret_cast<const sockaddr_in*>(&a.storage)->sin_port);
}

}  // namespace tutti::detail
