#include <tutti/mesh/products.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <vector>

#include "../comm/thread_ranks.hpp"
#include "../kernel/data.hpp"
#include "worlds.hpp"

using namespace tutti;

namespace {

using values = std::vector<modular>;

/// Plain loops over everything, with neither panels nor order.
values by_definition(const einsum& e, const values& a, const values& b) {
  values c(e.result().elements());
  const shape& over = e.over();
  for (std::size_t i = 0; i < over.elements(); ++i) {
    auto place = [&](const shape& tensor) {
      std::size_t at = 0;
      for (const dimension& d : tensor) {
        std::size_t rest = i, k = over.rank();
        while (!(over[--k].what == d.what)) rest /= over[k].size;
        at = at * d.size + rest % d.size;
      }
      return at;
    };
    modular& sum = c[place(e.result())];
    sum = sum + a[place(e.a())] * b[place(e.b())];
  }
  return c;
}

/// x (batch, in), weights (in, out): y (batch, out).
einsum matrices(std::size_t batch, std::size_t in, std::size_t out) {
  return {{{"batch", batch}, {"in", in}}, {{"in", in}, {"out", out}}, {"batch", "out"}};
}

sharded_tensor<modular> tensor(process_mesh& on, const shape& whole, const placement& at, const values& all) {
  sharded_tensor<modular> t(on, whole, at);
  t.fill([&](std::size_t i) { return all[i]; });
  return t;
}

/// On every rank.
values whole(const sharded_tensor<modular>& t) {
  const sharded_tensor<modular> here = t.moved({});
  return {here.values().begin(), here.values().end()};
}

std::size_t sent(process_mesh& on) {
  std::size_t bytes = 0;
  for (int axis = 0; axis < on.shape().axes(); ++axis) bytes += on.along(axis).counters().sent().bytes;
  return bytes;
}

/// What a product sends by its bill, and by the counters; and whether it is right.
struct outcome {
  bool right = false;
  std::size_t billed = 0, counted = 0;
};
outcome execute(process_mesh& on, const einsum& e, const einsum_plan& plan, const placement& to, std::size_t panel, const values& a, const values& b,
                const values& c) {
  const sharded_tensor<modular> x = tensor(on, e.a(), plan.given_a, a), w = tensor(on, e.b(), plan.given_b, b);
  sharded_tensor<modular> y(on, e.result(), to);
  product<modular> it(on, e, plan, panel);
  outcome all{.billed = bill(e, plan, on.shape(), on.rank(), panel, sizeof(modular), chosen_by_ranks{&on}).sent().bytes};
  const std::size_t before = sent(on);
  it(x.values(), w.values(), y.values());
  all.counted = sent(on) - before;
  it(x.values(), w.values(), y.values());  // again, over what was there
  all.right = whole(y) == c;
  return all;
}

}  // namespace

TEST_CASE("products in every layout of their loops, forward and both gradients, equal one rank's and send what is billed") {
  const einsum all[] = {matrices(5, 7, 3), matrices(1, 2, 4), matrices(2, 0, 3), matrices(4, 6, 8),
                        {{{"n", 3}, {"h", 2}, {"k", 5}}, {{"n", 3}, {"k", 5}, {"m", 3}}, {"m", "n", "h"}},
                        {{{"k", 7}}, {{"k", 7}}, {}},
                        {{{"k", 3}, {"h", 2}}, {{"w", 2}}, {"w", "k", "h"}}};
  std::atomic<std::size_t> cases{0}, wrong{0}, unbilled{0};
  for (const mesh& m : worlds::meshes())
    thread_ranks::run(m.size(), [&](communicator& world) {
      process_mesh on(world, m);
      std::uint64_t seed = 0;
      for (const einsum& e : all) {
        const values a = some<modular>(e.a().elements(), 1), b = some<modular>(e.b().elements(), 2), dc = some<modular>(e.result().elements(), 3);
        const einsum for_a = e.gradient_of_a(), for_b = e.gradient_of_b();
        const values c = by_definition(e, a, b), da = by_definition(for_a, dc, b), db = by_definition(for_b, a, dc);
        const std::vector<placement> at_a = worlds::placements(e.a().rank(), m), at_b = worlds::placements(e.b().rank(), m),
                                     at_c = worlds::placements(e.result().rank(), m);
        auto check = [&](const einsum& one, const placement& cut, const std::vector<placement>& of_a, const std::vector<placement>& of_b,
                         const std::vector<placement>& of_c, const values& left, const values& right, const values& made) {
          const random_stream random{.seed = 6, .purpose = ++seed};
          auto any = [&](const std::vector<placement>& from, std::uint64_t i) { return from[random.below(i, from.size())]; };
          // Operands and result cut anyhow; panels of one or two places, and of all.
          const placement from_a = any(of_a, 0), from_b = any(of_b, 1), to = any(of_c, 2);
          for (std::size_t panel : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
            const outcome found = execute(on, one, plan_einsum(one, cut, from_a, from_b, to, m), to, panel, left, right, made);
            wrong += !found.right;
            unbilled += found.billed != found.counted;
            cases += world.rank() == 0;
          }
        };
        for (const placement& cut : cuts_of(e, {}, {}, m)) check(e, cut, at_a, at_b, at_c, a, b, c);
        for (const placement& cut : cuts_of(for_a, {}, {}, m)) check(for_a, cut, at_c, at_b, at_a, dc, b, da);
        for (const placement& cut : cuts_of(for_b, {}, {}, m)) check(for_b, cut, at_a, at_c, at_b, a, dc, db);
      }
    });
  CHECK(wrong == 0);
  CHECK(unbilled == 0);
  MESSAGE("layouts of products, seed 6: " << cases.load());
}

