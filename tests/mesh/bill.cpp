#include <tutti/mesh/bill.hpp>

#include <doctest/doctest.h>

#include <vector>

#include "worlds.hpp"

using namespace tutti;

namespace {

constexpr std::size_t B = 24, K = 36, N = 48;

/// Words that every rank sends in the moves of a product; −1 where ranks differ.
long words_of_product(const einsum& e, const mesh& on, const placement& cut, const placement& a, const placement& b, const placement& result) {
  const einsum_plan plan = plan_einsum(e, cut, a, b, result, on);
  long found = -2;
  for (rank r{0}; r.value < on.size(); ++r.value) {
    std::uint64_t bytes = 0;
    auto add = [&](const std::vector<move>& moves, const shape& whole, placement at) {
      for (const move& m : moves) {
        bytes += sends_of(m, whole, at, on, r, sizeof(float), least_bytes{on}).bytes;
        at = after(at, m);
      }
    };
    add(plan.move_a, e.a(), a);
    add(plan.move_b, e.b(), b);
    add(plan.move_result, e.result(), plan.result);
    const long words = static_cast<long>(bytes / sizeof(float));
    found = found == -2 || found == words ? words : -1;
  }
  return found;
}

constexpr window three{.size = 3, .pad_low = 1, .pad_high = 1};

constexpr operation_list one_convolution() {
  operation_list net({{"batch", 8}, {"channels", 4}, {"height", 12}, {"width", 6}});
  net.convolution("conv1", 8, three, three);
  return net;
}

template <class Counts>
constexpr std::uint64_t words(const char* rules, const mesh& on, rank r, Counts counts) {
  const operation_list net = one_convolution();
  return bill(net, plan_network(net, rules, on), on, r, 4, least_bytes{on}).sent(counts).bytes / 4;
}

constexpr auto all = [](const bill_item&) { return true; };
constexpr auto halos = [](const bill_item& x) { return x.what.why == cause::halo; };

// A bill is a constant where network and layout are.
static_assert(words("height:p", mesh{{"p", 3}}, {1}, halos) == 2 * 8 * 4 * 6);

}  // namespace

TEST_CASE("a product sends what the table of layouts says") {
  const einsum y({{"batch", B}, {"in", K}}, {{"in", K}, {"out", N}}, {"batch", "out"});
  const einsum dx = y.gradient_of_a(), dw = y.gradient_of_b();  // (batch, out) × (in, out), (batch, in) × (batch, out)
  auto cut = [](const einsum& e, std::initializer_list<name> by) {
    placement p;
    int axis = 0;
    for (const name& what : by) {
      for (std::size_t d = 0; d < e.over().rank(); ++d)
        if (e.over()[d].what == what) p = p.sharded(d, axis);
      ++axis;
    }
    return p;
  };
  const placement whole, first = whole.sharded(0, 0), second = whole.sharded(1, 0);
  for (int p : {2, 3, 4}) {
    const mesh on{{"p", p}};
    auto part = [&](std::size_t words) { return static_cast<long>(words) * (p - 1) / p; };  // s·n
    // batch
    CHECK(words_of_product(y, on, cut(y, {"batch"}), first, whole, first) == 0);
    CHECK(words_of_product(dx, on, cut(dx, {"batch"}), first, whole, first) == 0);
    CHECK(words_of_product(dw, on, cut(dw, {"batch"}), first, first, whole) == 2 * part(K * N));
    // columns
    CHECK(words_of_product(y, on, cut(y, {"out"}), whole, second, second) == 0);
    CHECK(words_of_product(dx, on, cut(dx, {"out"}), second, second, whole) == 2 * part(B * K));
    CHECK(words_of_product(dw, on, cut(dw, {"out"}), whole, second, second) == 0);
    // contraction
    CHECK(words_of_product(y, on, cut(y, {"in"}), second, first, whole) == 2 * part(B * N));
    CHECK(words_of_product(y, on, cut(y, {"in"}), second, first, first) == part(B * N));
    CHECK(words_of_product(dx, on, cut(dx, {"in"}), whole, first, second) == 0);
    CHECK(words_of_product(dx, on, cut(dx, {"in"}), first, first, second) == part(B * N));
  }
  for (const mesh& on : {mesh{{"r", 2}, {"c", 3}}, mesh{{"r", 3}, {"c", 2}}, mesh{{"r", 2}, {"c", 2}}}) {
    const int r = on[0].size, c = on[1].size;
    const long x_words = static_cast<long>(B * K) / r * (c - 1) / c, w_words = static_cast<long>(K * N) / c * (r - 1) / r;
    const placement x = first, w = placement{}.sharded(1, 1), out = first.sharded(1, 1);
    // batch at r, columns at c
    CHECK(words_of_product(y, on, cut(y, {"batch", "out"}), x, w, out) == 0);
    CHECK(words_of_product(dx, on, cut(dx, {"batch", "out"}), out, w, x) == 2 * x_words);
    CHECK(words_of_product(dw, on, cut(dw, {"batch", "out"}), x, out, w) == 2 * w_words);
    // SUMMA: the result stays
    const placement both = first.sharded(1, 1);
    CHECK(words_of_product(y, on, cut(y, {"batch", "out"}), both, both, out) == x_words + w_words);
  }
}

TEST_CASE("a convolution sends its weights' gradients, its result, or the rows that windows reach") {
  const std::size_t weights = 8 * 4 * 3 * 3, bias = 8, result = 8 * 8 * 12 * 6, row = 8 * 4 * 6;
  for (int p : {2, 4}) {
    const mesh on{{"p", p}};
    const auto ranks = static_cast<std::size_t>(p);
    for (rank r{0}; r.value < p; ++r.value) {
      CHECK(words("batch:p", on, r, all) == 2 * (weights + bias) * (ranks - 1) / ranks);
      CHECK(words("filters:p", on, r, all) == 0);  // nobody wants the pictures' gradient
      CHECK(words("channels:p", on, r, all) == 2 * result * (ranks - 1) / ranks);
      const std::size_t neighbours = r.value == 0 || r.value == p - 1 ? 1 : 2;
      CHECK(words("height:p", on, r, halos) == neighbours * row);
      CHECK(words("height:p", on, r, all) == neighbours * row + 2 * (weights + bias) * (ranks - 1) / ranks);
    }
  }
}

TEST_CASE("messages are the sends of the schedules") {
  const mesh on{{"p", 4}};
  const operation_list net = one_convolution();
  CHECK(bill(net, plan_network(net, "batch:p", on), on, {1}, 4, least_bytes{on}).sent().messages == 2 * 3);
  const step_bill chosen = bill(net, plan_network(net, "batch:p", on), on, {1}, 4, chosen_by_model{on, {}});
  const algorithm how = chosen_by_model{on, {}}(1, {.what = collective::all_reduce, .count = 288 + 8, .element = 4}).algorithm;
  CHECK(chosen.sent() == sends_of({.what = collective::all_reduce, .count = 288 + 8, .element = 4, .algorithm = how}, {4}, {1}));
}
