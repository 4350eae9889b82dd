#include <tutti/nn/parameter.hpp>

#include <doctest/doctest.h>

#include <tutti/nn/networks/lenet.hpp>

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

TEST_CASE("A norm scales and shifts each channel, and a convolution before it may have no bias") {
  network net({{"channels", 4}, {"height", 5}, {"width", 5}});
  net.convolution("a", {.filters = 6, .kernel = 3, .groups = 2, .bias = false}).batch_norm("n");
  const auto all = parameters_of(net);
  REQUIRE(all.size() == 3);
  CHECK(all[0].dims == shape{{"filters", 6}, {"channels", 2}, {"down", 3}, {"across", 3}});
  CHECK(all[0].fan_in == 18);
  CHECK(all[1].label == name("n.scale"));
  CHECK(all[1].dims == shape{{"channels", 6}});
  CHECK(all[1].constant == 1);
  CHECK(all[2].label == name("n.shift"));
  CHECK(all[2].constant == 0);
  CHECK(all[2].fan_in == 0);
  CHECK(learned_numbers(net) == 6 * 18 + 12);
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
