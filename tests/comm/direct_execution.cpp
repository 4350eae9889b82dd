#include <tutti/comm/direct_execution.hpp>

#include <doctest/doctest.h>

#include <random>
#include <string>

#include "simulate.hpp"

using namespace tutti;

namespace {

// Peers whose loans are addresses; nothing travels.
class memory_link final : public link {
 public:
  explicit memory_link(int me) : me_(me) {}
  send_port& to(int) override { throw std::logic_error("nothing is sent"); }
  recv_port& from(int) override { throw std::logic_error("nothing is received"); }
  link_kind kind(int peer) const override { return peer == me_ ? link_kind::self : link_kind::loopback; }
  rank_status& status() override { return status_; }
  const rank_status* status_of(int) const override { return nullptr; }
  std::byte* borrowed(int peer, loan from) override { return peer == gone ? nullptr : reinterpret_cast<std::byte*>(from); }
  int gone = -1;

 private:
  int me_;
  rank_status status_;
};

loan loan_of(const std::byte* at) { return reinterpret_cast<loan>(at); }

// The direct form of `c` on all ranks, in slices in an order drawn from the seed.
template <class T, class Op>
simulate::outcome run(call_shape c, int ranks, std::uint64_t seed, bool streams) {
  const auto p = static_cast<std::size_t>(ranks);
  c.element = sizeof(T);
  simulate::memories<T> memories(c, ranks);
  std::mt19937_64 random(seed);
  const Op op{};
  const fold_function fold = fold_function_of<T>(op);
  std::vector<direct_program> programs(p);
  std::vector<direct_execution> runs(p);
  simulate::outcome result;
  for (std::size_t r = 0; r < p; ++r) {
    const int me = static_cast<int>(r);
    programs[r] = detail::prepare_direct(c, {ranks}, {me}).value();
    programs[r].streams = streams;
    result.bytes_billed += programs[r].sent_bytes;
    runs[r].prepare(programs[r]);
    for (std::size_t q = 0; q < p; ++q) runs[r].offers()[q] = {loan_of(memories.input(q)), loan_of(memories.output(q))};
    memory_link peers(me);
    if (!runs[r].open(peers, memories.input(r), memories.output(r))) return {"not opened"};
  }
  for (std::size_t left = p; left > 0;) {
    const std::size_t r = random() % p;
    if (!runs[r].under_way()) continue;
    runs[r].progress(sizeof(T), fold, [&](int, std::size_t bytes) { result.bytes_sent += bytes; });
    left -= !runs[r].under_way();
  }
  result.wrong = memories.wrong(c, op);
  return result;
}

call_shape shape(collective what, std::size_t count, int ranks) {
  return {.what = what, .count = count, .root = rooted(what) ? ranks / 2 : -1, .algorithm = rooted(what) ? algorithm::linear : what == collective::all_reduce ? algorithm::two_shot : algorithm::pairwise};
}

constexpr collective direct_ones[] = {collective::all_reduce, collective::reduce_scatter, collective::all_gather,
                                      collective::all_to_all, collective::broadcast, collective::reduce, collective::gather, collective::scatter};

}  // namespace

TEST_CASE("every direct form brings about what the collective promises, in whatever order ranks run, and sends what it bills") {
  const std::uint64_t seed = 20261121;
  MESSAGE("seed " << seed);
  for (collective what : direct_ones)
    for (int ranks = 1; ranks <= 33; ranks += ranks < 9 ? 1 : 8)
      for (std::size_t count : {1u, 7u, 700u, 20011u})
        for (bool streams : {false, true}) {
          if (ranks > (count > 700 ? 5 : count > 7 ? 9 : 33)) continue;
          INFO(name_of(what) << ", ranks " << ranks << ", count " << count << (streams ? ", streaming" : ""));
          const auto ordered = run<simulate::affine, simulate::compose>(shape(what, count, ranks), ranks, seed, streams);
          CHECK(ordered.wrong == "");
          CHECK(ordered.bytes_sent == ordered.bytes_billed);
          CHECK(run<std::int64_t, plus>(shape(what, count, ranks), ranks, seed + 1, streams).wrong == "");
        }
}

namespace {
// More than a block of cache, and no divisor of one.
struct wide {
  std::int64_t numbers[611];
};
struct add_wide {
  wide operator()(const wide& a, const wide& b) const {
    wide sum;
    for (std::size_t i = 0; i < std::size(sum.numbers); ++i) sum.numbers[i] = a.numbers[i] + b.numbers[i];
    return sum;
  }
};

// Of floats whose sum depends on the order.
std::vector<float> fractions(int rank, std::size_t n) {
  std::mt19937 random(static_cast<unsigned>(rank) + 5);
  std::uniform_real_distribution<float> any(-1, 1);
  std::vector<float> x(n);
  for (float& v : x) v = any(random);
  return x;
}
}  // namespace

