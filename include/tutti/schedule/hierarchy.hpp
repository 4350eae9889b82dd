#pragma once
#include <cstddef>
#include <vector>

#include <tutti/schedule/doubling.hpp>
#include <tutti/schedule/linear.hpp>
#include <tutti/schedule/pairwise.hpp>
#include <tutti/schedule/sub_team.hpp>
#include <tutti/schedule/tree.hpp>

namespace tutti {

/// The ranks of a team, host by host.
struct host_teams {
  std::vector<std::vector<rank>> members = {};  ///< by host, in ascending order
  std::vector<int> places = {};                 ///< by rank: where it stands among them

  constexpr explicit host_teams(const team& all) : members(static_cast<std::size_t>(all.hosts())) {
    for (rank r{0}; r.value < all.size; ++r.value) {
      std::vector<rank>& mates = members[static_cast<std::size_t>(all.host(r))];
      places.push_back(static_cast<int>(mates.size()));
      mates.push_back(r);
    }
  }
  constexpr int count() const { return static_cast<int>(members.size()); }
  constexpr const std::vector<rank>& of(int host) const { return members[static_cast<std::size_t>(host)]; }
  constexpr rank place(rank r) const { return {places[static_cast<std::size_t>(r.value)]}; }

  /// Who stands on `host` where rank r stands on its own, which has `mates`
  /// ranks: hosts may have more or fewer, whose ranks then share what there is.
  constexpr rank counterpart(rank r, int mates, int host) const {
    const std::vector<rank>& there = of(host);
    return there[static_cast<std::size_t>(place(r).value * static_cast<int>(there.size()) / mates)];
  }
};

// What is cut by ranks: a block is folded inside each host by the counterpart of
// the rank that it belongs to, and between hosts by counterparts alone, so that
// it leaves no host more than once.

/// How the blocks of a team are handed on, seen by one rank.
struct host_exchange {
  team all;
  rank me;
  host_teams hosts;
  std::vector<chunk> block = {};  ///< by rank: its block's number

  /// Blocks in the order of ranks, or in the order of places, in which those of
  /// counterparts follow one another.
  constexpr host_exchange(const team& everyone, rank who, bool by_place)
      : all(everyone), me(who), hosts(everyone), block(static_cast<std::size_t>(everyone.size)) {
    for (rank r{0}; r.value < all.size; ++r.value) {
      chunk& number = block[static_cast<std::size_t>(r.value)];
      if (!by_place) number = {r.value};
      const int place = hosts.place(r).value;
      for (int h = 0; by_place && h < hosts.count(); ++h) {  // how many stand before it
        const int there = static_cast<int>(hosts.of(h).size());
        number.value += (there < place ? there : place) + (h < all.host(r) && there > place);
      }
    }
  }

  /// The ranks of this host; each takes the blocks of all that it is a counterpart of.
  constexpr sub_team inside() const {
    sub_team host{.members = hosts.of(all.host(me)), .pieces = {}};
    host.pieces.resize(host.members.size());
    std::vector<rank> in_order(block.size());
    for (rank r{0}; r.value < all.size; ++r.value) in_order[static_cast<std::size_t>(block_of(r).value)] = r;
    for (rank owner : in_order)
      host.pieces[static_cast<std::size_t>(hosts.place(here(owner)).value)].push_back(block_of(owner));
    return host;
  }
  /// Calls `visit(sub_team, root)` for each block that this rank handles between hosts.
  template <class Visit>
  constexpr void between(Visit visit) const {
    for (rank owner{0}; owner.value < all.size; ++owner.value) {
      if (here(owner) != me) continue;
      sub_team ways{.members = {}, .pieces = {{block_of(owner)}}};
      for (int h = 0; h < hosts.count(); ++h) ways.members.push_back(on(h, owner));
      visit(ways, rank{all.host(owner)});
    }
  }

