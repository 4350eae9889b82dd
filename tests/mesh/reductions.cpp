#include <tutti/mesh/reductions.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <vector>

#include "../comm/thread_ranks.hpp"
#include "../kernel/data.hpp"
#include "worlds.hpp"

using namespace tutti;

namespace {

using values = std::vector<modular>;

values whole(const sharded_tensor<modular>& t) {
  const sharded_tensor<modular> here = t.moved({});
  return {here.values().begin(), here.values().end()};
}
sharded_tensor<modular> tensor(process_mesh& on, const shape& all, const placement& at, const values& v) {
  sharded_tensor<modular> t(on, all, at);
  t.fill([&](std::size_t i) { return v[i]; });
  return t;
}

// All by definition: x (3, 2, 4), reduced along some of its dimensions.
struct reference {
  values sum, mean, max, from_sum, from_mean, from_max, soft, from_soft;

  reference(const values& x, const values& dy, const values& dx, bool over_x, bool over_y, bool over_z) {
    const std::size_t left = (over_x ? 1 : 3) * (over_y ? 1 : 2) * (over_z ? 1 : 4);
    const modular each(24 / left);
    std::vector<std::size_t> first(left, 24), to(24);
    sum.resize(left), max.resize(left), from_max.resize(24), soft.resize(24), from_soft.resize(24);
    for (std::size_t i = 0; i < 24; ++i) {
      const std::size_t a = over_x ? 0 : i / 8, b = over_y ? 0 : i / 4 % 2, c = over_z ? 0 : i % 4;
      to[i] = (a * (over_y ? 1 : 2) + b) * (over_z ? 1 : 4) + c;
      sum[to[i]] = sum[to[i]] + x[i];
      if (first[to[i]] == 24 || x[i] > x[first[to[i]]]) first[to[i]] = i;
    }
    for (std::size_t k = 0; k < left; ++k) max[k] = x[first[k]], from_max[first[k]] = dy[k], mean.push_back(sum[k] / each);
    values powers(left), common(left);
    for (std::size_t i = 0; i < 24; ++i) from_sum.push_back(dy[to[i]]), from_mean.push_back(dy[to[i]] / each), powers[to[i]] = powers[to[i]] + exp(x[i] - max[to[i]]);
    for (std::size_t i = 0; i < 24; ++i) soft[i] = exp(x[i] - max[to[i]]) / powers[to[i]], common[to[i]] = common[to[i]] + soft[i] * dx[i];
    for (std::size_t i = 0; i < 24; ++i) from_soft[i] = soft[i] * (dx[i] - common[to[i]]);
  }
};

}  // namespace

TEST_CASE("sums, means, maxima and softmax with their gradients, in every placement, equal one rank's") {
  const shape all{{"x", 3}, {"y", 2}, {"z", 4}};
  values x = some<modular>(24, 1);
  x[13] = x[5], x[22] = x[5];  // several may be the greatest
  const values dx = some<modular>(24, 2), dy = some<modular>(24, 3);
  const struct {
    std::initializer_list<name> along;
    bool x, y, z;
  } ways[] = {{{"x"}, true, false, false}, {{"y"}, false, true, false}, {{"z", "x"}, true, false, true}, {{"x", "y", "z"}, true, true, true}, {{}, false, false, false}};
  std::atomic<std::size_t> cases{0}, wrong{0};
  for (const mesh& m : worlds::meshes())
    thread_ranks::run(m.size(), [&](communicator& world) {
      process_mesh on(world, m);
      for (const auto& way : ways) {
        const reference expected(x, dy, dx, way.x, way.y, way.z);
        const shape left = detail::without(all, way.along);
        const std::vector<placement> of_y = worlds::placements(left.rank(), m);
        std::size_t turn = 0;
        for (const placement& at : worlds::placements(3, m)) {
          const sharded_tensor<modular> here = tensor(on, all, at, x);
          const sharded_tensor<modular> back = tensor(on, left, of_y[turn++ % of_y.size()], dy);
          wrong += whole(sum(here, way.along)) != expected.sum || whole(mean(here, way.along)) != expected.mean;
          wrong += whole(repeated(back, all, at)) != expected.from_sum || whole(mean_gradient(back, all, at)) != expected.from_mean;
          const maxima<modular> greatest = max(here, way.along);
          wrong += whole(greatest.values) != expected.max || whole(max_gradient(greatest, back)) != expected.from_max;
          if (way.along.size() == 1) {
            const sharded_tensor<modular> soft = softmax(here, *way.along.begin());
            wrong += whole(soft) != expected.soft || whole(softmax_gradient(soft, tensor(on, all, at, dx), *way.along.begin())) != expected.from_soft;
          }
          cases += world.rank() == 0;
        }
      }
    });
  CHECK(wrong == 0);
  MESSAGE("reductions of placements: " << cases.load());
}

TEST_CASE("a sum sends nothing, a maximum one value and one place for each of its elements") {
  thread_ranks::run(2, [](communicator& world) {
    process_mesh on(world, {{"p", 2}});
    const sharded_tensor<double> x(on, {{"batch", 3}, {"classes", 8}}, placement{}.sharded(1, 0));
    auto sent = [&] { return on.along(0).counters().sent().bytes; };
    const std::size_t before = sent();
    const sharded_tensor<double> total = sum(x, {"classes"});
    REQUIRE(total.where().partial_on(0));
    REQUIRE(sent() == before);
    const std::size_t billed = on.along(0).plan_for({.what = collective::all_reduce, .count = 3, .element = 16}).bytes_sent;
    max(x, {"classes"});
    REQUIRE(sent() - before == billed);
  });
}

TEST_CASE("reductions refuse dimensions that are not there, and the greatest of nothing") {
  thread_ranks::run(1, [](communicator& world) {
    process_mesh on(world, mesh{});
    const sharded_tensor<float> x(on, {{"batch", 2}, {"height", 0}}), y(on, {{"width", 2}});
    REQUIRE_THROWS_WITH_AS(sum(x, {"width"}), "(batch 2, height 0) has no dimension 'width'", error);
    REQUIRE_THROWS_WITH_AS(max(x, {"height"}), "of (batch 2, height 0) along 'height' there is nothing to be the greatest", error);
    REQUIRE_THROWS_WITH_AS(max_gradient(max(x, {"batch"}), y), "the gradient of (height 0) cannot be (width 2)", error);
    REQUIRE_THROWS_WITH_AS(softmax_gradient(y, x, "width"), "the gradient of (width 2) cannot be (batch 2, height 0)", error);
    REQUIRE(sum(x, {"height"}).values()[1] == 0);
  });
}
