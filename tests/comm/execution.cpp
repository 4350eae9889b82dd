#include <tutti/comm/execution.hpp>

#include <doctest/doctest.h>

#include <cstdlib>

#include "simulate.hpp"

using namespace tutti;

namespace {

struct case_of {
  call_shape shape;
  int ranks = 1;
  bool ordered = false;
};

case_of draw_case(simulated_network& random) {
  case_of c;
  const auto& entry = repertoire[random.draw(std::size(repertoire))];
  c.ranks = 1 + static_cast<int>(random.draw(random.draw(20) == 0 ? 33 : 9));
  c.ordered = reduces(entry.what) && c.ranks <= entry.ordered_up_to && random.draw(2) == 0;
  constexpr std::size_t counts[] = {0, 1, 2, 3, 7, 16, 61, 130, 700};
  c.shape = {.what = entry.what, .count = entry.what == collective::barrier ? 0 : counts[random.draw(std::size(counts))],
             .root = rooted(entry.what) ? static_cast<int>(random.draw(static_cast<std::uint64_t>(c.ranks))) : -1,
             .commutative = !c.ordered, .in_place = entry.what == collective::all_to_all && random.draw(2) == 0,
             .algorithm = entry.how};
  return c;
}

}  // namespace

TEST_CASE("four thousand seeded interleavings of every algorithm end right, and send what was billed") {
  const char* given = std::getenv("TUTTI_TEST_SEED");
  const std::uint64_t base = given ? std::strtoull(given, nullptr, 10) : 20261121;
  MESSAGE("seed " << base);
  std::uint64_t ordered = 0, bytes = 0;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    simulated_network random(1, base + i);
    const case_of c = draw_case(random);
    simulation_options options{.longest_delay = 1 + random.draw(40), .longest_piece = 1 + random.draw(300),
                               .most_under_way = 1 + random.draw(4), .refuse_percent = static_cast<int>(random.draw(60)),
                               .direct_percent = static_cast<int>(random.draw(101))};
    const simulate::outcome o = c.ordered
                                    ? simulate::run<simulate::affine, simulate::compose>(c.shape, c.ranks, base + i, options)
                                    : simulate::run<std::int64_t, plus>(c.shape, c.ranks, base + i, options);
    ordered += c.ordered;
    bytes += o.bytes_sent;
    INFO("seed " << base + i << ", " << name_of(c.shape.what) << " " << name_of(c.shape.algorithm) << ", ranks " << c.ranks
                 << ", count " << c.shape.count << ", root " << c.shape.root);
    REQUIRE(o.wrong == "");
    REQUIRE(o.bytes_sent == o.bytes_billed);
  }
  CHECK(ordered > 400);
  CHECK(bytes > 4000000);
}

namespace {

struct uneven_case {
  call_shape shape;
  simulate::count_table counts;
  bool ordered = false;
};

// Of every distribution of lengths, the odd ones often: nothing at all, all in one rank.
uneven_case draw_uneven(simulated_network& random) {
  uneven_case c;
  const repertoire_entry* entry = nullptr;
  do entry = &repertoire[random.draw(std::size(repertoire))];
  while (!entry->uneven);
  const int ranks = 1 + static_cast<int>(random.draw(random.draw(20) == 0 ? 33 : 9));
  c.ordered = reduces(entry->what) && ranks <= entry->ordered_up_to && random.draw(2) == 0;
  const bool swaps = entry->what == collective::all_to_all;
  c.shape = {.what = entry->what, .root = rooted(entry->what) ? static_cast<int>(random.draw(static_cast<std::uint64_t>(ranks))) : -1,
             .commutative = !c.ordered, .in_place = swaps && random.draw(2) == 0, .algorithm = entry->how};
  const std::uint64_t most = random.draw(4) == 0 ? 2000 : 40, how = random.draw(8), one = random.draw(static_cast<std::uint64_t>(ranks));
  for (int s = 0; s < ranks; ++s) {
    c.counts.emplace_back();
    for (int d = 0; d < ranks; ++d) {
      const std::uint64_t drawn = random.draw(swaps ? most / 4 + 1 : most + 1);
      const bool none = how == 0 || (how == 1 && static_cast<std::uint64_t>(d) != one) || (how < 4 && random.draw(2) == 0);
      c.counts.back().push_back(none ? 0 : drawn);
    }
  }
  return c;
}

simulation_options draw_options(simulated_network& random) {
  return {.longest_delay = 1 + random.draw(40), .longest_piece = 1 + random.draw(300), .most_under_way = 1 + random.draw(4),
          .refuse_percent = static_cast<int>(random.draw(60)), .direct_percent = static_cast<int>(random.draw(101))};
}

template <class Spoil>
simulate::outcome run_uneven(const uneven_case& c, std::uint64_t seed, const simulation_options& options, const Spoil& spoil) {
  return c.ordered ? simulate::run_uneven<simulate::affine, simulate::compose>(c.shape, c.counts, seed, spoil, options)
                   : simulate::run_uneven<std::int64_t, plus>(c.shape, c.counts, seed, spoil, options);
}

}  // namespace

