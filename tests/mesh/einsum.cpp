#include <tutti/mesh/einsum.hpp>

#include <doctest/doctest.h>

#include <vector>

#include "../kernel/data.hpp"
#include "world.hpp"
#include "worlds.hpp"

using namespace tutti;

namespace {

using values = std::vector<modular>;

std::size_t place(const block& in, const shape& tensor, const shape& over, const std::vector<std::size_t>& at) {
  std::size_t offset = 0;
  for (std::size_t d = 0; d < tensor.rank(); ++d)
    for (std::size_t i = 0; i < over.rank(); ++i)
      if (over[i].what == tensor[d].what) offset = offset * in[d].count + (at[i] - in[d].first);
  return offset;
}

/// What one rank computes of its part of the loops.
values multiply(const einsum& e, const block& loops, const block& in_a, const values& a, const block& in_b, const values& b,
                const block& in_c) {
  values c(in_c.elements());
  std::vector<std::size_t> at;
  for (std::size_t d = 0; d < loops.rank(); ++d) at.push_back(loops[d].first);
  for (std::size_t done = 0; done < loops.elements(); ++done) {
    modular& sum = c[place(in_c, e.result(), e.over(), at)];
    sum = sum + a[place(in_a, e.a(), e.over(), at)] * b[place(in_b, e.b(), e.over(), at)];
    for (std::size_t d = loops.rank(); d-- > 0;) {
      if (++at[d] < loops[d].end()) break;
      at[d] = loops[d].first;
    }
  }
  return c;
}

values on_one_rank(const einsum& e, const values& a, const values& b) {
  return multiply(e, block(e.over()), block(e.a()), a, block(e.b()), b, block(e.result()));
}

world_tensor run(const einsum& e, const einsum_plan& plan, world_tensor a, world_tensor b, const mesh& on) {
  for (const move& m : plan.move_a) apply(a, m, on);
  for (const move& m : plan.move_b) apply(b, m, on);
  world_tensor c{e.result(), plan.result, {}};
  for (int r = 0; r < on.size(); ++r) {
    block loops(e.over());
    for (std::size_t d = 0; d < loops.rank(); ++d) loops[d] = local_share(plan.cut, on, {r}, d, e.over()[d].size);
    const auto rank = static_cast<std::size_t>(r);
    c.ranks.push_back(multiply(e, loops, a.held(on, r), a.ranks[rank], b.held(on, r), b.ranks[rank], c.held(on, r)));
  }
  for (const move& m : plan.move_result) apply(c, m, on);
  return c;
}

/// x (batch, in), weights (in, out): y (batch, out).
einsum product(std::size_t batch, std::size_t in, std::size_t out) {
  return {{{"batch", batch}, {"in", in}}, {{"in", in}, {"out", out}}, {"batch", "out"}};
}

/// Where a gradient lies whose value lies at p: sharded alike, a sum where the value is
/// replicated, and replicated where that is a sum.
placement dual(placement p, const mesh& on) {
  for (int axis = 0; axis < on.axes(); ++axis)
    if (p.dimension_on(axis) < 0) p = p.with_partial(axis, !p.partial_on(axis));
  return p;
}

/// Words per rank that all moves of a plan send.
double words(const einsum& e, const einsum_plan& plan, placement a, placement b, const mesh& on) {
  double all = 0;
  auto add = [&](const std::vector<move>& moves, const shape& whole, placement at) {
    for (const move& m : moves) {
      all += words_of(m, whole, at, on);
      at = after(at, m);
    }
  };
  add(plan.move_a, e.a(), a);
  add(plan.move_b, e.b(), b);
  add(plan.move_result, e.result(), plan.result);
  return all;
}

}  // namespace

static_assert(einsum({{"b", 2}, {"k", 3}}, {{"k", 3}, {"n", 4}}, {"b", "n"}).gradient_of_a().result() == shape{{"b", 2}, {"k", 3}});

TEST_CASE("a product in every layout of the loops equals one rank's, and so do its gradients") {
  std::size_t cases = 0;
  const einsum all[] = {product(5, 3, 4), product(1, 7, 2),
                        {{{"n", 3}, {"h", 2}, {"k", 2}}, {{"n", 3}, {"k", 2}, {"m", 3}}, {"m", "n", "h"}}};
  for (const einsum& e : all) {
    const values a = some<modular>(e.a().elements(), 1), b = some<modular>(e.b().elements(), 2), dc = some<modular>(e.result().elements(), 3);
    const values c = on_one_rank(e, a, b), da = on_one_rank(e.gradient_of_a(), dc, b), db = on_one_rank(e.gradient_of_b(), a, dc);
    for (const mesh& on : worlds::meshes()) {
      std::uint64_t seed = 0;
      for (const placement& cut : cuts_of(e, {}, {}, on)) {
        // Operands and result where the loops have them, and where a random layout wants them.
        const placement home_a = detail::project(cut, e.over(), e.a()), home_b = detail::project(cut, e.over(), e.b());
        const std::vector<placement> anywhere = worlds::placements(e.result().rank(), on);
        const random_stream random{.seed = 4, .purpose = ++seed};
        const placement wanted = anywhere[random.below(0, anywhere.size())];
        const einsum_plan plan = plan_einsum(e, cut, home_a, home_b, wanted, on);
        CHECK(plan.move_a.empty());
        CHECK(collect(run(e, plan, spread(e.a(), home_a, on, a, seed), spread(e.b(), home_b, on, b, seed), on), on) == c);

        const placement given = dual(wanted, on);
        const einsum_plan for_a = plan_einsum(e.gradient_of_a(), given, home_b, dual(home_a, on), on);
        const einsum_plan for_b = plan_einsum(e.gradient_of_b(), home_a, given, dual(home_b, on), on);
        const world_tensor gradient = spread(e.result(), given, on, dc, seed + 1000);
        const world_tensor found_a = run(e.gradient_of_a(), for_a, gradient, spread(e.b(), home_b, on, b, seed), on);
        const world_tensor found_b = run(e.gradient_of_b(), for_b, spread(e.a(), home_a, on, a, seed), gradient, on);
        CHECK(found_a.at == dual(home_a, on));
        CHECK(found_b.at == dual(home_b, on));
        CHECK(collect(found_a, on) == da);
        CHECK(collect(found_b, on) == db);
        ++cases;
      }
    }
  }
  MESSAGE("layouts of products: " << cases);
}

