#include <tutti/mesh/sharded_tensor.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <sstream>
#include <vector>

#include "../comm/thread_ranks.hpp"
#include "../kernel/modular.hpp"
#include "worlds.hpp"

using namespace tutti;

TEST_CASE("a tensor is the same in every placement: filled, scattered, gathered, moved") {
  const shape tensor{{"x", 3}, {"y", 2}, {"z", 4}};
  std::vector<modular> values(tensor.elements());
  const random_stream random{.seed = 3};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = modular(random.at(i));
  for (const mesh& m : worlds::meshes()) {
    std::atomic<int> wrong{0};
    thread_ranks::run(m.size(), [&](communicator& world) {
      process_mesh on(world, m);
      const int root = m.size() - 1;
      const std::vector<modular> at_root = world.rank() == root ? values : std::vector<modular>{};
      const std::vector<placement> all = worlds::placements(3, m);
      for (const placement& at : all) {
        sharded_tensor<modular> t(on, tensor, at);
        t.fill_random(3);
        wrong += t.gather(root) != at_root;
        sharded_tensor<modular> given(on, tensor, at);
        given.scatter(root, span<const modular>(at_root.data(), at_root.size()));
        wrong += given.gather(root) != at_root;
        const placement& other = all[(static_cast<std::size_t>(&at - all.data()) * 7 + 3) % all.size()];
        const sharded_tensor<modular> there = t.moved(other);
        wrong += !(there.where() == other) || there.gather(root) != at_root;
        if (at.any_partial()) continue;
        for (std::size_t i = 0; i < values.size(); ++i)
          if (const modular* e = t.find(i)) wrong += !(*e == values[i]);
      }
    });
    CHECK(wrong == 0);
  }
}

TEST_CASE("every element is found where it is held, and nowhere else") {
  const shape tensor{{"x", 5}, {"y", 3}};
  const mesh m{{"a", 2}, {"b", 2}};
  std::atomic<int> found{0};
  thread_ranks::run(4, [&](communicator& world) {
    process_mesh on(world, m);
    sharded_tensor<int> t(on, tensor, placement{}.sharded(0, 0).sharded(1, 1));
    t.fill([](std::size_t i) { return static_cast<int>(i); });
    int mine = 0;
    for (std::size_t i = 0; i < tensor.elements(); ++i)
      if (const int* e = t.find(i)) {
        REQUIRE(*e == static_cast<int>(i));
        ++mine;
      }
    REQUIRE(static_cast<std::size_t>(mine) == t.held().elements());
    for (std::size_t beyond : {15u, 16u, 100u}) REQUIRE(t.find(beyond) == nullptr);
    REQUIRE(sharded_tensor<int>(on, {{"x", 0}, {"y", 3}}).find(0) == nullptr);
    found += mine;
  });
  CHECK(found == 15);
}

TEST_CASE("a tensor says what it is") {
  thread_ranks::run(2, [](communicator& world) {
    process_mesh on(world, {{"data", 2}});
    sharded_tensor<int> t(on, {{"batch", 4}, {"features", 2}}, placement{}.sharded(0, 0));
    t.fill([](std::size_t i) { return static_cast<int>(i); });
    std::ostringstream text;
    text << t;
    if (world.rank() == 1)
      REQUIRE(text.str() == "rank 1 of data=2 holds batch 2 to 3, features 0 to 1 of (batch:data 4, features 2): 4 5 6 7");
    t.apply([](int x) { return x * x; });
    REQUIRE(t.values()[1] == (world.rank() == 0 ? 1 : 25));
    sharded_tensor<int> sum(on, {{"batch", 4}}, placement{}.with_partial(0));
    REQUIRE_THROWS_WITH_AS(sum.apply([](int x) { return x * x; }), "(batch 4) is a sum over 'data': what is not linear needs it added up first", error);
    if (world.rank() == 0)
      REQUIRE_THROWS_WITH_AS(t.scatter(0, span<const int>(nullptr, 3)), "3 elements are no tensor (batch 4, features 2)", error);
  });
}
