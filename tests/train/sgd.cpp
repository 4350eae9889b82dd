#include <tutti/train/sgd.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("Momentum and decay, by hand in numbers that are exact") {
  parameter p{.label = "w", .dims = {{"n", 3}}, .fan_in = 1, .stored = 3};
  parameter_store<double> store({p});
  sgd<double> o(store, {.learning_rate = 0.5, .momentum = 0.25, .weight_decay = 0.125});
  for (int i = 0; i < 3; ++i)
    store.values()[static_cast<std::size_t>(i)] = 8, store.gradients()[static_cast<std::size_t>(i)] = 4 * i;
  o.update(1, 2);
  CHECK(store.values()[0] == 8);            // not asked for
  CHECK(store.values()[1] == 8 - 0.5 * 5);  // v = 4 + 8/8
  CHECK(store.values()[2] == 8 - 0.5 * 9);
  o.update(1, 1);
  CHECK(store.values()[1] == 5.5 - 0.5 * (5.0 / 4 + 4 + 5.5 / 8));
  o.options().learning_rate = 0;
  o.update(0, 3);
  CHECK(store.values()[0] == 8);
}

TEST_CASE("What pads a parameter stays 0") {
  parameter p{.label = "w", .dims = {{"n", 3}}, .fan_in = 1, .stored = 3};
  parameter_store<float> store({p});
  sgd<float> o(store, {.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.1});
  for (std::size_t i = 0; i < 3; ++i) store.values()[i] = store.gradients()[i] = 1;
  for (int step = 0; step < 5; ++step) o.update(0, store.values().size());
  for (std::size_t i = 3; i < store.values().size(); ++i) CHECK(store.values()[i] == 0);
}

TEST_CASE("Weights decay, whatever run of the store is asked for, and what sums no inputs does not") {
  std::vector<parameter> all;
  for (std::size_t i = 0; i < 5; ++i)
    all.push_back({.index = i, .label = "p", .dims = {{"n", 20}}, .fan_in = i == 1 || i == 2 || i == 4 ? 3u : 0u, .stored = 20});
  parameter_store<double> whole(all), pieces(all);
  sgd<double> at_once(whole, {.learning_rate = 1, .momentum = 0, .weight_decay = 0.5}), in_runs(pieces, {.learning_rate = 1, .momentum = 0, .weight_decay = 0.5});
  for (parameter_store<double>* each : {&whole, &pieces})
    for (double& v : each->values()) v = 4;
  at_once.update(0, whole.values().size());
  for (std::size_t first = 0; first < pieces.values().size(); first += 7)
    in_runs.update(first, std::min<std::size_t>(7, pieces.values().size() - first));
  for (const parameter& p : whole.parameters())
    for (std::size_t i = 0; i < p.stored; ++i) {
      CHECK(whole.value(p)[i] == (p.fan_in > 0 ? 2 : 4));
      CHECK(pieces.value(p)[i] == whole.value(p)[i]);
    }
}
