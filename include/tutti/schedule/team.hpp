#pragma once
#include <compare>
#include <cstddef>
#include <vector>

namespace tutti {

/// The number of a member in a team, from 0.
struct rank {
  int value = 0;
  friend constexpr bool operator==(rank, rank) = default;  // nvcc defines none that is not declared
  friend constexpr auto operator<=>(rank, rank) = default;
};

/// The number of a piece of the vector that a schedule moves.
struct chunk {
  int value = 0;
  friend constexpr bool operator==(chunk, chunk) = default;
  friend constexpr auto operator<=>(chunk, chunk) = default;
};

/// Who takes part, and the one home of wrapping around.
struct team {
  int size = 1;
  /// By rank, on which host it is; hosts are numbered in the order in which they
  /// first appear. Empty: all ranks are on one.
  std::vector<int> host_of = {};

  constexpr int wrap(int number) const { return ((number % size) + size) % size; }
  constexpr rank next(rank r, int hops = 1) const { return {wrap(r.value + hops)}; }
  constexpr rank previous(rank r, int hops = 1) const { return {wrap(r.value - hops)}; }
  /// The chunk that stands `hops` after the one with rank r's number.
  constexpr chunk chunk_of(rank r, int hops = 0) const { return {wrap(r.value + hops)}; }

  constexpr int host(rank r) const { return host_of.empty() ? 0 : host_of[static_cast<std::size_t>(r.value)]; }
  constexpr bool same_host(rank a, rank b) const { return host(a) == host(b); }
  constexpr int hosts() const {
    int last = 0;
    for (int h : host_of) last = h > last ? h : last;
    return last + 1;
  }
  /// Whether the ranks of each host follow one another.
  constexpr bool hosts_in_order() const {
    for (std::size_t r = 1; r < host_of.size(); ++r)
      if (host_of[r] < host_of[r - 1]) return false;
    return true;
  }

  friend constexpr bool operator==(const team&, const team&) = default;
};

/// A team's `host_of` where `near(a, b)` says whether two ranks are joined as
/// ranks of one host are: everyone is on the first host all of whose ranks are
/// near to it. Empty where that is one host.
template <class Near>
constexpr std::vector<int> hosts_by(int size, Near near) {
  std::vector<int> host_of;
  int hosts = 0;
  for (int r = 0; r < size; ++r) {
    int on = 0;
    for (int other = 0; on < hosts && other < r;) {
      const bool apart = host_of[static_cast<std::size_t>(other)] == on && !near(other, r);
      on += apart;
      other = apart ? 0 : other + 1;
    }
    hosts += on == hosts;
    host_of.push_back(on);
  }
  if (hosts < 2) host_of.clear();
  return host_of;
}

}  // namespace tutti
