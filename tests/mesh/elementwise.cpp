#include <tutti/mesh/elementwise.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <vector>

#include "../comm/thread_ranks.hpp"
#include "../kernel/data.hpp"
#include "worlds.hpp"

using namespace tutti;

TEST_CASE("functions of one and two tensors, in every placement, equal one rank's; what is linear leaves a sum one") {
  const shape all{{"x", 3}, {"y", 2}, {"z", 4}}, some_of{{"z", 4}, {"x", 3}};
  const std::vector<modular> a = some<modular>(24, 1), b = some<modular>(24, 2), c = some<modular>(12, 3);
  std::atomic<std::size_t> cases{0}, wrong{0};
  for (const mesh& m : worlds::meshes())
    thread_ranks::run(m.size(), [&](communicator& world) {
      process_mesh on(world, m);
      auto tensor = [&](const shape& whole, const placement& at, const std::vector<modular>& v) {
        sharded_tensor<modular> t(on, whole, at);
        t.fill([&](std::size_t i) { return v[i]; });
        return t;
      };
      auto is = [&](const sharded_tensor<modular>& t, auto expected) {
        const sharded_tensor<modular> here = t.moved({});
        bool same = true;
        for (std::size_t i = 0; i < 24; ++i) same &= here.values()[i] == expected(i);
        return same;
      };
      const std::vector<placement> places = worlds::placements(3, m), of_some = worlds::placements(2, m);
      std::size_t number = 0;
      for (const placement& at : places) {
        const sharded_tensor<modular> x = tensor(all, at, a), y = tensor(all, places[++number * 5 % places.size()], b),
                                      z = tensor(some_of, of_some[number * 3 % of_some.size()], c);
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

TEST_CASE("what cannot be paired is refused in a sentence that names the dimension") {
  thread_ranks::run(1, [](communicator& world) {
    process_mesh on(world, {{"p", 1}}), other(world, {{"q", 1}});
    const sharded_tensor<float> x(on, {{"batch", 2}, {"units", 3}}), y(on, {{"units", 4}}), z(on, {{"filters", 3}}), far(other, x.whole());
    const auto plain = [](float a, float b) { return a + b; };
    REQUIRE_THROWS_WITH_AS(mapped(x, y, plain), "'units' has 3 places in (batch 2, units 3) and 4 in (units 4)", error);
    REQUIRE_THROWS_WITH_AS(mapped(x, z, plain), "(batch 2, units 3) has no dimension 'filters'", error);
    REQUIRE_THROWS_WITH_AS(added(x, y), "(batch 2, units 3) and (units 4) cannot be added", error);
    REQUIRE_THROWS_WITH_AS(added(x, far), "(batch 2, units 3) lies on the mesh p=1 and (batch 2, units 3) on another, q=1", error);
  });
}
