#pragma once
// What train_cnn does on any device.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include <tutti/mesh/mesh.hpp>
#include <tutti/nn/network.hpp>
#include <tutti/train/dataset.hpp>
#include <tutti/train/examine.hpp>
#include <tutti/train/sgd.hpp>
#include <tutti/train/trainer.hpp>

struct settings {
  std::string model = "lenet", data, mesh, layout = "data", schedule = "steps", device = "cpu", precision = "float";
  int epochs = 4;
  std::size_t crop = 0;
  bool flip = false, winograd = false;
  tutti::examination what;  // what is asked, and the batch and the seed of training too
};

/// What there is to train, and how it is cut.
struct job {
  tutti::mesh shape;
  tutti::network net;
  tutti::layout rules;
  std::optional<tutti::data_sets> data;
  std::optional<tutti::found_layout> searched;
};

inline constexpr tutti::sgd_options descent{.momentum = 0.9, .weight_decay = 1e-3};

/// What --schedule says, for epochs of so many steps.
inline tutti::learning_rate rate_called(const std::string& name, std::size_t steps, int epochs) {
  if (name == "constant") return {.base = 0.01};
  if (name == "steps") return {.base = 0.01, .decay = tutti::rate_decay::steps, .period = std::max<std::size_t>(steps, 1), .factor = 0.8};
  return {.base = 0.01, .decay = tutti::rate_decay::cosine, .period = std::max<std::size_t>(steps * static_cast<std::size_t>(epochs), 1)};
}

inline tutti::trainer_options options_of(const settings& chosen, const job& what) {
  const std::size_t steps = (what.data->training.count + chosen.what.batch - 1) / chosen.what.batch;
  return {.batch = chosen.what.batch, .seed = chosen.what.seed, .vary = {.flip = chosen.flip, .crop = chosen.crop}, .rate = rate_called(chosen.schedule, steps, chosen.epochs)};
}

template <class Trainer>
void run_epochs(Trainer& trainer, const settings& chosen, const job& what, bool speaks) {
  for (int epoch = 0; epoch < chosen.epochs; ++epoch) {
    const tutti::epoch_report did = trainer.train_epoch(static_cast<std::size_t>(epoch));
    const tutti::evaluation_report test = trainer.evaluate(what.data->test);
    if (speaks)
      std::printf("epoch %d/%d on %s: loss %.6f, test accuracy %.2f %%, %.0f images/s\n", epoch + 1, chosen.epochs,
                  what.shape.text().c_str(), did.loss, 100 * test.accuracy, did.samples_per_second());
    std::fflush(stdout);
  }
}

/// On the CUDA device whose number is the rank's among those of its host, or what is left of it beyond the last; of T
/// is what is multiplied.
template <class T>
void train_on_cuda(tutti::communicator& world, const settings& chosen, const job& what);
