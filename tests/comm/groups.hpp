#pragma once
// Communicators of parts of the ranks, on whatever link they have. `check_groups`
// throws a std::logic_error that names the first wrong answer.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cases.hpp"

namespace groups {

using namespace tutti;

inline void need(bool right, const char* what, const communicator& of) {
  if (!right) throw cases::bad(format("wrong: %s, rank %d of %d", what, of.rank(), of.size()));
}

/// Whether the communicator is of those ranks of the session, in that order, and works.
inline void check_members(communicator& c, const std::vector<int>& members) {
  need(c.size() == static_cast<int>(members.size()), "size", c);
  for (int r = 0; r < c.size(); ++r) need(c.world_rank(r) == members[static_cast<std::size_t>(r)], "a member", c);
  need(c.world_rank() == members[static_cast<std::size_t>(c.rank())], "who this is", c);
  std::vector<int> seen(members.size());
  const int mine = c.world_rank();
  all_gather(c, span<const int>(&mine, 1), seen);
  need(seen == members, "what the members said", c);
}

inline std::vector<int> those(int ranks, const std::function<bool(int)>& is) {
  std::vector<int> found;
  for (int r = 0; r < ranks; ++r)
    if (is(r)) found.push_back(r);
  return found;
}

inline void check_groups(communicator& world) {
  const int p = world.size(), me = world.rank();
  // Parity, in reverse: the keys decide.
  {
    std::optional<communicator> half = world.split(me % 2, -me);
    std::vector<int> members = those(p, [&](int r) { return r % 2 == me % 2; });
    check_members(*half, {members.rbegin(), members.rend()});
    cases::check_count<int>(*half, 40);
    // Nested, of a thread's own, and of a duplicate of it.
    std::optional<communicator> pair = half->split(half->rank() / 2, 0, {.progress = progress::thread});
    communicator again = pair->duplicate();
    cases::check_count<float>(*pair, 3000);
    cases::check_count<int>(again, 7);
    std::optional<communicator> back = again.subset({again.size() - 1});
    need(back.has_value() == (again.rank() == again.size() - 1), "who is left", again);
    if (back) check_members(*back, {me});
  }
  // Equal keys: by old rank. Colours of any size, some ranks in none.
  {
    std::optional<communicator> most = world.split(me == p / 2 ? -1 : 2147483647, 7);
    need(most.has_value() == (me != p / 2), "a negative colour", world);
    if (most) check_members(*most, those(p, [&](int r) { return r != p / 2; }));
    need(!world.split(-1), "no colour at all", world);
    need(!world.subset({}), "no member at all", world);
  }
  // Overlapping groups, alive at once: neighbours in a ring. They are used in
  // another order than they were made in, and several operations at once.
  std::vector<communicator> mine;
  for (int first = 0; first < p; ++first) {
    const int second = (first + 1) % p;
    if (first == second) break;
    std::optional<communicator> two = world.subset({second, first}, {.progress = first % 3 == 1 ? progress::thread : progress::caller});
    need(two.has_value() == (me == first || me == second), "who is in", world);
    if (two) mine.push_back(std::move(*two));
  }
  for (int round = 0; round < 3; ++round) {
    std::vector<std::vector<long>> sums(mine.size(), std::vector<long>(2000));
    std::vector<request> requests;
    for (std::size_t k = 0; k < mine.size(); ++k) {
      const std::size_t i = (k + static_cast<std::size_t>(me)) % mine.size();
      sums[i].assign(2000, mine[i].world_rank() + 1);
      requests.push_back(all_reduce_async(mine[i], sums[i]));
    }
    std::vector<long> all(10, me);
    all_reduce(world, all);
    need(all[9] == p * (p - 1) / 2, "the world's sum", world);
    for (request& r : requests) r.wait();
    for (std::size_t i = 0; i < mine.size(); ++i)
      need(sums[i] == std::vector<long>(2000, mine[i].world_rank(0) + mine[i].world_rank(1) + 2), "a pair's sum", mine[i]);
  }
  // Disjoint groups of unequal sizes, made apart from each other, then one that joins them: what the
  // ones number must not meet what the others do.
  {
    std::optional<communicator> low = world.split(me < p / 3 + 1 ? 0 : 1);
    for (int i = 0; i < (me < p / 3 + 1 ? 4 : 1); ++i) {
      std::optional<communicator> smaller = low->split(low->rank() % 2);
      cases::check_count<int>(*smaller, 5);
      barrier(*low);
      if (i == 0) mine.push_back(std::move(*smaller));
    }
    std::optional<communicator> crossing = world.split(me % 2, me % 3);
    communicator joined = world.duplicate();
    cases::check_count<int>(*crossing, 300);
    cases::check_count<int>(joined, 300);
    check_members(joined, those(p, [](int) { return true; }));
    for (communicator& c : mine) barrier(c);
  }
  // Again and again, and out of order.
  std::unique_ptr<communicator> kept;
  for (int i = 0; i < 12; ++i) {
    std::optional<communicator> c = (kept ? *kept : world).split((kept ? kept->rank() : me) % (1 + i % 3), i % 2 ? me : -me);
    cases::check_async(*c, 30);
    if (i % 4 == 0) kept = std::make_unique<communicator>(std::move(*c));
  }
  barrier(world);
}

/// Lists that cannot be are refused on every rank, and nothing is the worse for it.
inline void check_refusals(communicator& world) {
  const int p = world.size(), me = world.rank();
  auto refused = [&](auto call, errc code, const std::string& text) {
    try {
      call();
    } catch (const error& e) {
      if (e.code() == code && e.what() == text) return;
      throw cases::bad(format("wrong: rank %d got '%s', wanted '%s'", me, e.what(), text.c_str()));
    }
    throw cases::bad("wrong: not refused: " + text);
  };
  const std::vector<int> twice{p - 1, p - 1}, none{p}, below{-2}, fine{0};
  refused([&] { world.subset(twice); }, errc::invalid_argument, format("subset: member %d is named twice", p - 1));
  refused([&] { world.subset(none); }, errc::invalid_argument, format("subset: member %d is not a rank from 0 to %d", p, p - 1));
  refused([&] { world.subset(below); }, errc::invalid_argument, format("subset: member -2 is not a rank from 0 to %d", p - 1));
  if (p > 1) {
    refused([&] { world.subset(me == p - 1 ? none : fine); }, errc::invalid_argument,
            format("subset: ranks named different members: rank 0 named [0], rank %d named [%d]", p - 1, p));
    refused([&] { me == 0 ? static_cast<void>(world.split(0)) : static_cast<void>(world.duplicate()); }, errc::mismatch,
            "ranks called different things: rank 0 called split, rank 1 called duplicate");
    // Of a part in reverse, errors name ranks of the session.
    std::optional<communicator> part = world.split(0, -me);
    std::vector<int> x(3), y(4);
    refused([&] { all_reduce(*part, x, y); }, errc::invalid_argument,
            format("rank %d: all_reduce: input and output must hold as many elements (3 and 4)", me));
    refused([&] { part->subset(part->rank() == 1 ? fine : std::vector<int>{1}); }, errc::invalid_argument,
            format("subset: ranks named different members: rank %d named [1], rank %d named [0]", p - 1, p - 2));
  }
  cases::check_count<int>(world, 12);
}

}  // namespace groups
