#include <tutti/analysis/cost.hpp>

#include <doctest/doctest.h>

#include <initializer_list>
#include <tuple>

namespace {

using namespace tutti;

constexpr std::size_t sizes[] = {0, 8, 1000, 65536, 1 << 20, 64 << 20};

TEST_CASE("choose takes the least prediction of what is legal") {
  for (collective what : every_collective)
    for (int p : {1, 2, 3, 8, 13})
      for (std::size_t bytes : sizes)
        for (bool commutative : {false, true})
          for (int cores : {0, 2}) {
            const cost_model model{.cores = cores};
            const algorithm best = choose(what, {p}, bytes, commutative, model);
            INFO(name_of(what), " of ", p, ", ", bytes, " bytes: ", name_of(best));
            REQUIRE(available(what, best, {p}));
            if (!commutative) CHECK(keeps_order(what, best, {p}));
            for (algorithm other : every_algorithm)
              if (available(what, other, {p}) && fits(other, {p}) && (commutative || keeps_order(what, other, {p})))
                CHECK(predict(what, best, {p}, bytes, model) <= predict(what, other, {p}, bytes, model));
          }
}

TEST_CASE("few bytes take few hops, many bytes take the least traffic") {
  const algorithm few = choose(collective::all_reduce, {16}, 8, true);
  CHECK(few == algorithm::doubling);
  const algorithm many = choose(collective::all_reduce, {16}, 64 << 20, true);
  CHECK(many != algorithm::doubling);
  CHECK(many != algorithm::tree);
}

TEST_CASE("a root folds what comes from few ranks at once, and of many bytes others fold a part") {
  for (int p : {4, 8}) {
    const cost_model two_cores{.cores = 2};
    CHECK(choose(collective::reduce, {p}, 96 << 10, true, two_cores) == algorithm::linear);
    CHECK(choose(collective::reduce, {p}, 1 << 20, true, two_cores) == algorithm::double_tree);
    CHECK(choose(collective::reduce, {p}, 96 << 10, true, cost_model{.cores = 2, .folds_at_once = 3}) != algorithm::linear);
    // Through the far part of a memory, or one by one, as a model of other collectives has it.
    const cost_model reduces = met_by(collective::reduce, algorithm::linear, {p}, two_cores);
    CHECK(reduces.link.near_bytes == 0);
    CHECK(reduces.link.fold_bytes_per_s > two_cores.link.fold_bytes_per_s);
    for (const auto& [what, how, ranks] : {std::tuple{collective::all_reduce, algorithm::ring, p}, {collective::reduce, algorithm::tree, p}, {collective::reduce, algorithm::linear, 2}})
      CHECK(met_by(what, how, {ranks}, two_cores).link.fold_bytes_per_s == two_cores.link.fold_bytes_per_s);
    CHECK(met_by(collective::all_reduce, algorithm::ring, {p}, two_cores).link.near_bytes == two_cores.link.near_bytes);
  }
}

TEST_CASE("ranks that share cores scan along a line, which is no faster where each has a core") {
  for (collective what : {collective::scan, collective::exclusive_scan}) {
    for (int p : {4, 8}) CHECK(choose(what, {p}, 512, true, cost_model{.cores = 2}) == algorithm::linear);
    for (int p : {4, 8}) CHECK(choose(what, {p}, 512, true, cost_model{.cores = 2, .waits_in_line = 3}) == algorithm::doubling);
    CHECK(choose(what, {33}, 512, true, cost_model{}) == algorithm::doubling);
    CHECK(predict(what, algorithm::linear, {8}, 512, cost_model{.cores = 8}) == predict(what, algorithm::linear, {8}, 512, cost_model{}));
    CHECK(met_by(what, algorithm::linear, {8}, cost_model{.cores = 8}).switch_s == cost_model{}.switch_s);
    CHECK(met_by(what, algorithm::doubling, {8}, cost_model{.cores = 2}).switch_s == cost_model{}.switch_s);
  }
}

// Not a law: more bytes take longer. Who comes first at a busy processor depends
// on them, and a later start may make a better order.
TEST_CASE("no prediction is below the work of the busiest rank") {
  for (const repertoire_entry& entry : repertoire)
    for (int p : {2, 5, 8, 48})
      for (const link_model& link : {window_link, message_link})
        for (std::size_t bytes : sizes) {
          const cost_model links{.link = link}, model = met_by(entry.what, entry.how, {p}, links);
          const auto vector_bytes = static_cast<double>(entry.what == collective::barrier ? 1 : bytes);
          double busiest = 0;
          for (int r = 0; r < p; ++r) {
            double busy = 0;
            const schedule mine = entry.make({p}, {r}, {0});
            // What is folded may be near, whatever else there is.
            for (const step& s : mine.steps)
              busy += cost_of(s, {r}, vector_bytes * vectors_of(entry.what) / mine.parts, s.what == verb::recv_reduce ? 0 : vector_bytes, model).busy_s;
            if (busy > busiest) busiest = busy;
          }
          INFO(name_of(entry.what), " ", name_of(entry.how), " of ", p, ", ", bytes, " bytes");
          // Slices add the cost of their steps; sums of up to 2^20 roundings of 2^-53 each differ by less than 2^-30.
          CHECK(predict(entry.what, entry.how, {p}, bytes, links) >= busiest * (1 - 0x1p-30));
        }
}

TEST_CASE("alone, or unavailable, costs nothing") {
  for (const repertoire_entry& entry : repertoire)
    if (entry.what != collective::all_to_all) CHECK(predict(entry.what, entry.how, {1}, 1 << 20) == 0);
  // Its output never is its input.
  const cost_model copies{.link = {.send_bytes_per_s = 4}};
  CHECK(predict(collective::all_to_all, algorithm::pairwise, {1}, 8, copies) == 2);
  CHECK(predict(collective::barrier, algorithm::ring, {4}, 8) == 0);
  CHECK(predict(collective::all_reduce, algorithm::automatic, {4}, 8) == 0);
}

TEST_CASE("a root of its own") {
  for (int root = 0; root < 5; ++root)
    CHECK(predict(collective::broadcast, algorithm::tree, {5}, 8, cost_model{}, {root}) > 0);
}

/// Two hosts of `per_host` ranks, wires of 1 s between them, nothing within.
struct two_hosts {
  int per_host = 1;
  int cores = 0;
  double switch_s = 0, slice_bytes = 0;
  link_model near{}, far{.latency_s = 1};
  const link_model& between(rank a, rank b) const {
    return host(a) == host(b) ? near : far;
  }
  int host(rank r) const { return r.value / per_host; }
};

TEST_CASE("links of different pairs are told apart") {
  // Neighbours first: only the last of log2 8 rounds crosses over.
  CHECK(predict(collective::all_reduce, algorithm::doubling, {8}, 8, two_hosts{.per_host = 4}) == 1);
  // Every hop of the ring waits for the slow one at some rank.
  CHECK(predict(collective::all_reduce, algorithm::ring, {8}, 8, two_hosts{.per_host = 4}) > 2);
  CHECK(predict(collective::all_reduce, algorithm::ring, {8}, 8, two_hosts{.per_host = 8}) == 0);
}

TEST_CASE("hosts are told apart where there are several, and where it pays") {
  const team flat{8}, apart{4, {0, 1, 2, 3}}, three{9, {0, 0, 0, 1, 1, 1, 2, 2, 2}}, mixed{8, {0, 1, 0, 1, 0, 1, 0, 1}};
  auto model = [](const team& all) { return hosts_model{{}, message_link, all}; };
  for (collective what : every_collective)
    for (std::size_t bytes : sizes) {
      for (const team& all : {flat, apart}) CHECK_FALSE(tells_hosts_apart(choose(what, all, bytes, true, model(all))));
      CHECK(choose(what, flat, bytes, true, model(flat)) == choose(what, flat, bytes, true));
    }
  for (collective what : {collective::all_reduce, collective::reduce_scatter, collective::all_gather})
    CHECK(choose(what, mixed, 64 << 20, true, model(mixed)) == algorithm::hierarchical);
  for (collective what : {collective::broadcast, collective::reduce})
    CHECK(choose(what, mixed, 8, true, model(mixed)) == algorithm::leaders);
  CHECK_FALSE(tells_hosts_apart(choose(collective::all_reduce, mixed, 64 << 20, false, model(mixed))));  // out of order
  CHECK(choose(collective::broadcast, apart, 8, true, model(apart)) == algorithm::k_nomial_4);
  // A host's ranks in a row are the best that other algorithms can hope for.
  for (collective what : {collective::all_reduce, collective::reduce_scatter, collective::all_gather})
    CHECK(choose(what, three, 64 << 20, true, model(three)) == algorithm::hierarchical);
}

TEST_CASE("large teams see their slow links, wherever the rank in the middle is") {
  team two{100};
  for (int r = 0; r < 100; ++r) two.host_of.push_back(r >= 75);
  const hosts_model model{{}, {.latency_s = 1}, two};
  CHECK(predict(collective::all_reduce, algorithm::ring, two, 8, model) > 100);
}

TEST_CASE("large teams are predicted and chosen for, too") {
  for (int p : {41, 100, 300})
    for (std::size_t bytes : sizes)
      CHECK(available(collective::all_reduce, choose(collective::all_reduce, {p}, bytes, true), {p}));
}

TEST_CASE("a long chunk goes in slices") {
  cost_model whole{.slice_bytes = 0}, sliced{.slice_bytes = 64 << 10};
  const std::size_t bytes = 16 << 20;
  CHECK(predict(collective::broadcast, algorithm::tree, {8}, bytes, sliced) <
        predict(collective::broadcast, algorithm::tree, {8}, bytes, whole));
  CHECK(predict(collective::broadcast, algorithm::tree, {8}, 1024, sliced) ==
        predict(collective::broadcast, algorithm::tree, {8}, 1024, whole));
}

TEST_CASE("where one block is all there is, algorithms pay for it as they send it") {
  // A rate alone, so that seconds are bytes that were sent one after the other.
  const cost_model rate{.link = {.send_bytes_per_s = 1}, .slice_bytes = 0};
  auto seconds = [&](algorithm how, const std::vector<double>& blocks) {
    return predict(collective::all_gather, how, {8}, 800, rate, {}, blocks);
  };
  const std::vector<double> alike(8, 3), one{0, 0, 5, 0, 0, 0, 0, 0};
  for (algorithm how : {algorithm::ring, algorithm::pairwise, algorithm::doubling}) {
    CHECK(seconds(how, alike) == seconds(how, {}));
    CHECK(seconds(how, std::vector<double>(8, 0)) == seconds(how, {}));
    CHECK(seconds(how, alike) == 700);
  }
  CHECK(seconds(algorithm::pairwise, one) == 7 * 800);
  CHECK(seconds(algorithm::ring, one) == 7 * 800);  // store and forward, since nothing is cut into slices
  CHECK(seconds(algorithm::doubling, one) == 3 * 800);
  const cost_model sliced{.link = {.send_bytes_per_s = 1}, .slice_bytes = 8};
  CHECK(predict(collective::all_gather, algorithm::ring, {8}, 800, sliced, {}, one) < 2 * 800);
  CHECK(choose(collective::all_gather, {8}, 800, true, rate, one) == algorithm::doubling);
  CHECK(choose(collective::all_gather, {8}, 800, true, sliced, one) == algorithm::ring);
  CHECK(detail::chunk_lengths({1, 3}, 4) == std::vector<double>{0.5, 0.5, 1.5, 1.5});
  CHECK(detail::chunk_lengths({0, 0}, 4).empty());
}

}  // namespace