TEST_CASE("multiply and its gradients, operands anywhere: the cheapest plan is right") {
  const shape x{{"batch", 5}, {"in", 3}}, w{{"out", 4}, {"in", 3}}, y{{"batch", 5}, {"out", 4}};
  const values a = some<modular>(15, 1), b = some<modular>(12, 2), dc = some<modular>(20, 3);
  const einsum e(x, w, {"batch", "out"});
  const values c = by_definition(e, a, b), da = by_definition(e.gradient_of_a(), dc, b), db = by_definition(e.gradient_of_b(), a, dc);
  std::atomic<std::size_t> cases{0}, wrong{0};
  for (const mesh& m : {mesh{}, mesh{{"p", 3}}, mesh{{"r", 2}, {"c", 2}}, mesh{{"r", 2}, {"c", 3}}})
    thread_ranks::run(m.size(), [&](communicator& world) {
      process_mesh on(world, m);
      const std::vector<placement> anywhere = worlds::placements(2, m);
      for (const placement& at : anywhere) {
        const random_stream random{.seed = 7, .purpose = static_cast<std::uint64_t>(&at - anywhere.data())};
        const placement other = anywhere[random.below(0, anywhere.size())], third = anywhere[random.below(1, anywhere.size())];
        const sharded_tensor<modular> left = tensor(on, x, at, a), right = tensor(on, w, other, b), dy = tensor(on, y, third, dc);
        const sharded_tensor<modular> there = multiply(left, right, {"batch", "out"}, third), free = multiply(left, right, {"batch", "out"});
        wrong += !(there.where() == third) || whole(there) != c;
        wrong += free.where().any_partial() || whole(free) != c;
        const product_gradients<modular> found = multiply_gradients(left, right, dy);
        wrong += whole(found.a) != da || whole(found.b) != db || !(found.a.where() == detail::without_sums(at, m));
        cases += world.rank() == 0;
      }
    });
  CHECK(wrong == 0);
  MESSAGE("placements of operands, seed 7: " << cases.load());
}

