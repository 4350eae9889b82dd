#include <tutti/mesh/elementwise.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <vector>

#include "../comm/thread_ranks.hpp"
#include "../kernel/data.hpp"
#include "worlds.hpp"

using namespace tutti;

namespace {

/// A tensor whose element of each number is that of `v`.
sharded_tensor<modular> filled(process_mesh& on, const shape& whole, const placement& at, const std::vector<modular>& v) {
  sharded_tensor<modular> t(on, whole, at);
  t.fill([&](std::size_t i) { return v[i]; });
  return t;
}

}  // namespace

TEST_CASE("functions of one and two tensors, in every placement, equal one rank's; what is linear leaves a sum one") {
  const shape all{{"x", 3}, {"y", 2}, {"z", 4}}, some_of{{"z", 4}, {"x", 3}};
  const std::vector<modular> a = some<modular>(24, 1), b = some<modular>(24, 2), c = some<modular>(12, 3);
  std::atomic<std::size_t> cases{0}, wrong{0};
  for (const mesh& m : worlds::meshes())
    thread_ranks::run(m.size(), [&](communicator& world) {
      process_mesh on(world, m);
      auto is = [&](const sharded_tensor<modular>& t, auto expected) {
        const sharded_tensor<modular> here = t.moved({});
        bool same = true;
        for (std::size_t i = 0; i < 24; ++i) same &= here.values()[i] == expected(i);
        return same;
      };
      const std::vector<placement> places = worlds::placements(3, m), of_some = worlds::placements(2, m);
      std::size_t number = 0;
      for (const placement& at : places) {
        const sharded_tensor<modular> x = filled(on, all, at, a), y = filled(on, all, places[++number * 5 % places.size()], b),
                                      z = filled(on, some_of, of_some[number * 3 % of_some.size()], c);
        const sharded_tensor<modular> tripled = mapped_linear(x, [](modular v) { return v + v + v; });
        wrong += !(tripled.where() == at) || !is(tripled, [&](std::size_t i) { return a[i] + a[i] + a[i]; });
        const sharded_tensor<modular> squared = mapped(x, [](modular v) { return v * v; });
        wrong += squared.where().any_partial() || !is(squared, [&](std::size_t i) { return a[i] * a[i]; });
        const sharded_tensor<modular> both = added(x, y);
        wrong += !(both.where() == at) || !is(both, [&](std::size_t i) { return a[i] + b[i]; });
        const auto product = [](modular v, modular w) { return v * w + v; };
        wrong += !is(mapped(x, y, product), [&](std::size_t i) { return a[i] * b[i] + a[i]; });
        wrong += !is(mapped(x, z, product), [&](std::size_t i) { return a[i] * c[i % 4 * 3 + i / 8] + a[i]; });
        cases += world.rank() == 0;
      }
    });
  CHECK(wrong == 0);
  MESSAGE("placements: " << cases.load());
}

TEST_CASE("gradients of functions of one and two tensors, in every placement, equal one rank's, and lie as their operands do") {
  const shape all{{"x", 3}, {"y", 2}, {"z", 4}};
  const std::vector<modular> a = some<modular>(24, 1), g = some<modular>(24, 4);
  const auto derivative = [](modular v) { return v * v * v + modular(2); };
  const auto by_x = [](modular v, modular w) { return v * w * w + w; };
  const auto by_y = [](modular v, modular w) { return v * v + modular(3) * w; };
  const auto tripled = [](modular v) { return v + v + v; };
  // The other operand has all dimensions, some of them in another order, or none; and the
  // number of its element that goes with number i of all.
  const struct {
    shape dims;
    std::size_t (*with)(std::size_t);
  } others[] = {{all, [](std::size_t i) { return i; }},
                {{{"z", 4}, {"x", 3}}, [](std::size_t i) { return i % 4 * 3 + i / 8; }},
                {{{"y", 2}}, [](std::size_t i) { return i / 4 % 2; }},
                {{}, [](std::size_t) { return std::size_t{0}; }}};
  std::vector<modular> mapped_back, tripled_back, by_x_back[4], by_y_back[4], summed[4], b[4];
  for (std::size_t o = 0; o < std::size(others); ++o) {
    b[o] = some<modular>(others[o].dims.elements(), 5 + o);
    by_y_back[o].resize(b[o].size()), summed[o].resize(b[o].size());
  }
  for (std::size_t i = 0; i < 24; ++i) {
    mapped_back.push_back(g[i] * derivative(a[i]));
    tripled_back.push_back(modular(3) * g[i]);
    for (std::size_t o = 0; o < std::size(others); ++o) {
      const std::size_t k = others[o].with(i);
      by_x_back[o].push_back(g[i] * by_x(a[i], b[o][k]));
      by_y_back[o][k] = by_y_back[o][k] + g[i] * by_y(a[i], b[o][k]);
      summed[o][k] = summed[o][k] + g[i];
    }
  }
  std::atomic<std::size_t> cases{0}, wrong{0};
  for (const mesh& m : worlds::meshes())
    thread_ranks::run(m.size(), [&](communicator& world) {
      process_mesh on(world, m);
      auto is = [&](const sharded_tensor<modular>& t, const std::vector<modular>& expected, const placement& at) {
        const sharded_tensor<modular> here = t.moved({});
        return t.where() == detail::without_sums(at, m) && std::equal(here.values().begin(), here.values().end(), expected.begin(), expected.end());
      };
      const std::vector<placement> places = worlds::placements(3, m);
      std::size_t number = 0;
      for (const placement& at : places) {
        const sharded_tensor<modular> x = filled(on, all, at, a), back = filled(on, all, places[++number * 7 % places.size()], g);
        wrong += !is(mapped_gradient(x, back, derivative), mapped_back, at);
        const sharded_tensor<modular> linear = mapped_linear(back, tripled);
        wrong += !(linear.where() == back.where()) || !is(added_up(linear), tripled_back, back.where());
        for (std::size_t o = 0; o < std::size(others); ++o) {
          const std::vector<placement> of_other = worlds::placements(others[o].dims.rank(), m);
          const placement& other_at = of_other[number * (3 + o) % of_other.size()];
          const sharded_tensor<modular> y = filled(on, others[o].dims, other_at, b[o]);
          const operand_gradients<modular> found = mapped_gradients(x, y, back, by_x, by_y);
          wrong += !is(found.x, by_x_back[o], at) || !is(found.y, by_y_back[o], other_at);
          wrong += !is(repeated_gradient(back, others[o].dims, other_at), summed[o], other_at);
          if (o > 0) continue;
          const operand_gradients<modular> of_sum = added_gradients(x, y, back);
          wrong += !is(of_sum.x, g, at) || !is(of_sum.y, g, other_at);
        }
        cases += world.rank() == 0;
      }
    });
  CHECK(wrong == 0);
  MESSAGE("placements, with three more tensors each: " << cases.load());
}

