#include <tutti/schedule/hierarchy.hpp>

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include <tutti/analysis/draw.hpp>

#include "proofs.hpp"

namespace {

using namespace tutti;

/// Every way in which `size` ranks can fall into hosts.
constexpr std::vector<team> every_team(int size) {
  std::vector<team> all{{1, {0}}};
  for (int r = 1; r < size; ++r) {
    std::vector<team> longer;
    for (const team& shorter : all)
      for (int h = 0; h <= shorter.hosts(); ++h) {
        longer.push_back(shorter);
        ++longer.back().size;
        longer.back().host_of.push_back(h);
      }
    all = longer;
  }
  return all;
}

/// Every way in which ranks of one host follow one another: hosts of any sizes.
std::vector<team> every_composition(int size) {
  std::vector<team> all;
  for (int cuts = 0; cuts < 1 << (size - 1); ++cuts) {
    team hosts{size, {0}};
    for (int r = 1; r < size; ++r) hosts.host_of.push_back(hosts.host_of.back() + (cuts >> (r - 1) & 1));
    all.push_back(hosts);
  }
  return all;
}

constexpr proof prove(const repertoire_entry& entry, const team& all, rank root, order needed) {
  return verify(entry.what, all, root, needed, entry.make);
}

constexpr order order_of(const repertoire_entry& entry, const team& all) {
  return keeps_order(entry.what, entry.how, all) ? order::kept : order::any;
}

void prove_all(const repertoire_entry& entry, const team& all, int root_step = 1) {
  for (rank root{0}; root.value < (rooted(entry.what) ? all.size : 1); root.value += root_step) {
    const proof found = prove(entry, all, root, order_of(entry, all));
    std::string map;
    for (int h : all.host_of) map += " " + std::to_string(h);
    INFO(name_of(entry.what), " ", name_of(entry.how), " of root ", root.value, " on hosts", map);
    REQUIRE_MESSAGE(found.ok, explain(found));
  }
}

template <class Visit>
void for_each_entry(Visit visit) {
  for (const repertoire_entry& entry : repertoire)
    if (tells_hosts_apart(entry.how)) visit(entry);
}

/// Vectors that the ranks of a host send to other hosts, in blocks of which the vector has `blocks`.
std::size_t sent_across(const repertoire_entry& entry, const team& all, int host, rank root, std::size_t count) {
  std::size_t total = 0;
  for (rank r{0}; r.value < all.size; ++r.value) {
    if (all.host(r) != host) continue;
    schedule across = entry.make(all, r, root);
    std::erase_if(across.steps, [&](const step& s) { return s.what != verb::send || all.same_host(s.peer, r); });
    total += proofs::sent(across, count);
  }
  return total;
}

template <collective What, algorithm How, std::size_t Hosts>
inline constexpr bool proved_on =
    prove(*find_entry(What, How), every_team(4)[Hosts], {3}, order_of(*find_entry(What, How), every_team(4)[Hosts])).ok;

template <collective What, algorithm How, std::size_t... Hosts>
constexpr bool proved_on_all(std::index_sequence<Hosts...>) {
  return (proved_on<What, How, Hosts> && ...);
}

/// By the compiler, each way in which 4 ranks fall into hosts in a constant evaluation of its own.
template <collective What, algorithm How>
inline constexpr bool proved_on_any_hosts = proved_on_all<What, How>(std::make_index_sequence<15>{});

static_assert(every_team(4).size() == 15);
static_assert(proved_on_any_hosts<collective::all_reduce, algorithm::hierarchical>);
static_assert(proved_on_any_hosts<collective::reduce_scatter, algorithm::hierarchical>);
static_assert(proved_on_any_hosts<collective::all_gather, algorithm::hierarchical>);
static_assert(proved_on_any_hosts<collective::all_reduce, algorithm::leaders>);
static_assert(proved_on_any_hosts<collective::broadcast, algorithm::leaders>);
static_assert(proved_on_any_hosts<collective::reduce, algorithm::leaders>);
static_assert(proved_on_any_hosts<collective::barrier, algorithm::leaders>);

TEST_CASE("hierarchies are proved for 1 to 6 ranks on any hosts, and any root") {
  for_each_entry([](const repertoire_entry& entry) {
    for (int p = 1; p <= 6; ++p)
      for (const team& all : every_team(p)) prove_all(entry, all);
  });
}

TEST_CASE("hierarchies are proved for 7 and 8 ranks on hosts in rank order, of any sizes") {
  for_each_entry([](const repertoire_entry& entry) {
    for (int p : {7, 8})
      for (const team& all : every_composition(p)) prove_all(entry, all, 3);
  });
}

TEST_CASE("hierarchies are proved for up to 33 ranks, on hosts drawn at random and on one") {
  std::mt19937 random(7);
  for_each_entry([&](const repertoire_entry& entry) {
    for (int p = 9; p <= 33; ++p) {
      prove_all(entry, {p}, 8);
      for (int hosts : {2, 3, p / 2, p}) {
        std::vector<int> said;
        for (int r = 0; r < p; ++r) said.push_back(static_cast<int>(random() % static_cast<unsigned>(hosts)));
        prove_all(entry, {p, hosts_by(p, [&](int a, int b) {
                     return said[static_cast<std::size_t>(a)] == said[static_cast<std::size_t>(b)];
                   })}, 8);
        for (int& h : said) h = 0;
        for (int r = 0; r < p; ++r) said[static_cast<std::size_t>(r)] = r * hosts / p;
        prove_all(entry, {p, said}, 8);
      }
    }
  });
}

TEST_CASE("a hierarchy keeps the order of operands on hosts in rank order, and says so") {
  for_each_entry([](const repertoire_entry& entry) {
    if (!reduces(entry.what)) return;
    for (const team& all : every_team(5)) {
      CHECK(keeps_order(entry.what, entry.how, all) == all.hosts_in_order());
      // Where every host has one rank, or there is one host, their numbers say all.
      if (!all.hosts_in_order()) CHECK_FALSE(prove(entry, all, {0}, order::kept).ok);
    }
  });
}

TEST_CASE("two hosts of two, as drawn") {
  CHECK(draw_text(collective::all_reduce, algorithm::hierarchical, {4, {0, 0, 1, 1}}) ==
        R"(     │ rank 0        │ rank 1        │ rank 2        │ rank 3
─────┼───────────────┼───────────────┼───────────────┼───────────────
   1 │ c2-3→1 c0-1∘1 │ c0-1→0 0∘c2-3 │ c2-3→3 c0-1∘3 │ c0-1→2 2∘c2-3
   2 │ c1→2   c0∘2   │ c3→3   c2∘3   │ c0→0   0∘c1   │ c2→1   1∘c3
   3 │ c0→2   c1←2   │ c2→3   c3←3   │ c1→0   c0←0   │ c3→1   c2←1
   4 │ c0-1→1 c2-3←1 │ c2-3→0 c0-1←0 │ c0-1→3 c2-3←3 │ c2-3→2 c0-1←2
)");
  CHECK(draw_text(collective::all_reduce, algorithm::leaders, {4, {0, 0, 1, 1}}) ==
        R"(     │ rank 0       │ rank 1       │ rank 2       │ rank 3
─────┼──────────────┼──────────────┼──────────────┼──────────────
   1 │      c0∘1    │ c0→0         │      c0∘3    │ c0→2
   2 │ c0→2 s0=c0∘2 │              │ c0→0 s0=0∘c0 │
   3 │      c0=s0   │              │      c0=s0   │
   4 │ c0→1         │      c0←0    │ c0→3         │      c0←2
)");
}

TEST_CASE("all ranks of a host together send to other hosts what one rank for each host would") {
  for (int hosts = 2; hosts <= 5; ++hosts)
    for (int each = 1; each <= 4; ++each) {
      team all{hosts * each};
      for (int r = 0; r < all.size; ++r) all.host_of.push_back(r % hosts);
      const std::size_t n = 12 * static_cast<std::size_t>(all.size), of_one = n / static_cast<std::size_t>(hosts);
      CAPTURE(hosts);
      CAPTURE(each);
      for (int h = 0; h < hosts; ++h) {
        auto across = [&](collective what, algorithm how) { return sent_across(*find_entry(what, how), all, h, {1}, n); };
        CHECK(across(collective::all_reduce, algorithm::hierarchical) == 2 * (n - of_one));
        CHECK(across(collective::reduce_scatter, algorithm::hierarchical) == n - of_one);
        CHECK(across(collective::all_gather, algorithm::hierarchical) == n - of_one);
        CHECK(across(collective::reduce, algorithm::leaders) == (h == all.host({1}) ? 0 : n));
        CHECK(across(collective::broadcast, algorithm::leaders) <= 2 * n);
      }
    }
}

TEST_CASE("uneven hosts: one sends each block of others once, and its own to each of them") {
  for (const team& all : every_composition(7)) {
    const std::size_t n = 12 * 7;
    const host_teams hosts(all);
    std::size_t broadcast = 0;
    for (int h = 0; h < hosts.count(); ++h) {
      const std::size_t mine = 12 * hosts.of(h).size(), others = static_cast<std::size_t>(hosts.count() - 1);
      auto across = [&](collective what) { return sent_across(*find_entry(what, algorithm::hierarchical), all, h, {0}, n); };
      CHECK(across(collective::reduce_scatter) == (others > 0 ? n - mine : 0));
      CHECK(across(collective::all_gather) == others * mine);
      CHECK(across(collective::all_reduce) == across(collective::reduce_scatter) + across(collective::all_gather));
      broadcast += sent_across(*find_entry(collective::broadcast, algorithm::leaders), all, h, {3}, n);
    }
    CHECK(broadcast == (hosts.members.size() - 1) * n);  // every host but one receives it once
  }
}

}  // namespace