TEST_CASE("a round costs a copy and what is read, lent memory two rounds and no copy") {
  cost_model unit{.link = {.latency_s = 1000, .step_s = 1, .send_bytes_per_s = 1, .recv_bytes_per_s = 0.5, .fold_bytes_per_s = 0.25}};
  auto shown = [&](collective what, algorithm how) { return predict_direct(what, how, {4}, 16, direct_form::shown, unit); };
  auto lent = [&](collective what, algorithm how) { return predict_direct(what, how, {4}, 16, direct_form::lent, unit); };
  // Of rank 2: 16 bytes shown; one is received, one folded with it, its own with these, another.
  CHECK(shown(collective::all_reduce, algorithm::one_shot) == shown_share * (1000 + (1 + 16) + 32 + 3 * 64));
  CHECK(shown(collective::reduce_scatter, algorithm::pairwise) == shown_share * (1000 + (1 + 16) + 3 * 16));
  CHECK(shown(collective::all_gather, algorithm::pairwise) == shown_share * (1000 + (1 + 4) + 3 * 8));
  // Its quarter of three is folded, and written to three; of a gather three are read.
  CHECK(lent(collective::all_reduce, algorithm::two_shot) == 2000 + 1 + 3 * 16 + 3 * 4);
  CHECK(lent(collective::all_gather, algorithm::pairwise) == 2000 + 1 + 3 * 8);
  // With a root it takes as long as one of the ranks: any that reads all; the root,
  // which shows all, or what is folded; the root, which reads three blocks, or folds three vectors.
  CHECK(shown(collective::broadcast, algorithm::linear) == 1000 + 1 + 32);
  CHECK(shown(collective::scatter, algorithm::linear) == 1000 + 1 + 16);
  CHECK(shown(collective::gather, algorithm::linear) == 1000 + 1 + 3 * 8);
  CHECK(shown(collective::reduce, algorithm::linear) == 1000 + 1 + 3 * 64);
  // What many read is shown once, what was folded in a round of its own; all is copied or folded out of that.
  auto relayed = [&](collective what, algorithm how, std::size_t bytes) { return predict_direct(what, how, {4}, bytes, direct_form::relayed, unit); };
  CHECK(relayed(collective::all_reduce, algorithm::two_shot, 16) == 2000 + 1 + 3 * 4 + 3 * 16 + 4 + 3 * 8);
  CHECK(relayed(collective::all_gather, algorithm::pairwise, 16) == 1000 + 1 + 4 + 3 * 8);
  CHECK(relayed(collective::broadcast, algorithm::linear, 16) == 1000 + 1 + 32);
  const std::size_t large = 4 * 3 * static_cast<std::size_t>(relayed_bytes);
  CHECK(relayed(collective::all_gather, algorithm::pairwise, large) == 3 * 1000 + 1 + static_cast<double>(large) / 4 * (1 + 3 * 2));
  // Ranks that share a core take one turn each a round.
  unit.cores = 2;
  unit.switch_s = 10000;
  CHECK(shown(collective::all_gather, algorithm::pairwise) == 1000 + 2 * (10000 + (1 + 4) + 3 * 8));
  CHECK(lent(collective::all_gather, algorithm::pairwise) == 2000 + 2 * (20000 + 1 + 3 * 8));
  CHECK(shown(collective::broadcast, algorithm::linear) == 1000 + 2 * (1 + 32));  // who runs ahead, in one turn many
  CHECK(predict_direct(collective::all_gather, algorithm::dissemination, {4}, 16, direct_form::shown, unit) == 0);
}

TEST_CASE("slices of ranks that share cores follow in turns, and what is folded again at once is near") {
  cost_model shared{.link = {.send_bytes_per_s = 1}, .cores = 1, .switch_s = 100, .slice_bytes = 10};
  // The slices after the first: a turn of each of two ranks, in which one sends ten bytes.
  const double one = predict(collective::broadcast, algorithm::linear, {2}, 10, shared);
  CHECK(predict(collective::broadcast, algorithm::linear, {2}, 30, shared) == one + 2 * (2 * 100 + 10));
  cost_model far{.link = {.fold_bytes_per_s = 1, .near_bytes = 8, .far_bytes_per_s = 0.1}, .slice_bytes = 8};
  // Of 32 bytes a quarter is near: each of four ranks sends three chunks, and folds its own three times, twice where it is near.
  CHECK(predict(collective::reduce_scatter, algorithm::pairwise, {4}, 32, far) == doctest::Approx(3 * 0.75 * 80 + (0.25 * 8 + 0.75 * 80) + 2 * 8));
}