 private:
  constexpr chunk block_of(rank r) const { return block[static_cast<std::size_t>(r.value)]; }
  constexpr rank on(int host, rank owner) const {
    return hosts.counterpart(owner, static_cast<int>(hosts.of(all.host(owner)).size()), host);
  }
  constexpr rank here(rank owner) const { return on(all.host(me), owner); }
};

constexpr void hierarchical_reduce_scatter(schedule& s, const host_exchange& with) {
  const sub_team host = with.inside();
  host.play(s, pairwise_reduce_scatter(host.all(), with.hosts.place(with.me)));
  with.between([&](const sub_team& ways, rank root) {
    ways.play(s, linear_reduce(ways.all(), {with.all.host(with.me)}, root));
  });
}

constexpr void hierarchical_all_gather(schedule& s, const host_exchange& with) {
  with.between([&](const sub_team& ways, rank root) {
    ways.play(s, linear_broadcast(ways.all(), {with.all.host(with.me)}, root));
  });
  const sub_team host = with.inside();
  host.play(s, pairwise_all_gather(host.all(), with.hosts.place(with.me)));
}

/// Of p ranks on h hosts, m on this one: sends (m−1)/m of the vector inside the
/// host, and (p−m)/p of it from all m together to other hosts, in two hops.
/// Keeps the order of operands where hosts stand in rank order.
constexpr schedule hierarchical_reduce_scatter(const team& all, rank me) {
  schedule s{.parts = all.size};
  hierarchical_reduce_scatter(s, {all, me, false});
  return s;
}

/// The same ways back: (h−1) m/p of the vector from all m ranks together to
/// other hosts, (m−1)/m of it inside the host from each.
constexpr schedule hierarchical_all_gather(const team& all, rank me) {
  schedule s{.parts = all.size};
  hierarchical_all_gather(s, {all, me, false});
  return s;
}

/// Both, in four hops: where hosts have as many ranks each, 2 (h−1)/h of the
/// vector from a host to others, which is the least there is and as much as one
/// rank for each host would send. Keeps the order of operands where hosts stand
/// in rank order.
constexpr schedule hierarchical_all_reduce(const team& all, rank me) {
  schedule s{.parts = all.size};
  const host_exchange with(all, me, true);
  hierarchical_reduce_scatter(s, with);
  hierarchical_all_gather(s, with);
  return s;
}

// What is not cut: one rank of each host, its leader, speaks for it.

/// The leaders of all hosts, and the ranks of this one.
struct led_hosts {
  sub_team leaders = {}, mates = {};
  rank my_host{}, my_place{}, leading{};  ///< the last: the leader's place
  bool lead = false;

  /// The leader of the root's host is the root; of any other, its first rank.
  constexpr led_hosts(const team& all, rank me, rank root) : my_host{all.host(me)} {
    const host_teams hosts(all);
    for (int h = 0; h < hosts.count(); ++h)
      leaders.members.push_back(h == all.host(root) ? root : hosts.of(h).front());
    mates.members = hosts.of(my_host.value);
    my_place = hosts.place(me);
    const rank leader = leaders.members[static_cast<std::size_t>(my_host.value)];
    leading = hosts.place(leader);
    lead = leader == me;
  }
};

/// Up a tree to the host's leader, which exchanges with the others by recursive
/// doubling, and down again: a host sends the vector ⌈log2 h⌉ times to others
/// (once or twice more where h is no power of two). Keeps the order of operands
/// where hosts stand in rank order.
constexpr schedule leaders_all_reduce(const team& all, rank me) {
  schedule s;
  const led_hosts by(all, me, {0});
  by.mates.play(s, tree_reduce(by.mates.all(), by.my_place, by.leading));
  if (by.lead) by.leaders.play(s, doubling_all_reduce(by.leaders.all(), by.my_host));
  by.mates.play(s, tree_broadcast(by.mates.all(), by.my_place, by.leading));
  return s;
}

/// Up a tree inside each host, then up a tree of hosts: a host sends the vector
/// once. Keeps the order of operands where hosts stand in rank order.
constexpr schedule leaders_reduce(const team& all, rank me, rank root) {
  schedule s;
  const led_hosts by(all, me, root);
  by.mates.play(s, tree_reduce(by.mates.all(), by.my_place, by.leading));
  if (by.lead) by.leaders.play(s, tree_reduce(by.leaders.all(), by.my_host, {all.host(root)}));
  return s;
}

/// The same ways back: every host but the root's receives the vector once.
constexpr schedule leaders_broadcast(const team& all, rank me, rank root) {
  schedule s;
  const led_hosts by(all, me, root);
  if (by.lead) by.leaders.play(s, tree_broadcast(by.leaders.all(), by.my_host, {all.host(root)}));
  by.mates.play(s, tree_broadcast(by.mates.all(), by.my_place, by.leading));
  return s;
}

}  // namespace tutti
