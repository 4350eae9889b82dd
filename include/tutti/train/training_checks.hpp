#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>

#include <tutti/base/error.hpp>
#include <tutti/mesh/planner.hpp>
#include <tutti/nn/networks/pictures.hpp>
#include <tutti/nn/operations.hpp>
#include <tutti/train/agreement.hpp>
#include <tutti/train/augmentation.hpp>
#include <tutti/train/dataset.hpp>
#include <tutti/train/gradient_policy.hpp>
#include <tutti/train/learning_rate.hpp>

// What is looked at before the first step, however the network is cut.

namespace tutti {

/// Must be the same on every rank.
struct trainer_options {
  std::size_t batch = 64;        ///< samples that a step takes, of all ranks together
  std::uint64_t seed = 1;        ///< of the order of samples, anew in each epoch
  std::uint64_t inner_seed = 0;  ///< of their order inside each batch, as in `loader_options`
  /// Samples that all ranks together evaluate at once: more take more memory, and change no figure but for rounding.
  std::size_t evaluation_batch = 256;
  /// On a device a step is recorded once and then replayed, where it can be.
  bool graphs = true;
  augmentation vary = {};  ///< of training pictures, keyed by seed, epoch and sample
  /// Of each step, where there is one; the optimiser's own stays otherwise.
  std::optional<learning_rate> rate = {};
  /// Replicas of a parameter may drift apart: a policy that adds nothing up is taken for
  /// gradients that are sums over several ranks.
  bool replicas_may_differ = false;
};

namespace detail {

inline void need_pictures(const network& net, const dataset& data) {
  const bool deep = data.depth > 1 || net.sample.has("depth");
  if (net.sample != pictures{.channels = data.channels, .depth = deep ? data.depth : 0, .height = data.height, .width = data.width}.sample())
    throw error(errc::invalid_argument, format("the network takes %s, and the data are %zu×%s%zu×%zu", net.sample.text().c_str(), data.channels,
                                               deep ? format("%zu×", data.depth).c_str() : "", data.height, data.width));
  if (data.labels.size() < data.count || data.pixels.size() < data.count * data.sample_size())
    throw error(errc::invalid_argument, format("%zu samples are said to be in %zu labels and %zu pixels", data.count,
                                               data.labels.size(), data.pixels.size()));
}

inline void need_classes(const network& net, const dataset& data) {
  const shape made = shapes_of(net, 1).back();
  if (made.rank() != 2 || made.elements() != data.classes)
    throw error(errc::invalid_argument, format("the network gives %s, and the data have %zu classes", made.text().c_str(), data.classes));
}

/// Where an axis cuts the batch, each of its ranks is to have some of it.
inline void need_batches(const network& net, const network_plan& plan, const mesh& on, std::size_t batch) {
  for (std::size_t i = 0; i < plan.operations.size(); ++i) {
    std::string axes;
    std::size_t parts = 1;
    for (int axis : plan.operations[i].cut.axes_of(0)) {
      axes += (axes.empty() ? "" : "+") + on[axis].what.text();
      parts *= static_cast<std::size_t>(on[axis].size);
    }
    if (batch < parts)
      throw error(errc::invalid_argument,
                  format("layer '%s' cuts the dimension 'batch', which is %zu, over the axis '%s' of %zu ranks: a batch of %zu or more is needed, or a shorter axis",
                         net.layers[i].label.text().c_str(), batch, axes.c_str(), parts, parts));
  }
}

/// A check trains on whole batches.
inline void need_whole_batch(const dataset& data, std::size_t batch) {
  if (data.count < batch)
    throw error(errc::invalid_argument, format("a check of batches of %zu samples needs as many, and the data have %zu", batch, data.count));
}

inline void need_labels(const dataset& data, std::size_t classes) {
  for (std::size_t i = 0; i < data.count; ++i)
    if (data.labels[i] >= classes)
      throw error(errc::invalid_argument, format("label %u of sample %zu is out of range: the network has %zu classes",
                                                 static_cast<unsigned>(data.labels[i]), i, classes));
}

template <class Optimiser>
void need_rate(const trainer_options& options) {
  if (!options.rate) return;
  if constexpr (!requires(Optimiser& o) { o.set_learning_rate(0.0); })
    throw error(errc::invalid_argument, "a learning rate is given for each step, and the optimiser has none that can be set");
  if (options.rate->period == 0)
    throw error(errc::invalid_argument, "a learning rate that decays in a period of 0 steps: at least 1 is needed");
}

/// What all ranks' parameters and losses depend on. The figures come before the
/// contents that follow from them.
template <class Optimiser>
void agree_on_training(agreement& all, const dataset& data, const trainer_options& options, Optimiser& optimiser) {
  all.on("number of training samples", std::uint64_t{data.count});
  all.on("batch", std::uint64_t{options.batch});
  all.on("seed", options.seed);
  all.on("inner seed", options.inner_seed);
  all.on("evaluation batch", std::uint64_t{options.evaluation_batch});
  all.on("flips of pictures", std::uint64_t{options.vary.flip});
  all.on("crop of pictures", std::uint64_t{options.vary.crop});
  const learning_rate rate = options.rate.value_or(learning_rate{.base = -1});
  all.on("schedule's learning rate", rate.base);
  all.on("schedule's kind of decay", static_cast<std::uint64_t>(rate.decay));
  all.on("schedule's period", std::uint64_t{rate.period});
  all.on("schedule's factor", rate.factor);
  all.on("schedule's warm-up", std::uint64_t{rate.warm_up});
  if constexpr (requires { optimiser.settings(); })
    for (const setting& s : optimiser.settings()) all.on(s.name, s.value);
  all.on_content("normalisation of the data", span<const normalisation>(data.scales.data(), data.scales.size()));
  all.on_content("training labels", span<const std::uint8_t>(data.labels.data(), data.count));
  all.on_content("training pictures", span<const std::uint8_t>(data.pixels.data(), data.count * data.sample_size()));
}

}  // namespace detail

}  // namespace tutti
