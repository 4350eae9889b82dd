#include <tutti/comm/reproducible_sum.hpp>

#include <doctest/doctest.h>

#include <vector>

#include <tutti/schedule/repertoire.hpp>

#include "../base/summands.hpp"
#include "thread_ranks.hpp"

using namespace tutti;
using namespace summands;

namespace {

void need(bool right, const char* what, const communicator& c) {
  if (!right) throw std::logic_error(format("wrong: %s, rank %d of %d", what, c.rank(), c.size()));
}

template <class Body>
void on_ranks(int ranks, Body body) {
  CHECK_NOTHROW(thread_ranks::run(ranks, body));
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  bool same = a.size() == b.size();
  for (std::size_t i = 0; same && i < a.size(); ++i) same = bits_of(a[i]) == bits_of(b[i]);
  return same;
}

std::vector<algorithm> ways(collective what, int ranks) {
  std::vector<algorithm> all{algorithm::automatic};
  for (const repertoire_entry& e : repertoire)
    if (e.what == what && available(what, e.how, {ranks})) all.push_back(e.how);
  return all;
}

template <class T, int Fold = 3>
T alone(const std::vector<T>& all) {
  binned<T, Fold> sum;
  sum.add(span<const T>(all));
  return sum.value();
}

}  // namespace

TEST_CASE_TEMPLATE("an array has one sum, on whichever of 1 to 9 ranks its elements are", T, double, float, bfloat16) {
  for (int ranks = 1; ranks <= 9; ++ranks)
    for (kind what : every_kind) {
      const std::uint64_t seed = 100 + static_cast<std::uint64_t>(ranks);
      CAPTURE(ranks);
      CAPTURE(static_cast<int>(what));
      CAPTURE(seed);
      summands::random dice(seed);
      std::vector<T> all = make<T>(dice, what, 2000);
      const T want = alone(all);
      std::shuffle(all.begin(), all.end(), dice);
      // Uneven shares, some of them empty.
      std::vector<std::vector<T>> shares(static_cast<std::size_t>(ranks));
      for (T x : all) shares[std::min(dice() % shares.size(), dice() % shares.size())].push_back(x);
      if (ranks > 3) {
        auto& last = shares.back();
        shares[1].insert(shares[1].end(), last.begin(), last.end());
        last.clear();
      }
      on_ranks(ranks, [&](communicator& c) {
        for (algorithm how : ways(collective::all_reduce, ranks)) {
          const T sum = reproducible_sum(c, shares[static_cast<std::size_t>(c.rank())], {.algorithm = how});
          need(bits_of(sum) == bits_of(want), name_of(how), c);
        }
      });
    }
}

TEST_CASE_TEMPLATE("element by element, the same bits whoever held which summand, in every reduction", T, double, float, half) {
  for (int ranks = 1; ranks <= 9; ++ranks) {
    const std::uint64_t seed = 200 + static_cast<std::uint64_t>(ranks);
    CAPTURE(ranks);
    CAPTURE(seed);
    summands::random dice(seed);
    const std::size_t p = static_cast<std::size_t>(ranks), n = p * 70;  // beyond the 16 KiB that are staged
    std::vector<std::vector<T>> given(p, std::vector<T>(n));
    std::vector<T> want(n), finer(n);
    for (std::size_t i = 0; i < n; ++i) {
      std::vector<T> column = make<T>(dice, every_kind[i % std::size(every_kind)], p);
      want[i] = alone(column);
      finer[i] = alone<T, 4>(column);
      std::shuffle(column.begin(), column.end(), dice);
      for (std::size_t r = 0; r < p; ++r) given[r][i] = column[r];
    }
    on_ranks(ranks, [&](communicator& c) {
      const auto me = static_cast<std::size_t>(c.rank());
      for (algorithm how : ways(collective::all_reduce, ranks)) {
        std::vector<T> out(n), in = given[me], later(n);
        reproducible_sum(c, in, out, {.algorithm = how});
        need(same_bits(out, want) && same_bits(in, given[me]), name_of(how), c);
        all_reduce_async(c, in, later, reproducible_plus<T, 4>(), {.algorithm = how}).wait();
        need(same_bits(later, finer), "more bins, async", c);
        reproducible_sum(c, in, in, {.algorithm = how});
        need(same_bits(in, want), "in place", c);
      }
      for (algorithm how : ways(collective::reduce_scatter, ranks)) {
        std::vector<T> out(n / p);
        reduce_scatter(c, given[me], out, reproducible_plus<T>(), {.algorithm = how});
        need(same_bits(out, std::vector<T>(want.begin() + static_cast<long>(me * out.size()), want.begin() + static_cast<long>((me + 1) * out.size()))), "reduce_scatter", c);
      }
      for (algorithm how : ways(collective::reduce, ranks)) {
        std::vector<T> out(n);
        reduce(c, given[me], out, reproducible_plus<T>(), ranks - 1, {.algorithm = how});
        need(c.rank() != ranks - 1 || same_bits(out, want), "reduce", c);
      }
    });
  }
}

TEST_CASE("a plain sum of the same summands depends on where they are") {
  // What the tests above would not notice if these summands were easy.
  std::vector<float> sums;
  for (int first : {0, 1}) {
    float sum = 0;
    on_ranks(3, [&](communicator& c) {
      const float mine[] = {0x1p30f, 1.f, -0x1p30f};
      std::vector<float> x{mine[(c.rank() + first) % 3]};
      all_reduce(c, x, plus{}, {.algorithm = algorithm::ring});
      if (c.rank() == 0) sum = x[0];
      x[0] = mine[(c.rank() + first) % 3];
      need(reproducible_sum(c, x) == 1.f, "a reproducible sum", c);
    });
    sums.push_back(sum);
  }
  CHECK(sums[0] != sums[1]);
}

TEST_CASE("accumulators are elements like others, and averages of them divide the rounded sum") {
  on_ranks(4, [](communicator& c) {
    std::vector<binned<double>> sums(300);
    for (std::size_t i = 0; i < sums.size(); ++i)
      for (int k = 0; k < 5; ++k) sums[i].add((c.rank() % 2 ? 0x1p70 : -0x1p70) + static_cast<double>(i));
    all_reduce(c, sums);
    binned<double> want;
    for (int r = 0; r < 4; ++r)
      for (int k = 0; k < 5; ++k) want.add((r % 2 ? 0x1p70 : -0x1p70) + 299.0);
    need(sums[299] == want, "bytes of an accumulator", c);
    std::vector<float> x{c.rank() == 0 ? 0x1p60f : c.rank() == 1 ? -0x1p60f : 3.f};
    all_reduce(c, x, accumulate_in<binned<float>>(average{}));
    need(x[0] == 1.5f, "an average", c);
  });
}

TEST_CASE("the sum of nothing is zero, and a null pointer with a count is refused") {
  on_ranks(3, [](communicator& c) {
    std::vector<float> none;
    need(bits_of(reproducible_sum(c, none)) == 0, "nothing", c);
    reproducible_sum(c, none, none);
    bool refused = false;
    try {
      (void)reproducible_sum(c, span<const double>(nullptr, 3));
    } catch (const error& e) {
      refused = e.code() == errc::invalid_argument;
    }
    need(refused, "a null pointer", c);
    try {
      std::vector<double> two(2), three(3);
      refused = false;
      reproducible_sum(c, two, three);
    } catch (const error& e) {
      refused = e.code() == errc::invalid_argument;
    }
    need(refused, "counts that differ", c);
  });
}
