#include <tutti/nn/parameter.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("Parameters are named and shaped by their layer") {
  static_assert(parameters_of(lenet()).size() == 8);
  const auto all = parameters_of(lenet());
  CHECK(all[0].label == name("conv1.weights"));
  CHECK(all[2].dims == shape{{"filters", 32}, {"channels", 16}, {"down", 5}, {"across", 5}});
  CHECK(all[2].fan_in == 400);
  CHECK(all[4].dims == shape{{"units", 128}, {"features", 800}});
  CHECK(all[7].label == name("dense2.bias"));
  CHECK(all[7].fan_in == 0);
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i].index == i);
}

TEST_CASE("Two layers of one name, or a name too long for its parameters', are refused") {
  network twice({{"features", 3}});
  twice.dense("d", {.units = 3}).dense("d", {.units = 3});
  CHECK_THROWS_WITH_AS((void)parameters_of(twice), "layer 'd' has the name of another layer", error);
  network lengthy({{"features", 3}});
  lengthy.dense("abcdefghijklmnopqrstuvwxyz", {.units = 3});
  CHECK_THROWS_WITH_AS((void)parameters_of(lengthy),
                       "layer 'abcdefghijklmnopqrstuvwxyz' has too long a name for its parameters'", error);
}

TEST_CASE("A store holds its parameters aligned, in order, apart, and at 0") {
  auto all = parameters_of(lenet());
  for (parameter& p : all) p.stored = p.dims.elements() + p.index;
  parameter_store<float> store(all);
  std::size_t end = 0;
  for (const parameter& p : store.parameters()) {
    CHECK(p.offset % 16 == 0);
    CHECK(p.offset >= end);
    CHECK(p.offset < end + 16);
    end = p.offset + p.stored;
    CHECK(store.value(p).size() == p.stored);
    CHECK(store.gradient(p).data() == store.gradients().data() + p.offset);
    CHECK(reinterpret_cast<std::uintptr_t>(store.value(p).data()) % 64 == 0);
  }
  CHECK(store.values().size() == (end + 15) / 16 * 16);
  for (float v : store.values()) REQUIRE(v == 0);
  for (float v : store.gradients()) REQUIRE(v == 0);
}