TEST_CASE("blocks of drawn lengths end right, and send what was billed") {
  const char* given = std::getenv("TUTTI_TEST_SEED");
  const std::uint64_t base = given ? std::strtoull(given, nullptr, 10) : 20261122;
  MESSAGE("seed " << base);
  std::uint64_t ordered = 0, bytes = 0;
  for (std::uint64_t i = 0; i < 600; ++i) {
    simulated_network random(1, base + i);
    const uneven_case c = draw_uneven(random);
    const simulate::outcome o = run_uneven(c, base + i, draw_options(random), [](int, auto&, auto&, std::size_t&) {});
    ordered += c.ordered;
    bytes += o.bytes_sent;
    INFO("seed " << base + i << ", " << std::string(name_of(c.shape.what)) + "_v " + name_of(c.shape.algorithm) << ", ranks " << c.counts.size()
                 << ", root " << c.shape.root);
    REQUIRE(o.wrong == "");
    REQUIRE(o.strangers == 0);
    REQUIRE(o.bytes_sent == o.bytes_billed);
  }
  CHECK(ordered > 30);
  CHECK(bytes > 200000);
}

TEST_CASE("one rank with another count is found out, and no output changes") {
  const char* given = std::getenv("TUTTI_TEST_SEED");
  const std::uint64_t base = given ? std::strtoull(given, nullptr, 10) : 20261123;
  MESSAGE("seed " << base);
  int large = 0;
  for (std::uint64_t i = 0; i < 600; ++i) {
    simulated_network random(1, base + i);
    uneven_case c = draw_uneven(random);
    const auto p = c.counts.size();
    if (p == 1) continue;
    const auto culprit = static_cast<int>(random.draw(p));
    const std::size_t wrong = random.draw(p);
    auto spoil = [&](int r, std::vector<std::size_t>& to, std::vector<std::size_t>& from, std::size_t& count) {
      if (r != culprit) return;
      std::size_t at = wrong;
      // What it says of itself to itself is looked at before anything is sent.
      if (c.shape.by_pair() && static_cast<int>(at) == r) at = (at + 1) % p;
      if (to.empty()) ++count;
      else if (from.empty() || i % 2) ++to[at], ++count;
      else ++from[at];
    };
    c.shape.uneven = true;
    const simulate::outcome o = run_uneven(c, base + i, draw_options(random), spoil);
    INFO("seed " << base + i << ", " << std::string(name_of(c.shape.what)) + "_v " + name_of(c.shape.algorithm) << ", ranks " << p << ", root "
                 << c.shape.root << ", rank " << culprit);
    REQUIRE(o.wrong == "");
    REQUIRE(o.strangers > 0);
    large += c.counts[0][0] > 500;
  }
  CHECK(large > 10);
}

TEST_CASE("nothing is buffered, and it still ends") {
  // Every piece stays at its sender until it was used, one at a time.
  const simulation_options bare{.longest_delay = 3, .longest_piece = std::size_t{1} << 20, .most_under_way = 1, .refuse_percent = 0,
                                .direct_percent = 100};
  for (const repertoire_entry& entry : repertoire)
    for (int ranks = 1; ranks <= 12; ++ranks) {
      const call_shape c{.what = entry.what, .count = entry.what == collective::barrier ? 0u : 40u,
                         .root = rooted(entry.what) ? ranks / 2 : -1, .algorithm = entry.how};
      INFO(name_of(entry.what) << " " << name_of(entry.how) << ", ranks " << ranks);
      CHECK(simulate::run<std::int64_t, plus>(c, ranks, 7, bare).wrong == "");
    }
}

