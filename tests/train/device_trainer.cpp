#include <tutti/train/device_trainer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <tutti/kernel/onednn.hpp>
#include <tutti/train/model_bill.hpp>
#include <tutti/train/random_pictures.hpp>

#include "../comm/thread_ranks.hpp"
#include "../kernel/far_machine.hpp"
#include "device_runs.hpp"
#include "stripes.hpp"

using namespace tutti;
using device_runs::outcome;

namespace {

template <class T>
using near = far_machine::near_backend<T>;
template <class T>
using away = far_machine::far_backend<T>;

/// On threads, in the host's memory or a device's; what each rank has in the end.
template <class Backend>
std::vector<outcome> train(const mesh& m, std::string_view rules, const network& net, const trainer_options& options, int epochs = 2) {
  const data_sets data{.training = stripes::pictures(45, 1), .test = stripes::pictures(50, 2)};
  std::vector<outcome> all(static_cast<std::size_t>(m.size()));
  thread_ranks::run(m.size(), [&](communicator& world) {
    outcome& mine = all[static_cast<std::size_t>(world.rank())];
    far_machine::away::graph::replays() = 0;
    mine = device_runs::train<Backend>(world, m, rules, net, data, options, epochs);
    mine.replays = far_machine::away::graph::replays();
  });
  return all;
}

network with_dropout() {
  network net({{"channels", 1}, {"height", 6}, {"width", 6}});
  net.convolution("a", {.filters = 4, .kernel = 3, .padding = 1}).relu().average_pool("p").flatten();
  return net.dense("b", {.units = 8}).relu().dropout(0.25).dense("c", {.units = 3});
}

const trainer_options usual{.batch = 8, .evaluation_batch = 20, .vary = {.flip = true, .crop = 1},
                            .rate = learning_rate{.base = 0.05, .decay = rate_decay::cosine, .period = 12, .warm_up = 3}};

}  // namespace

TEST_CASE("on a device training gives the host's bits, from graphs and without") {
  for (const network& net : {stripes::small_network(), stripes::residual_network(), with_dropout()}) {
    const outcome here = train<near<float>>({}, "", net, usual, 3)[0];
    CHECK(here.figures[6] < here.figures[0]);
    for (bool graphs : {true, false}) {
      trainer_options options = usual;
      options.graphs = graphs;
      const outcome there = train<away<float>>({}, "", net, options, 3)[0];
      CHECK(there.parameters == here.parameters);
      CHECK(there.figures == here.figures);
      // 3 epochs of 5 batches of 8 and one of 5, then 2 of 20 and one of 10 are evaluated; each kind's first is not replayed.
      CHECK(there.replays == (graphs ? 14 + 2 + 1 : 0));
      CHECK(there.why_no_graph == (graphs ? "" : "not asked for"));
    }
  }
}

TEST_CASE("two ranks on devices train what two on the host do: their gradients and norms are added up on the devices") {
  const mesh m{{"data", 2}};
  const auto here = train<near<float>>(m, "batch:data", stripes::residual_network(), usual);
  for (bool graphs : {true, false}) {
    trainer_options options = usual;
    options.graphs = graphs;
    const auto there = train<away<float>>(m, "batch:data", stripes::residual_network(), options);
    for (std::size_t r = 0; r < here.size(); ++r) {
      CHECK(there[r].parameters == here[r].parameters);
      CHECK(there[r].figures == here[r].figures);
      CHECK(there[r].why_no_graph == (graphs ? "" : "not asked for"));
      CHECK((there[r].replays > 0) == graphs);
    }
  }
}

TEST_CASE("where ranks ask each other within a step, graphs of what lies between give the same bits") {
  const network small = stripes::small_network(), residual = stripes::residual_network();
  const std::pair<const network*, const char*> cases[] = {
      {&residual, "batch:p"},
      {&residual, "a/filters:p,b/filters:p,s/filters:p,c/units:p"},
      {&residual, "a/height:p,b/height:p,s/height:p"},
      {&residual, "b/channels:p,c/features:p"},
      {&small, "b/units:p,c/features:p"},  // sums that are owed by what nothing is brought to
      {&small, "a.output/height:p"},
  };
  for (const auto& [net, rules] : cases) {
    CAPTURE(rules);
    trainer_options options = usual;
    options.graphs = false;
    const auto plain = train<away<float>>({{"p", 2}}, rules, *net, options);
    options.graphs = true;
    const auto replayed = train<away<float>>({{"p", 2}}, rules, *net, options);
    for (std::size_t r = 0; r < plain.size(); ++r) {
      CHECK(replayed[r].parameters == plain[r].parameters);
      CHECK(replayed[r].figures == plain[r].figures);
      CHECK(replayed[r].why_no_graph == "");
      CHECK(replayed[r].replays > 2 * (4 + 5));  // more than one of each batch but the first of a kind
      CHECK(plain[r].replays == 0);
    }
  }
}

