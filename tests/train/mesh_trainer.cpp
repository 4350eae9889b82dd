#include <tutti/train/mesh_trainer.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <tutti/kernel/naive_backend.hpp>
#include <tutti/train/bucketed_all_reduce.hpp>
#include <tutti/train/sgd.hpp>

#include "../comm/thread_ranks.hpp"
#include "stripes.hpp"

using namespace tutti;

namespace {

using backend = naive_backend<float>;

struct outcome {
  std::vector<epoch_report> epochs;
  evaluation_report test;
  std::vector<float> parameters;
};

outcome train(const mesh& m, const std::string& rules, std::uint64_t inner_seed = 0) {
  const dataset data = stripes::pictures(45, 1), test = stripes::pictures(50, 2);
  outcome found;
  thread_ranks::run(m.size(), [&](communicator& world) {
    backend::context c;
    process_mesh on(world, m);
    sharded_model<backend> model(c, on, stripes::small_network(), std::string_view(rules), {.seed = 7, .usual_batch = 8});
    sgd<float> o(model.parameters(), {.learning_rate = 0.05});
    bucketed_all_reduce policy(model, {.bytes = 256});
    mesh_trainer t(model, policy, o, data, {.batch = 8, .inner_seed = inner_seed, .evaluation_batch = 20});
    outcome mine;
    for (std::size_t e = 0; e < 3; ++e) mine.epochs.push_back(t.train_epoch(e));
    mine.test = t.evaluate(test);
    for (std::size_t i = 0; i < model.whole().size(); ++i)
      for (float value : model.read(i)) mine.parameters.push_back(value);
    if (world.rank() == m.size() - 1) found = mine;
  });
  return found;
}

double distance(const outcome& a, const outcome& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.parameters.size(); ++i)
    most = std::max(most, std::abs(static_cast<double>(a.parameters[i]) - static_cast<double>(b.parameters[i])));
  for (std::size_t e = 0; e < a.epochs.size(); ++e) most = std::max(most, std::abs(a.epochs[e].loss - b.epochs[e].loss));
  return most;
}

}  // namespace

TEST_CASE("in every layout training gives what one rank's gives, within four times what another order of samples does there") {
  const outcome one = train({}, "");
  CHECK(one.epochs.back().samples == 45);
  CHECK(one.epochs.back().loss < one.epochs.front().loss);
  double spread = 0;
  for (std::uint64_t inner = 1; inner <= 4; ++inner) spread = std::max(spread, distance(one, train({}, "", inner)));
  CHECK(spread > 0);
  const struct {
    const char* on;
    const char* rules;
  } layouts[] = {{"data=3", "batch:data"},
                 {"model=2", "a/filters:model,b/units:model,c/units:model"},
                 {"rows=2,columns=2", "a/height:rows,a/width:columns,b/units:rows+columns"},
                 {"data=2,model=2", "batch:data,a/filters:model,b/units:model"},
                 {"p=4", "a/batch:p,b/units:p,c/units:p"}};
  for (const auto& layout : layouts) {
    CAPTURE(std::string(layout.rules));
    const outcome cut = train(mesh::parse(layout.on), layout.rules);
    CHECK(cut.epochs.back().samples == 45);
    CHECK(cut.test.samples == 50);
    CHECK(distance(one, cut) <= 4 * spread);
  }
  MESSAGE("spread on one rank: " << spread);
}

TEST_CASE("a batch smaller than its axis is refused before the first step") {
  std::string said;
  try {
    thread_ranks::run(3, [&](communicator& world) {
      backend::context c;
      process_mesh on(world, {{"data", 3}});
      sharded_model<backend> model(c, on, stripes::small_network(), "batch:data");
      sgd<float> o(model.parameters(), {});
      bucketed_all_reduce policy(model);
      const dataset data = stripes::pictures(9, 1);
      mesh_trainer t(model, policy, o, data, {.batch = 2});
    });
  } catch (const error& e) {
    said = e.what();
  }
  CHECK(said.find("layer 'a' cuts the dimension 'batch', which is 2, over the axis 'data' of 3 ranks: a batch of 3 or more is needed, "
                  "or a shorter axis") != std::string::npos);
}
