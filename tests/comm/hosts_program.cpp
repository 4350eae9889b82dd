// Ranks on several hosts, which windows do not join; exit code 0 where all is right.
// Usage: hosts_program cases|bytes|cut, started once for each rank.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <tutti/launch/run.hpp>

#include "bill.hpp"

namespace {

using namespace tutti;

/// What the ranks of each host sent to other hosts while `call` ran, in bytes.
template <class Call>
std::vector<std::size_t> sent_across(communicator& world, Call call) {
  const statistics before = world.counters();
  call();
  const std::size_t mine = world.counters().since(before).over(link_kind::message).bytes;
  std::vector<std::size_t> by_rank(static_cast<std::size_t>(world.size())), by_host(static_cast<std::size_t>(world.all().hosts()));
  all_gather(world, span<const std::size_t>(&mine, 1), by_rank);
  for (int r = 0; r < world.size(); ++r) by_host[static_cast<std::size_t>(world.all().host({r}))] += by_rank[static_cast<std::size_t>(r)];
  return by_host;
}

/// For hosts of as many ranks each: what one rank for each of them would send.
void check_bytes(communicator& world, std::size_t n) {
  const team& all = world.all();
  const auto hosts = static_cast<std::size_t>(all.hosts()), p = static_cast<std::size_t>(world.size()), block = n / p;
  cases::need(hosts > 1 && p % hosts == 0 && n % p == 0, "hosts of as many ranks each", n, world);
  std::vector<float> in(n, 1), out(n);
  const std::size_t bytes = n * sizeof(float), others = bytes / hosts * (hosts - 1);
  auto all_send = [&](const std::vector<std::size_t>& sent, std::size_t wanted) {
    return sent == std::vector<std::size_t>(hosts, wanted);
  };
  constexpr algorithm hierarchical = algorithm::hierarchical, leaders = algorithm::leaders;
  const auto reduced = sent_across(world, [&] { all_reduce(world, in, out, plus{}, {.algorithm = hierarchical}); });
  cases::need(all_send(reduced, 2 * others), "all_reduce between hosts", n, world);
  cases::need(out == std::vector<float>(n, static_cast<float>(p)), "all_reduce", n, world);
  const auto scattered = sent_across(world, [&] { reduce_scatter(world, in, span(out).subspan(0, block), plus{}, {.algorithm = hierarchical}); });
  cases::need(all_send(scattered, others), "reduce_scatter between hosts", n, world);
  const auto gathered = sent_across(world, [&] { all_gather(world, span(in).subspan(0, block), out, {.algorithm = hierarchical}); });
  cases::need(all_send(gathered, others), "all_gather between hosts", n, world);
  std::size_t broadcast_bytes = 0, reduce_bytes = 0;
  for (std::size_t sent : sent_across(world, [&] { broadcast(world, in, world.size() - 1, {.algorithm = leaders}); })) broadcast_bytes += sent;
  for (std::size_t sent : sent_across(world, [&] { reduce(world, in, out, plus{}, 1, {.algorithm = leaders}); })) reduce_bytes += sent;
  cases::need(broadcast_bytes == (hosts - 1) * bytes, "broadcast between hosts", n, world);
  cases::need(reduce_bytes == (hosts - 1) * bytes, "reduce between hosts", n, world);
  if (world.rank() == 0)
    std::printf("all_reduce of %zu bytes: each of %zu hosts of %zu ranks sent %zu to others\n", bytes, hosts, p / hosts, reduced[0]);
}

/// A plan left to itself sends no more between two hosts of two than that, in
/// whatever way, and what is on one host stays there.
void check_plans(communicator& world) {
  const std::size_t n = std::size_t{1} << 20;
  std::vector<float> x(n, 1);
  const plan chosen = world.plan_for({.what = collective::all_reduce, .count = n, .element = sizeof(float), .type = "float"});
  const auto sent = sent_across(world, [&] { all_reduce(world, x); });
  for (std::size_t of_host : sent) cases::need(of_host <= n * sizeof(float), std::string("the plan's choice, ") + name_of(chosen.algorithm), n, world);
  // The ranks of one host have a communicator without hosts.
  communicator near = *world.split(world.all().host({world.rank()}));
  cases::need(near.all().hosts() == 1 && near.counters().over(link_kind::message) == traffic{}, "a host's own ranks", 0, near);
  const traffic before = world.home().counters().over(link_kind::message);
  all_reduce(near, x);
  cases::need(world.home().counters().over(link_kind::message) == before, "nothing leaves the host", 0, near);
}

/// Without the cable between hosts, every rank ends with an error that says who
/// is out of reach, though all processes run.
void check_cut(communicator& world) {
  try {
    // Rank 0 may be through with the first before the others are.
    barrier(world);
    if (world.rank() == 0) cases::need(std::system("ip link set left down") == 0, "the cable is cut", 0, world);
    for (;;) barrier(world);
  } catch (const error& e) {
    const team& all = world.all();
    const bool across = e.rank() >= 0 && !all.same_host({e.rank()}, {world.rank()});
    if (across && (e.code() == errc::rank_stopped || e.code() == errc::link || e.code() == errc::rank_died))
      return void(std::printf("rank %d lost a rank of the other host\n", world.rank()));
    throw;
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, [&](communicator& world) {
    const std::string what = argc > 1 ? argv[1] : "";
    if (what == "cut") return check_cut(world);
    if (what == "cases") {
      cases::check_all(world, true);
    } else {
      for (std::size_t n : {std::size_t{4}, std::size_t{400}, std::size_t{1} << 20}) check_bytes(world, n);
      check_plans(world);
      bill::check_count<int>(world, 9001);
    }
    barrier(world);
    if (world.rank() == 0) std::printf("%d ranks on %d hosts: right\n", world.size(), world.all().hosts());
  });
}
