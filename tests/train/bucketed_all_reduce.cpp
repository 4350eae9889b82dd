#include <tutti/train/bucketed_all_reduce.hpp>

#include <doctest/doctest.h>

#include <vector>

#include <tutti/train/sgd.hpp>

#include "../comm/thread_ranks.hpp"
#include "../need.hpp"

using namespace tutti;
using tests::need;

namespace {

std::vector<parameter> sizes(std::initializer_list<std::size_t> stored) {
  std::vector<parameter> all;
  for (std::size_t n : stored) all.push_back({.index = all.size(), .label = "p", .dims = {{"n", n}}, .stored = n});
  return all;
}

struct counts_calls {
  std::size_t updates = 0, ends = 0;
  void update(std::size_t, std::size_t) { ++updates, ends = 0; }
  void end_step() { ++ends; }
};

}  // namespace

TEST_CASE("Every rank gets the sum of all gradients, whatever the buckets, step after step") {
  for (int ranks : {1, 2, 3, 5})
    for (std::size_t bytes : {std::size_t{1}, std::size_t{5000}, std::size_t{1} << 30}) {
      INFO("ranks ", ranks, ", bucket bytes ", bytes);
      CHECK_NOTHROW(thread_ranks::run(ranks, [&](communicator& world) {
        parameter_store<float> store(sizes({3, 1000, 16, 5000, 1}));
        process_mesh on(world, {{"ranks", ranks}});
        bucketed_all_reduce<float> policy(on, store, std::vector<unsigned>(5, 1), {.bytes = bytes});
        // A bucket leaves once it holds enough: 1 alone, 1+5000, then the rest, or everything.
        need(policy.buckets() == (bytes == 1 ? 5u : bytes == 5000 ? 2u : 1u), "another number of buckets");
        sgd<float> o(store, {.learning_rate = 1, .momentum = 0});
        float applied = 0;
        for (int step = 1; step <= 4; ++step) {
          for (std::size_t i = store.parameters().size(); i-- > 0;) {
            const parameter& p = store.parameters()[i];
            for (std::size_t k = 0; k < p.stored; ++k)
              store.gradient(p)[k] = static_cast<float>((world.rank() + 1) * step * (static_cast<int>(k % 5) + 1));
            policy.push(p, store.gradient(p));
          }
          policy.finish(o);
          applied += static_cast<float>(ranks * (ranks + 1) / 2 * step);
          for (const parameter& p : store.parameters())
            for (std::size_t k = 0; k < p.stored; ++k)
              need(store.value(p)[k] == -applied * static_cast<float>(k % 5 + 1), "a wrong sum");
        }
        need((policy.time().exposed > 0) == (ranks > 1), "one rank has nobody to communicate with");
      }));
    }
}

TEST_CASE("A gradient that lies elsewhere is taken along") {
  CHECK_NOTHROW(thread_ranks::run(2, [](communicator& world) {
    parameter_store<float> store(sizes({4}));
    process_mesh on(world, {{"ranks", 2}});
    bucketed_all_reduce<float> policy(on, store, {1});
    sgd<float> o(store, {.learning_rate = 1, .momentum = 0});
    std::vector<float> elsewhere{1, 2, 3, 4};
    policy.fetch(store.parameters()[0]);
    policy.push(store.parameters()[0], elsewhere);
    policy.finish(o);
    need(store.values()[3] == -8, "a wrong sum");
    need(elsewhere[3] == 4, "somebody else's memory was written");
  }));
}

TEST_CASE("An optimiser's step ends once, after its last update") {
  for (int ranks : {1, 2})
    CHECK_NOTHROW(thread_ranks::run(ranks, [&](communicator& world) {
      parameter_store<float> store(sizes({4, 4}));
      process_mesh on(world, {{"ranks", ranks}});
      bucketed_all_reduce<float> policy(on, store, {1, 1}, {.bytes = 1});
      counts_calls o;
      for (std::size_t i : {1u, 0u}) policy.push(store.parameters()[i], store.gradient(store.parameters()[i]));
      policy.finish(o);
      need(o.updates == 2 && o.ends == 1, "no end, or one too early");
    }));
}

TEST_CASE("Gradients out of turn, twice or not at all are refused") {
  thread_ranks::run(1, [](communicator& world) {
    parameter_store<float> store(sizes({4, 4}));
    process_mesh on(world, {});
    bucketed_all_reduce<float> policy(on, store, {0, 0});
    sgd<float> o(store, {});
    const parameter &first = store.parameters()[0], &last = store.parameters()[1];
    const char* out_of_turn =
        "the gradient of 'p' was pushed out of turn: the network's last parameter comes first, each once a step";
    CHECK_THROWS_WITH_AS(policy.push(first, store.gradient(first)), out_of_turn, error);
    policy.push(last, store.gradient(last));
    CHECK_THROWS_WITH_AS(policy.push(last, store.gradient(last)), out_of_turn, error);
    CHECK_THROWS_WITH_AS(policy.finish(o), "the step ends without the gradient of 'p'", error);
  });
}

TEST_CASE("Each gradient is added up over its own axes, though pieces be uneven and some ranks have none") {
  const std::vector<unsigned> sums{1, 2, 0, 3, 1, 0, 2, 3, 1};
  for (std::size_t bytes : {std::size_t{1}, std::size_t{500}, std::size_t{1} << 30})
    CHECK_NOTHROW(thread_ranks::run(6, [&](communicator& world) {
      process_mesh on(world, {{"a", 2}, {"b", 3}});
      // What is a sum over one axis is cut along the other: here, by more the farther a rank stands along it.
      std::vector<parameter> all;
      for (std::size_t i = 0; i < sums.size(); ++i) {
        const int along_a = on.shape().coordinate(on.rank(), 0), along_b = on.shape().coordinate(on.rank(), 1);
        const int cut = (sums[i] & 1 ? 0 : along_a) + (sums[i] & 2 ? 0 : along_b);
        const std::size_t stored = (i + 1) * 20 * static_cast<std::size_t>(cut) + (sums[i] == 3 ? 30 : 0);
        all.push_back({.index = i, .label = "p", .dims = {{"n", stored}}, .stored = stored});
      }
      parameter_store<float> store(all, sums);
      bucketed_all_reduce<float> policy(on, store, sums, {.bytes = bytes});
      sgd<float> o(store, {.learning_rate = 1, .momentum = 0});
      for (int step = 0; step < 3; ++step) {
        for (float& v : store.values()) v = 0;
        for (std::size_t i = sums.size(); i-- > 0;) {
          const parameter& p = store.parameters()[i];
          for (float& g : store.gradient(p)) g = static_cast<float>(1 << world.rank()) + static_cast<float>(100 * i);
          policy.push(p, store.gradient(p));
        }
        policy.finish(o);
        for (const parameter& p : store.parameters()) {
          float expected = 0;
          for (rank r : on.members(sums[p.index])) expected += static_cast<float>(1 << r.value) + static_cast<float>(100 * p.index);
          for (float v : store.value(p)) need(v == -expected, "a wrong sum");
        }
      }
    }));
}
