#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/kernel/random.hpp>
#include <tutti/nn/operations.hpp>
#include <tutti/train/dataset.hpp>

namespace tutti {

/// Pictures and labels for a network, each a function of seed and number: for steps that
/// need no data.
inline dataset random_pictures(const network& net, std::size_t count, std::uint64_t seed) {
  dataset d{.count = count, .channels = net.sample.of("channels"), .depth = net.sample.has("depth") ? net.sample.of("depth") : 1,
            .height = net.sample.of("height"), .width = net.sample.of("width"),
            .classes = shapes_of(net, 1).back().elements(), .scales = std::vector<normalisation>(net.sample.of("channels"), {0.5f, 0.25f})};
  const random_stream pixels{.seed = seed, .purpose = 1}, labels{.seed = seed, .purpose = 2};
  for (std::size_t i = 0; i < count * d.sample_size(); ++i) d.pixels.push_back(static_cast<std::uint8_t>(pixels.below(i, 256)));
  for (std::size_t i = 0; i < count; ++i) d.labels.push_back(static_cast<std::uint8_t>(labels.below(i, d.classes)));
  return d;
}

}  // namespace tutti
