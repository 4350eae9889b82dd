#pragma once
#include <cstddef>
#include <cstdint>

#include <tutti/base/error.hpp>
#include <tutti/nn/network.hpp>
#include <tutti/train/agreement.hpp>
#include <tutti/train/dataset.hpp>
#include <tutti/train/gradient_policy.hpp>

// What is looked at before the first step, however the network is cut.

namespace tutti {

/// All but the last must be the same on every rank.
struct trainer_options {
  std::size_t batch = 64;        ///< samples that a step takes, of all ranks together
  std::uint64_t seed = 1;        ///< of the order of samples, anew in each epoch
  std::uint64_t inner_seed = 0;  ///< of their order inside each batch, as in `loader_options`
  /// Samples of one rank that are evaluated at once: more take more memory, and change no figure but for rounding.
  std::size_t evaluation_batch = 256;
};

namespace detail {

inline void need_pictures(const network& net, const dataset& data) {
  if (net.sample != shape{{"channels", data.channels}, {"height", data.height}, {"width", data.width}})
    throw error(errc::invalid_argument, format("the network takes %s, and the data are %zu×%zu×%zu", net.sample.text().c_str(),
                                               data.channels, data.height, data.width));
  if (data.labels.size() < data.count || data.pixels.size() < data.count * data.sample_size())
    throw error(errc::invalid_argument, format("%zu samples are said to be in %zu labels and %zu pixels", data.count,
                                               data.labels.size(), data.pixels.size()));
}

inline void need_classes(const network& net, const dataset& data) {
  const shape made = shapes_of(net, 1).back();
  if (made.elements() != data.classes)
    throw error(errc::invalid_argument, format("the network gives %s, and the data have %zu classes", made.text().c_str(), data.classes));
}

inline void need_labels(const dataset& data, std::size_t classes) {
  for (std::size_t i = 0; i < data.count; ++i)
    if (data.labels[i] >= classes)
      throw error(errc::invalid_argument, format("label %u of sample %zu is out of range: the network has %zu classes",
                                                 static_cast<unsigned>(data.labels[i]), i, classes));
}

/// What all ranks' parameters and losses depend on. The figures come before the
/// contents that follow from them.
template <class Optimiser>
void agree_on_training(agreement& all, const dataset& data, const trainer_options& options, Optimiser& optimiser) {
  all.on("number of training samples", std::uint64_t{data.count});
  all.on("batch", std::uint64_t{options.batch});
  all.on("seed", options.seed);
  all.on("inner seed", options.inner_seed);
  if constexpr (requires { optimiser.settings(); })
    for (const setting& s : optimiser.settings()) all.on(s.name, s.value);
  all.on_content("training labels", span<const std::uint8_t>(data.labels.data(), data.count));
  all.on_content("training pictures", span<const std::uint8_t>(data.pixels.data(), data.count * data.sample_size()));
}

}  // namespace detail

}  // namespace tutti