TEST_CASE("operands anywhere, sums among them: the cheapest plan is right, and none of the others is cheaper") {
  const einsum e = product(4, 3, 2);
  const values a = some<modular>(e.a().elements(), 1), b = some<modular>(e.b().elements(), 2), c = on_one_rank(e, a, b);
  std::size_t cases = 0;
  for (const mesh& on : {mesh{{"a", 3}}, mesh{{"a", 2}, {"b", 2}}})
    for (const placement& at_a : worlds::placements(2, on))
      for (const placement& at_b : worlds::placements(2, on)) {
        const std::vector<placement> anywhere = worlds::placements(2, on);
        const random_stream random{.seed = 5, .purpose = cases};
        const placement wanted = anywhere[random.below(0, anywhere.size())];
        const einsum_plan best = plan_einsum(e, at_a, at_b, wanted, on);
        const world_tensor found = run(e, best, spread(e.a(), at_a, on, a, cases), spread(e.b(), at_b, on, b, cases + 500), on);
        CHECK(found.at == wanted);
        CHECK(collect(found, on) == c);
        for (const placement& cut : cuts_of(e, at_a, at_b, on))
          CHECK(best.seconds <= plan_einsum(e, cut, at_a, at_b, wanted, on).seconds);
        ++cases;
      }
  MESSAGE("placements of operands: " << cases);
}

TEST_CASE("the volumes of a product are those of the table") {
  const double B = 12, K = 6, N = 24, r = 2, c = 3, p = 6;
  const einsum e = product(12, 6, 24);
  const mesh line{{"p", 6}}, grid{{"r", 2}, {"c", 3}};
  auto s = [](double ranks) { return (ranks - 1) / ranks; };
  const placement whole, rows = whole.sharded(0, 0), columns = whole.sharded(1, 0), both = rows.sharded(1, 1);
  const double summa = s(c) * B * K / r + s(r) * K * N / c;
  const struct {
    const char* layout;
    mesh on;
    placement cut;      // of (batch, in, out)
    placement x, w, y;  // of values; of gradients as well, added up
    double forward, dx, dw;
  } table[] = {
      {"batch", line, rows, rows, whole, rows, 0, 0, 2 * s(p) * K * N},
      {"columns", line, whole.sharded(2, 0), whole, columns, columns, 0, 2 * s(p) * B * K, 0},
      {"contraction", line, columns, columns, rows, whole, 2 * s(p) * B * N, 0, 0},
      // The gradient of y is gathered once for both.
      {"contraction, scattered", line, columns, columns, rows, rows, s(p) * B * N, s(p) * B * N, s(p) * B * N},
      {"batch@r x columns@c", grid, rows.sharded(2, 1), rows, whole.sharded(1, 1), both, 0, 2 * s(c) * B * K / r, 2 * s(r) * K * N / c},
      {"2-D", grid, rows.sharded(2, 1), both, both, both, summa, summa, summa},
  };
  for (const auto& row : table) {
    CAPTURE(row.layout);
    auto sent = [&](const einsum& product, const placement& a, const placement& b, const placement& result) {
      const placement cut = detail::project(row.cut, e.over(), product.over());
      return words(product, plan_einsum(product, cut, a, b, result, row.on), a, b, row.on);
    };
    CHECK(sent(e, row.x, row.w, row.y) == doctest::Approx(row.forward).epsilon(1e-12));
    CHECK(sent(e.gradient_of_a(), row.y, row.w, row.x) == doctest::Approx(row.dx).epsilon(1e-12));
    CHECK(sent(e.gradient_of_b(), row.x, row.y, row.w) == doctest::Approx(row.dw).epsilon(1e-12));
  }
}

TEST_CASE("what is no product is refused in a sentence that names the dimension") {
  const shape x{{"batch", 2}, {"in", 3}};
  CHECK_THROWS_WITH_AS(einsum(x, {{"in", 4}, {"out", 5}}, {"batch", "out"}), "'in' has 3 places in one operand and 4 in the other, which is (in 4, out 5)", error);
  CHECK_THROWS_WITH_AS(einsum(x, {{"in", 3}}, {"batch", "units"}),
                       "the result has a dimension 'units', and neither operand has: (batch 2, in 3) and (in 3)", error);
  CHECK_THROWS_WITH_AS(einsum(x, {{"in", 3}, {"out", 5}}, {"batch"}),
                       "'out' of (in 3, out 5) is neither in the other operand nor in the result: sum it first", error);
  CHECK_THROWS_WITH_AS(einsum(x, {{"in", 3}}, {"batch", "batch"}), "a tensor has two dimensions 'batch'", error);
  CHECK_THROWS_WITH_AS(einsum({{"in", 3}, {"in", 3}}, {{"in", 3}}, {}), "a tensor has two dimensions 'in'", error);
}
