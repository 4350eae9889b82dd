#pragma once
// The trainer in the host's memory or a device's, and law 1 between the two.
#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/train/bucketed_all_reduce.hpp>
#include <tutti/train/check.hpp>
#include <tutti/train/device_sgd.hpp>
#include <tutti/train/device_trainer.hpp>
#include <tutti/train/random_pictures.hpp>
#include <tutti/train/streamed_all_reduce.hpp>

#include "../comm/thread_ranks.hpp"

namespace device_runs {

using namespace tutti;

/// What a rank has in the end.
struct outcome {
  std::vector<double> figures = {};  ///< loss, accuracy and samples of each epoch, then loss and accuracy of the test
  std::vector<float> parameters = {};
  std::string why_no_graph = {};
  int replays = 0;
};

template <class Trainer, class Model>
void go(outcome& mine, Trainer& t, Model& model, const dataset& test, int epochs) {
  const auto note = [&](double loss, double accuracy) { mine.figures.insert(mine.figures.end(), {loss, accuracy}); };
  for (int e = 0; e < epochs; ++e) {
    const epoch_report did = t.train_epoch(static_cast<std::size_t>(e));
    note(did.loss, did.accuracy);
    mine.figures.push_back(static_cast<double>(did.samples));
  }
  const evaluation_report found = t.evaluate(test);
  note(found.loss, found.accuracy);
  for (const parameter& p : model.whole())
    for (float value : model.read(p.index)) mine.parameters.push_back(value);
}

/// One rank's part of the training. Collective.
template <class Backend>
outcome train(communicator& world, const mesh& m, std::string_view rules, const network& net, const data_sets& data, const trainer_options& options, int epochs) {
  outcome mine;
  typename Backend::context c;
  process_mesh on(world, m);
  sharded_model<Backend> model(c, on, net, rules, {.seed = 7, .usual_batch = options.batch});
  const sgd_options how{.learning_rate = 0.05, .weight_decay = 1e-3};
  if constexpr (!on_host<typename Backend::space>) {
    device_sgd<Backend> o(model, how);
    streamed_all_reduce<Backend> policy(model, {.bytes = 256});
    device_trainer<Backend, streamed_all_reduce<Backend>, device_sgd<Backend>> t(model, policy, o, data.training, options);
    go(mine, t, model, data.test, epochs);
    mine.why_no_graph = t.step().why_no_graph();
    policy.close();
  } else {
    sgd<typename Backend::number> o(model.parameters(), how);
    bucketed_all_reduce policy(model, {.bytes = 256});
    trainer t(model, policy, o, data.training, options);
    go(mine, t, model, data.test, epochs);
  }
  return mine;
}

/// On ranks that are threads.
template <class Backend>
std::vector<outcome> train_ranks(const mesh& m, std::string_view rules, const network& net, const data_sets& data, const trainer_options& options, int epochs) {
  std::vector<outcome> all(static_cast<std::size_t>(m.size()));
  thread_ranks::run(m.size(), [&](communicator& world) {
    all[static_cast<std::size_t>(world.rank())] = train<Backend>(world, m, rules, net, data, options, epochs);
  });
  return all;
}

/// How far a run is from another at most: in the loss of an epoch or of the test, and in
/// an element of a parameter.
struct distance {
  double loss = 0, parameters = 0;

  static distance between(const outcome& a, const outcome& b) {
    distance d{.parameters = detail::largest_difference(a.parameters, b.parameters)};
    for (std::size_t i = 0; i < a.figures.size(); i += 3) d.loss = detail::greater_difference(d.loss, std::abs(a.figures[i] - b.figures[i]));
    return d;
  }
  /// Law 1: no more than four times what another order of samples in their batches led to.
  bool explained_by(const distance& spread) const { return loss <= 4 * spread.loss && parameters <= 4 * spread.parameters; }
};

/// Convolutions, pools and dense layers as in LeNet, of which each has little to do.
inline network little_lenet() {
  network net({{"channels", 1}, {"height", 12}, {"width", 12}});
  net.convolution("conv1", {.filters = 4, .kernel = 3}).max_pool("pool1").relu();
  net.convolution("conv2", {.filters = 8, .kernel = 3, .padding = 1}).max_pool("pool2").relu().flatten();
  return net.dense("dense1", {.units = 16}).relu().dense("dense2", {.units = 5});
}

/// Runs of 100 steps: the spread on the host, and each rank's distance from the host's
/// run on one device and on two ranks that have one.
struct hundred_steps {
  distance spread = {};
  std::vector<distance> apart = {};
  double first_loss = 0, last_loss = 0;

  std::string text() const {
    std::string all = format("loss %.4f to %.4f, spread on the host %.3g in losses and %.3g in parameters, on the device", first_loss, last_loss,
                             spread.loss, spread.parameters);
    for (const distance& d : apart) all += format(" %.3g and %.3g,", d.loss, d.parameters);
    return all.substr(0, all.size() - 1);
  }
};

template <class Host, class Device>
hundred_steps law_1_over_100_steps() {
  const network net = little_lenet();
  const data_sets data{.training = random_pictures(net, 80, 1), .test = random_pictures(net, 40, 2)};
  trainer_options options{.batch = 8};
  constexpr int epochs = 10;  // of 10 steps
  const outcome here = train_ranks<Host>({}, "", net, data, options, epochs)[0];
  hundred_steps found{.first_loss = here.figures[0], .last_loss = here.figures[3 * (epochs - 1)]};
  for (const mesh& m : {mesh{}, mesh{{"data", 2}}})
    for (const outcome& each : train_ranks<Device>(m, m.size() > 1 ? "batch:data" : "", net, data, options, epochs))
      found.apart.push_back(distance::between(here, each));
  for (options.inner_seed = 1; options.inner_seed <= 8; ++options.inner_seed) {
    const distance other = distance::between(here, train_ranks<Host>({}, "", net, data, options, epochs)[0]);
    found.spread = {std::max(found.spread.loss, other.loss), std::max(found.spread.parameters, other.parameters)};
  }
  return found;
}

}  // namespace device_runs