TEST_CASE("elements longer than a block") {
  constexpr std::size_t n = 40;
  for (bool streams : {false, true}) {
    std::vector<wide> in[2] = {std::vector<wide>(n), std::vector<wide>(n)}, out[2] = {in[0], in[1]};
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < 611; ++j)
        for (std::size_t r : {0u, 1u}) in[r][i].numbers[j] = static_cast<std::int64_t>(i * 1000 + j + r * 7);
    const add_wide op;
    for (std::size_t me : {0u, 1u}) {
      auto p = detail::prepare_direct({.count = n, .element = sizeof(wide), .algorithm = algorithm::two_shot}, {2}, {static_cast<int>(me)});
      REQUIRE(p);
      p->streams = streams;
      direct_execution e;
      e.prepare(*p);
      memory_link peers(static_cast<int>(me));
      for (std::size_t r : {0u, 1u})
        e.offers()[r] = {loan_of(reinterpret_cast<std::byte*>(in[r].data())), loan_of(reinterpret_cast<std::byte*>(out[r].data()))};
      REQUIRE(e.open(peers, reinterpret_cast<std::byte*>(in[me].data()), reinterpret_cast<std::byte*>(out[me].data())));
      while (e.under_way()) e.progress(sizeof(wide), fold_function_of<wide>(op), [](int, std::size_t) {});
    }
    bool right = true;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < 611; ++j)
        for (std::size_t r : {0u, 1u}) right &= out[r][i].numbers[j] == static_cast<std::int64_t>(2 * (i * 1000 + j) + 7);
    CHECK(right);
  }
}

TEST_CASE("law 2: the same bits as the schedule's steps one by one, streaming or not") {
  constexpr int ranks = 5;
  constexpr std::size_t n = 30001;
  const plus op;
  const call_shape c{.what = collective::all_reduce, .count = n, .element = 4, .algorithm = algorithm::two_shot};
  std::vector<std::vector<float>> in, by_steps(ranks, std::vector<float>(n));
  for (int r = 0; r < ranks; ++r) in.push_back(fractions(r, n));
  simulated_network net(ranks, 3);
  std::vector<std::unique_ptr<prepared_call>> plans;
  std::vector<execution> steps(ranks);
  for (std::size_t r = 0; r < ranks; ++r) {
    plans.push_back(prepare(c, {ranks}, {static_cast<int>(r)}));
    steps[r].start(plans[r]->body, {.input = reinterpret_cast<std::byte*>(in[r].data()), .output = reinterpret_cast<std::byte*>(by_steps[r].data()),
                                    .element = 4, .alignment = 4, .fold = fold_function_of<float>(op)},
                   {.fingerprint = 1, .what = &plans[r]->what, .element = 4});
  }
  for (bool done = false; !done; net.advance()) {
    done = true;
    for (std::size_t r = 0; r < ranks; ++r) {
      auto ports = net.of(static_cast<int>(r));
      steps[r].progress(ports);
      done &= steps[r].done();
    }
  }
  for (bool streams : {false, true}) {
    std::vector<std::vector<float>> out(ranks, std::vector<float>(n));
    for (std::size_t me = 0; me < ranks; ++me) {
      auto p = detail::prepare_direct(c, {ranks}, {static_cast<int>(me)});
      REQUIRE(p);
      p->streams = streams;
      direct_execution e;
      e.prepare(*p);
      memory_link peers(static_cast<int>(me));
      for (std::size_t r = 0; r < ranks; ++r)
        e.offers()[r] = {loan_of(reinterpret_cast<std::byte*>(in[r].data())), loan_of(reinterpret_cast<std::byte*>(out[r].data()))};
      REQUIRE(e.open(peers, reinterpret_cast<std::byte*>(in[me].data()), reinterpret_cast<std::byte*>(out[me].data())));
      while (e.under_way()) e.progress(4, fold_function_of<float>(op), [](int, std::size_t) {});
    }
    CHECK(out == by_steps);
  }
}

TEST_CASE("all must have lent what is needed, and nothing is begun where a peer has ended") {
  auto reduced = detail::prepare_direct({.count = 100, .element = 4, .algorithm = algorithm::two_shot}, {3}, {0});
  auto gathered = detail::prepare_direct({.what = collective::all_gather, .count = 100, .element = 4, .algorithm = algorithm::pairwise}, {3}, {0});
  REQUIRE((reduced && gathered));
  direct_execution e;
  std::byte here[400], there[400];
  auto offer = [&](const direct_program& p, loan_offer last) {
    e.prepare(p);
    e.offers()[0] = e.offers()[1] = {loan_of(here), loan_of(here)};
    e.offers()[2] = last;
    return e.all_lent();
  };
  CHECK(offer(*reduced, {loan_of(there), loan_of(there)}));
  CHECK_FALSE(offer(*reduced, {loan_of(there), 0}));
  CHECK_FALSE(offer(*reduced, {0, loan_of(there)}));
  CHECK(offer(*gathered, {loan_of(there), 0}));
  CHECK_FALSE(offer(*gathered, {}));

  CHECK(offer(*gathered, {loan_of(there), 0}));
  memory_link peers(0);
  peers.gone = 2;
  CHECK_FALSE(e.open(peers, here, here));
  CHECK_FALSE(e.under_way());
}