TEST_CASE("where ranks have some of the classes each, or of the rows, the same network comes out but for rounding") {
  const outcome one = train<away<float>>({}, "", stripes::residual_network(), usual)[0];
  double spread = 0;
  auto distance = [&](const outcome& other) {
    double most = 0;
    for (std::size_t i = 0; i < one.parameters.size(); ++i) most = std::max(most, static_cast<double>(std::abs(one.parameters[i] - other.parameters[i])));
    for (std::size_t i = 0; i < one.figures.size(); ++i) most = std::max(most, std::abs(one.figures[i] - other.figures[i]));
    return most;
  };
  for (std::uint64_t inner = 1; inner <= 4; ++inner) {
    trainer_options permuted = usual;
    permuted.inner_seed = inner;
    spread = std::max(spread, distance(train<away<float>>({}, "", stripes::residual_network(), permuted)[0]));
  }
  CHECK(spread > 0);
  for (const char* rules : {"a/filters:p,b/filters:p,s/filters:p,c/units:p", "a/height:p,b/height:p,s/height:p"})
    for (const outcome& each : train<away<float>>({{"p", 2}}, rules, stripes::residual_network(), usual)) CHECK(distance(each) <= 4 * spread);
}

TEST_CASE("Law 1: over 100 steps of the trainer a device and the host differ by no more than rounding explains") {
  const auto found = device_runs::law_1_over_100_steps<onednn_backend, away<float>>();
  MESSAGE(found.text());
  CHECK(found.last_loss < 0.7 * found.first_loss);
  REQUIRE(found.apart.size() == 3);
  for (const device_runs::distance& each : found.apart) CHECK(each.explained_by(found.spread));
}

TEST_CASE_TEMPLATE("in 16 bits a network learns, on several ranks the same", T, tutti::half) {
  for (const mesh& m : {mesh{}, mesh{{"data", 2}}}) {
    const auto all = train<away<T>>(m, m.size() > 1 ? "batch:data" : "", stripes::residual_network(), {.batch = 8}, 6);
    for (const outcome& each : all) {
      CHECK(each.parameters == all[0].parameters);
      CHECK(each.figures == all[0].figures);
      CHECK(each.figures[15] < 0.7 * each.figures[0]);
    }
  }
}

TEST_CASE("Law 3: what devices fetch of each other's memory in a step is what its bill says, launched and replayed") {
  const network residual = stripes::residual_network();
  for (const char* rules : {"batch:p", "a/filters:p,b/filters:p,s/filters:p,c/units:p", "a/height:p,b/height:p,s/height:p", "b/channels:p,c/features:p", "c/units:p"}) {
    CAPTURE(rules);
    std::vector<std::uint64_t> billed(2), counted(2);
    thread_ranks::run(2, [&](communicator& world) {
      const auto me = static_cast<std::size_t>(world.rank());
      const mesh two{{"p", 2}};
      process_mesh on(world, two);
      const dataset data = random_pictures(residual, 4 * 8, 1);
      {
        near<float>::context c;
        sharded_model<near<float>> model(c, on, residual, rules, {.usual_batch = 8});
        billed[me] = 4 * bill_of(model, 8, {.bytes = 256}).sent().bytes;
      }
      away<float>::context c;
      sharded_model<away<float>> model(c, on, residual, rules, {.usual_batch = 8});
      device_sgd<away<float>> o(model, {});
      streamed_all_reduce<away<float>> policy(model, {.bytes = 256});
      device_trainer<away<float>, streamed_all_reduce<away<float>>, device_sgd<away<float>>> t(model, policy, o, data, {.batch = 8});
      const auto fetched = [&] { return world.home().counters().over(link_kind::device).bytes; };
      const std::uint64_t before = fetched();
      t.train_epoch(0);
      counted[me] = fetched() - before;
      policy.close();
    });
    CHECK(counted == billed);
    CHECK(billed[0] > 0);
  }
}
