#include <tutti/mesh/tensor_bills.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <vector>

#include "../comm/thread_ranks.hpp"
#include "../kernel/data.hpp"
#include "worlds.hpp"

using namespace tutti;

TEST_CASE("what every rank sends in operations on tensors, in every placement, is what its links count") {
  const shape all{{"x", 3}, {"y", 2}, {"z", 4}}, some_of{{"z", 4}, {"x", 3}};
  const std::vector<modular> v = some<modular>(24, 1);
  std::atomic<std::size_t> cases{0}, bytes{0};
  std::atomic<int> wrong[12] = {};
  for (const mesh& m : worlds::meshes())
    thread_ranks::run(m.size(), [&](communicator& world) {
      process_mesh on(world, m);
      for (unsigned axes = 1; axes < 1u << m.axes(); ++axes) on.over(axes);
      auto tensor = [&](const shape& whole, const placement& at) {
        sharded_tensor<modular> t(on, whole, at);
        t.fill([&](std::size_t i) { return v[i]; });
        return t;
      };
      const auto says = bills_of<modular>(m, on.rank(), chosen_by_ranks{&on});
      auto sent = [&] { return world.home().counters().sent(); };
      std::size_t n = 0;
      auto is = [&](const traffic& billed, auto call) {
        const traffic before = sent();
        call();
        traffic found = sent();
        found -= before;
        wrong[n++] += found.bytes != billed.bytes;
        bytes += found.bytes;
        cases += world.rank() == 0;
      };
      const auto two = [](modular a, modular b) { return a * b + a; };
      const std::vector<placement> places = worlds::placements(3, m), of_some = worlds::placements(2, m);
      std::size_t turn = 0;
      for (const placement& at : places) {
        const placement other = places[++turn * 5 % places.size()], of_y = of_some[turn * 3 % of_some.size()];
        const sharded_tensor<modular> x = tensor(all, at), y = tensor(all, other), z = tensor(some_of, of_y);
        n = 0;
        is(says.moved(all, at, other).sent(), [&] { x.moved(other); });
        is(says.mapped(all, at), [&] { mapped(x, [](modular a) { return a * a; }); });
        is(says.mapped(all, at, some_of, of_y), [&] { mapped(x, z, two); });
        is(says.added(all, at, other), [&] { added(x, y); });
        is(says.repeated(some_of, of_y, all, at), [&] { repeated(z, all, at); });
        is({}, [&] { sum(x, {"x", "z"}), mean(x, {"y"}), mapped_linear(x, [](modular a) { return a + a; }); });
        const maxima<modular> greatest = max(x, {"y"});
        is(says.max(all, at, {"y"}), [&] { max(x, {"y"}); });
        const shape left = detail::without(all, {"y"});
        is(says.max_gradient(all, at, {"y"}, of_y), [&] { max_gradient(greatest, tensor(left, of_y)); });
        is(says.softmax(all, at, "z"), [&] { softmax(x, "z"); });
        const sharded_tensor<modular> soft = softmax(x, "z");
        is(says.softmax_gradient(all, soft.where(), other, "z"), [&] { softmax_gradient(soft, y, "z"); });
        const rank root{m.size() - 1};
        is(says.gather(all, at, root), [&] { x.gather(root.value); });
        sharded_tensor<modular> given(on, all, at);
        is(says.scatter(all, at, root), [&] { given.scatter(root.value, span<const modular>(v.data(), v.size())); });
      }
    });
  for (const auto& each : wrong) {
    CAPTURE(&each - wrong);
    CHECK(each == 0);
  }
  CHECK(bytes > 0);
  MESSAGE("operations in placements: " << cases.load());
}

TEST_CASE("bills of tensors refuse what their operations do") {
  const mesh on{{"p", 2}};
  const auto bills = bills_of<float>(on, {0}, chosen_by_model{on, {}});
  const shape x{{"batch", 2}, {"units", 3}};
  CHECK_THROWS_WITH_AS(bills.max(x, {}, {"width"}), "(batch 2, units 3) has no dimension 'width'", error);
  CHECK_THROWS_WITH_AS(bills.mapped(x, {}, {{"units", 4}}, {}), "'units' has 3 places in (batch 2, units 3) and 4 in (units 4)", error);
}
