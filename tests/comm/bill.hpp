#pragma once
// Law 3: what a plan says that this rank sends is what its links took, for every
// collective and algorithm. `check_bill` throws a std::logic_error that names
// the first that is not so.
#include <string>

#include <tutti/comm/plan.hpp>

#include "groups.hpp"

namespace bill {

using namespace tutti;

template <class T>
void check_count(communicator& c, std::size_t n) {
  const auto p = static_cast<std::size_t>(c.size());
  std::vector<T> in(n * p, T(1)), out(n * p, T(2));
  const int root = c.size() / 2;
  for (const repertoire_entry& e : repertoire) {
    const bool barriers = e.what == collective::barrier;
    if (barriers && n > 0) continue;
    const call_options how{.algorithm = e.how};
    const plan billed = c.plan_for({.what = e.what, .count = n, .element = barriers ? 1 : sizeof(T),
                                    .root = rooted(e.what) ? root : -1, .algorithm = e.how});
    const span<T> one(in.data(), n), other(out.data(), n);
    const statistics before = c.counters(), all_before = c.home().counters();
    switch (e.what) {
      case collective::all_reduce: all_reduce(c, one, other, plus{}, how); break;
      case collective::reduce_scatter: reduce_scatter(c, in, other, plus{}, how); break;
      case collective::all_gather: all_gather(c, one, out, how); break;
      case collective::broadcast: broadcast(c, one, root, how); break;
      case collective::reduce: reduce(c, one, other, plus{}, root, how); break;
      case collective::barrier: barrier(c, how); break;
      case collective::gather: gather(c, one, out, root, how); break;
      case collective::scatter: scatter(c, in, other, root, how); break;
      case collective::all_to_all: all_to_all(c, in, out, how); break;
      case collective::scan: scan(c, one, other, plus{}, how); break;
      case collective::exclusive_scan: exclusive_scan(c, one, other, plus{}, how); break;
    }
    const statistics now = c.counters().since(before), all = c.home().counters().since(all_before);
    const std::string name = std::string(name_of(e.what)) + " by " + name_of(e.how);
    cases::need(now.sent().bytes == billed.bytes_sent, name + " sent other than billed", n, c);
    cases::need(now.of(e.what) == statistics::calls{1, now.sent()}, name + ", counted by collective", n, c);
    cases::need(all.collectives == now.collectives && all.links == now.links, name + ", counted by session", n, c);
    cases::need(now.over(link_kind::self) == traffic{}, name + ", to itself", n, c);
    for (link_kind kind : every_link_kind) {
      bool any = false;
      for (int peer = 0; peer < c.size(); ++peer) any |= c.link_to(peer) == kind;
      cases::need(any || now.over(kind) == traffic{}, name + ", over a link that is not there", n, c);
    }
    cases::need(c.size() == 1 || !barriers || now.sent().messages > 0, name + " without a message", n, c);
  }
  barrier(c);
}

/// The forms whose blocks differ in length; some are empty.
inline void check_uneven(communicator& c, std::size_t n) {
  const int root = c.size() / 2;
  std::vector<std::size_t> counts, received;
  std::size_t total = 0, sent = 0, got = 0;
  for (std::size_t r = 0; r < static_cast<std::size_t>(c.size()); ++r) {
    const auto me = static_cast<std::size_t>(c.rank());
    counts.push_back(r % 3 == 1 ? 0 : n + r);
    received.push_back((n + r * me) % 11 * n);
    total += counts[r];
    sent += received[r];
  }
  got = sent;  // symmetric: r to s as s to r
  const std::size_t own = counts[static_cast<std::size_t>(c.rank())];
  std::vector<double> one(own, 1), all(total, 2), to(sent, 3), from(got, 4);
  for (const repertoire_entry& e : repertoire) {
    if (!e.uneven) continue;
    const call_options how{.algorithm = e.how};
    call_shape shape{.what = e.what, .count = total, .element = sizeof(double), .root = rooted(e.what) ? root : -1, .algorithm = e.how, .uneven = true};
    if (e.what == collective::all_to_all) shape.counts = shape.received = received;
    else if (!rooted(e.what) || c.rank() == root) shape.counts = counts;
    else shape.count = own;
    const plan billed = c.plan_for(shape);
    const statistics before = c.counters();
    switch (e.what) {
      case collective::reduce_scatter: reduce_scatter_v(c, all, one, counts, plus{}, how); break;
      case collective::all_gather: all_gather_v(c, one, all, counts, how); break;
      case collective::gather: gather_v(c, one, all, counts, root, how); break;
      case collective::scatter: scatter_v(c, all, one, counts, root, how); break;
      case collective::all_to_all: all_to_all_v(c, to, received, from, received, how); break;
      default: cases::need(false, "no case", n, c);
    }
    const statistics now = c.counters().since(before);
    const std::string name = std::string(name_of(e.what)) + "_v by " + name_of(e.how);
    cases::need(now.sent().bytes == billed.bytes_sent, name + " sent other than billed", n, c);
    cases::need(now.of(e.what) == statistics::calls{1, now.sent()}, name + ", counted by collective", n, c);
  }
}

inline void check_bill(communicator& world) {
  const statistics at_first = world.counters();
  for (std::size_t n : {0u, 1u, 5u, 1000u, 9001u}) check_count<int>(world, n);
  check_count<double>(world, 60000);
  for (std::size_t n : {0u, 1u, 100u, 20000u}) check_uneven(world, n);
  const statistics of_world = world.counters().since(at_first);
  std::uint64_t calls = 0;
  traffic by_call;
  for (const statistics::calls& one : of_world.collectives) calls += one.done, by_call += one.sent;
  cases::need(calls > 6 * std::size(repertoire) / 2 && by_call == of_world.sent(), "the sum of all calls", 0, world);

  // Of a part each communicator counts its own; what it counted stays with the session.
  traffic part_sent;
  const statistics before = world.home().counters();
  {
    std::optional<communicator> part = world.split(world.rank() % 2, -world.rank(), {.progress = progress::thread});
    groups::need(part->counters().sent() == traffic{}, "counters of a new communicator", *part);
    const traffic quiet = world.counters().sent();
    std::vector<float> x(5000, 1);
    const plan billed = part->plan_for({.what = collective::all_reduce, .count = x.size(), .element = sizeof(float)});
    for (int i = 0; i < 3; ++i) all_reduce_async(*part, x).wait();
    part_sent = part->counters().sent();
    groups::need(part_sent.bytes == 3 * billed.bytes_sent, "a part sent other than billed", *part);
    groups::need(world.counters().sent() == quiet, "the world has sent nothing meanwhile", world);
    barrier(*part);
    part_sent = part->counters().sent();
  }
  traffic after = world.home().counters().since(before).sent();
  after -= part_sent;
  std::optional<communicator> next = world.split(world.rank() % 2);
  groups::need(next->counters().sent() == traffic{} && next->counters().of(collective::all_reduce).done == 0,
               "a new communicator starts from nothing", *next);
  groups::need(world.size() == 1 || after.bytes > 0, "what making a communicator sends is the parent's", world);
}

/// The same of buffers that neighbours read and write where they lie, on ranks
/// that can: then what a plan bills is the direct form's.
inline void check_lent(communicator& c) {
  using numbers = buffer<float>;
  const auto p = static_cast<std::size_t>(c.size());
  for (std::size_t n : {6001u, 40000u}) {
    numbers in(c, n * p), out(c, n * p);
    for (float& v : in) v = 1;
    const span<float> one(in.data(), n), other(out.data(), n);
    auto check = [&](collective what, auto call) {
      const plan billed = c.plan_for({.what = what, .count = n, .element = sizeof(float), .root = rooted(what) ? 1 : -1, .lent = true});
      const statistics before = c.counters();
      call();
      const statistics now = c.counters().since(before);
      const std::string name = std::string(name_of(what)) + " of lent buffers";
      cases::need(now.sent().bytes == billed.bytes_sent, name + " sent other than billed", n, c);
      cases::need(now.of(what) == statistics::calls{1, now.sent()}, name + ", counted by collective", n, c);
      const algorithm directly = direct_algorithm(what, {c.size()});
      cases::need(directly == algorithm::automatic || billed.algorithm == directly, name + ", planned otherwise", n, c);
    };
    check(collective::all_reduce, [&] { all_reduce(c, one, other); });
    check(collective::reduce_scatter, [&] { reduce_scatter(c, in, other); });
    check(collective::all_gather, [&] { all_gather(c, one, out); });
    check(collective::all_to_all, [&] { all_to_all(c, in, out); });
    check(collective::broadcast, [&] { broadcast(c, one, 1); });
  }
}

}  // namespace bill