TEST_CASE("a schedule that lacks a step never ends, and one in another operation is noticed") {
  simulated_network net(2, 1);
  const team all{2};
  const call_shape c{.what = collective::all_reduce, .count = 4, .element = 8, .algorithm = algorithm::ring};
  auto whole = prepare(c, all, {0}), torn = prepare(c, all, {1});
  schedule s = ring_all_reduce(all, {1});
  s.steps.erase(s.steps.begin() + 2);  // the second send
  torn->body = lower(s, detail::map_chunks(c, all, {1}, s.parts, false));
  std::int64_t in[2][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}}, out[2][4] = {};
  const plus op;
  execution runs[2];
  auto start = [&](int r, const prepared_call& p, std::uint64_t fingerprint) {
    runs[r].start(p.body, {.input = reinterpret_cast<const std::byte*>(in[r]), .output = reinterpret_cast<std::byte*>(out[r]),
                           .element = 8, .alignment = 8, .fold = fold_function_of<std::int64_t>(op)},
                  {.fingerprint = fingerprint, .what = &p.what, .element = 8});
  };
  start(0, *whole, 1);
  start(1, *torn, 1);
  for (int i = 0; i < 5000; ++i) {
    for (int r : {0, 1}) {
      auto ports = net.of(r);
      runs[r].progress(ports);
    }
    net.advance();
  }
  CHECK(runs[1].done());
  CHECK_FALSE(runs[0].done());
  CHECK(runs[0].waits_for() == 1);

  simulated_network other(2, 2, {.refuse_percent = 0});
  start(0, *whole, 1);
  auto second = prepare(c, all, {1});
  start(1, *second, 2);
  for (int i = 0; i < 200; ++i) {
    for (int r : {0, 1}) {
      auto ports = other.of(r);
      runs[r].progress(ports);
    }
    other.advance();
  }
  CHECK(runs[0].met().met);
  CHECK(runs[0].met().peer == 1);
  CHECK(std::string(runs[0].met().what.kind) == "all_reduce");
  CHECK_FALSE(runs[0].done());
}

namespace {
struct big {
  std::int64_t numbers[50];
  friend bool operator==(const big&, const big&) = default;
};
struct add_big {
  [[maybe_unused]] static constexpr bool commutative = true;
  big operator()(const big& a, const big& b) const {
    big c;
    for (int i = 0; i < 50; ++i) c.numbers[i] = a.numbers[i] + b.numbers[i];
    return c;
  }
};
}  // namespace

namespace simulate {
template <>
inline big operand<big>(int rank, std::size_t i) {
  big b;
  for (int k = 0; k < 50; ++k) b.numbers[k] = k * 1000 + rank * 10 + static_cast<int>(i);
  return b;
}
}  // namespace simulate

TEST_CASE("an element may be longer than a piece") {
  for (algorithm how : {algorithm::ring, algorithm::tree, algorithm::doubling, algorithm::rabenseifner})
    for (int ranks = 1; ranks <= 5; ++ranks) {
      const call_shape c{.what = collective::all_reduce, .count = 9, .algorithm = how};
      INFO(name_of(how) << ", ranks " << ranks);
      CHECK(simulate::run<big, add_big>(c, ranks, 11, {.longest_piece = 100}).wrong == "");
    }
}

TEST_CASE("what a link has lost is said, by whom it was sent, and nothing is taken for it") {
  struct deaf final : send_port {
    std::ptrdiff_t send(const std::byte*, std::size_t bytes, const envelope&) override { return static_cast<std::ptrdiff_t>(bytes); }
  };
  struct torn final : recv_port {
    const piece* receive(std::byte*, std::size_t) override {
      broken = true;
      return nullptr;
    }
    void consume(std::size_t) override {}
  };
  struct {
    send_port& to(int) { return out; }
    recv_port& from(int) { return in; }
    deaf out;
    torn in;
  } link;
  const call_shape c{.what = collective::all_gather, .count = 4, .algorithm = algorithm::ring};
  const auto prepared = prepare(c, {2}, {1});
  const std::byte input[4] = {};
  std::byte output[8] = {};
  std::vector<std::byte> scratch(prepared->scratch_bytes());
  execution e;
  e.start(prepared->body, {.input = input, .output = output, .scratch = scratch.data()}, {.fingerprint = 5, .what = &prepared->what});
  CHECK(e.lost_from() == -1);
  e.progress(link);
  CHECK(e.lost_from() == 0);
  CHECK_FALSE(e.done());
  e.start(prepared->body, {.input = input, .output = output, .scratch = scratch.data()}, {.fingerprint = 6, .what = &prepared->what});
  CHECK(e.lost_from() == -1);
}