TEST_CASE("every layout of the table sends the words that it says, to the byte, by its bill and by the links' counters") {
  constexpr std::size_t B = 12, K = 24, N = 36;
  const mesh line{{"p", 6}}, grid{{"r", 2}, {"c", 3}};
  const placement all, rows = all.sharded(0, 0), columns = all.sharded(1, 0), both = rows.sharded(1, 1);
  // Words of s · n over p ranks.
  auto s = [](std::size_t p, std::size_t n) { return (p - 1) * n / p; };
  const std::size_t summa = s(3, B * K / 2) + s(2, K * N / 3);
  const struct {
    const char* layout;
    mesh on;
    placement cut, x, w, y;  // of (batch, in, out)
    std::size_t forward, dx, dw;
  } table[] = {
      {"batch", line, rows, rows, all, rows, 0, 0, 2 * s(6, K * N)},
      {"columns", line, all.sharded(2, 0), all, columns, columns, 0, 2 * s(6, B * K), 0},
      {"contraction", line, columns, columns, rows, all, 2 * s(6, B * N), 0, 0},
      {"contraction, scattered", line, columns, columns, rows, rows, s(6, B * N), s(6, B * N), s(6, B * N)},
      {"batch@r x columns@c", grid, rows.sharded(2, 1), rows, all.sharded(1, 1), both, 0, 2 * s(3, B * K / 2), 2 * s(2, K * N / 3)},
      {"2-D", grid, rows.sharded(2, 1), both, both, both, summa, summa, summa},
  };
  const einsum e = matrices(B, K, N);
  const values a = some<modular>(B * K, 1), b = some<modular>(K * N, 2), dc = some<modular>(B * N, 3);
  const values c = by_definition(e, a, b), da = by_definition(e.gradient_of_a(), dc, b), db = by_definition(e.gradient_of_b(), a, dc);
  ::setenv("TUTTI_ALGORITHM", "ring", 1);
  for (const auto& row : table) {
    CAPTURE(row.layout);
    std::atomic<std::size_t> wrong{0};
    thread_ranks::run(6, [&](communicator& world) {
      process_mesh on(world, row.on);
      auto check = [&](const einsum& one, const placement& from_a, const placement& from_b, const placement& to, const values& left, const values& right,
                       const values& made, std::size_t words) {
        const placement cut = detail::project(row.cut, e.over(), one.over());
        const einsum_plan plan = plan_einsum(one, cut, from_a, from_b, to, row.on);
        for (std::size_t panel : {0u, 6u}) {
          const outcome found = execute(on, one, plan, to, panel, left, right, made);
          wrong += !found.right || found.billed != words * sizeof(modular) || found.counted != words * sizeof(modular);
        }
      };
      check(e, row.x, row.w, row.y, a, b, c, row.forward);
      check(e.gradient_of_a(), row.y, row.w, row.x, dc, b, da, row.dx);
      check(e.gradient_of_b(), row.x, row.y, row.w, a, dc, db, row.dw);
    });
    CHECK(wrong == 0);
  }
  ::unsetenv("TUTTI_ALGORITHM");
}

TEST_CASE("numbers without a dimension are multiplied, also where they are sums over ranks") {
  for (const mesh& m : {mesh{}, mesh{{"p", 3}}, mesh{{"r", 2}, {"c", 2}}})
    thread_ranks::run(m.size(), [&](communicator& world) {
      process_mesh on(world, m);
      const shape none;
      const values a = some<modular>(1, 1), b = some<modular>(1, 2);
      for (const placement& at : worlds::placements(0, m))
        for (const placement& other : worlds::placements(0, m))
          REQUIRE(whole(multiply(tensor(on, none, at, a), tensor(on, none, other, b), {})) == values{a[0] * b[0]});
    });
}

TEST_CASE("what is no product is refused before anything is sent") {
  thread_ranks::run(2, [](communicator& world) {
    process_mesh on(world, {{"p", 2}}), elsewhere(world, {{"q", 2}});
    const sharded_tensor<float> x(on, {{"batch", 2}, {"in", 3}}), w(on, {{"in", 4}, {"out", 2}}), far(elsewhere, {{"in", 3}, {"out", 2}});
    REQUIRE_THROWS_WITH_AS(multiply(x, w, {"batch", "out"}), "'in' has 3 places in one operand and 4 in the other, which is (in 4, out 2)", error);
    REQUIRE_THROWS_WITH_AS(multiply(x, far, {"batch", "out"}), "(batch 2, in 3) lies on the mesh p=2 and (in 3, out 2) on another, q=2", error);
    const sharded_tensor<float> v(on, {{"in", 3}, {"out", 2}}), dy(on, {{"batch", 2}, {"out", 5}});
    REQUIRE_THROWS_WITH_AS(multiply_gradients(x, v, dy), "the gradient of (batch 2, out 2) cannot be (batch 2, out 5)", error);
    const sharded_tensor<float> in_order(on, {{"in", 3}, {"out", 2}});
    REQUIRE_THROWS_WITH_AS(multiply(x, in_order, {"batch", "out"}, placement{}.sharded(2, 0)),
                           "(batch 2, out 2) cannot be moved to where a dimension is cut that it has not", error);
  });
}