TEST_CASE("the gradient of what is the same for all samples is one all-reduce of its own size") {
  thread_ranks::run(2, [](communicator& world) {
    process_mesh on(world, {{"p", 2}});
    const sharded_tensor<double> x(on, {{"batch", 6}, {"units", 5}}, placement{}.sharded(0, 0)), bias(on, {{"units", 5}});
    const std::size_t before = on.along(0).counters().sent().bytes;
    const auto one = [](double, double) { return 1.0; };
    const operand_gradients<double> back = mapped_gradients(x, bias, x, one, one);
    REQUIRE(on.along(0).counters().sent().bytes - before == on.along(0).plan_for({.what = collective::all_reduce, .count = 5, .element = 8}).bytes_sent);
    REQUIRE(back.x.where() == x.where());
    REQUIRE(back.y.where() == placement{});
  });
}

TEST_CASE("what cannot be paired is refused in a sentence that names the dimension") {
  thread_ranks::run(1, [](communicator& world) {
    process_mesh on(world, {{"p", 1}}), other(world, {{"q", 1}});
    const sharded_tensor<float> x(on, {{"batch", 2}, {"units", 3}}), y(on, {{"units", 4}}), z(on, {{"filters", 3}}), far(other, x.whole());
    const auto plain = [](float a, float b) { return a + b; };
    REQUIRE_THROWS_WITH_AS(mapped(x, y, plain), "'units' has 3 places in (batch 2, units 3) and 4 in (units 4)", error);
    REQUIRE_THROWS_WITH_AS(mapped(x, z, plain), "(batch 2, units 3) has no dimension 'filters'", error);
    const auto one = [](float) { return 1.0f; };
    REQUIRE_THROWS_WITH_AS(mapped_gradient(x, y, one), "the gradient of (batch 2, units 3) cannot be (units 4)", error);
    REQUIRE_THROWS_WITH_AS(mapped_gradient(x, far, one), "(batch 2, units 3) lies on the mesh p=1 and (batch 2, units 3) on another, q=1", error);
    REQUIRE_THROWS_WITH_AS(mapped_gradients(x, y, x, plain, plain), "'units' has 3 places in (batch 2, units 3) and 4 in (units 4)", error);
    REQUIRE_THROWS_WITH_AS(mapped_gradients(x, x, y, plain, plain), "the gradient of (batch 2, units 3) cannot be (units 4)", error);
    REQUIRE_THROWS_WITH_AS(added_gradients(x, y, x), "(batch 2, units 3) and (units 4) cannot be added", error);
    REQUIRE_THROWS_WITH_AS(added_gradients(x, x, y), "the gradient of (batch 2, units 3) cannot be (units 4)", error);
    REQUIRE_THROWS_WITH_AS(repeated_gradient(x, z.whole(), {}), "(batch 2, units 3) has no dimension 'filters'", error);
    REQUIRE_THROWS_WITH_AS(added(x, y), "(batch 2, units 3) and (units 4) cannot be added", error);
    REQUIRE_THROWS_WITH_AS(added(x, far), "(batch 2, units 3) lies on the mesh p=1 and (batch 2, units 3) on another, q=1", error);
  });
}
