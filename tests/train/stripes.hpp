#pragma once
#include <tutti/kernel/random.hpp>
#include <tutti/nn/network.hpp>
#include <tutti/train/dataset.hpp>

// Something small to learn.

namespace stripes {

using namespace tutti;

/// Pictures of 6×6 in 3 classes: a bright row, column or diagonal, and noise.
inline dataset pictures(std::size_t count, std::uint64_t seed) {
  random_stream random{.seed = seed, .purpose = 1};
  dataset d{.count = count, .height = 6, .width = 6, .classes = 3, .scales = {{.mean = 0.1307f, .deviation = 0.3081f}}};
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t kind = random.below(1000 * i, 3), place = random.below(1000 * i + 1, 6);
    for (std::size_t k = 0; k < 36; ++k) {
      const std::size_t row = k / 6, column = k % 6;
      const bool bright = kind == 0 ? row == place : kind == 1 ? column == place : (row + place) % 6 == column;
      d.pixels.push_back(static_cast<std::uint8_t>((bright ? 180 : 0) + random.below(1000 * i + 2 + k, 60)));
    }
    d.labels.push_back(static_cast<std::uint8_t>(kind));
  }
  return d;
}

inline network small_network() {
  network net({{"channels", 1}, {"height", 6}, {"width", 6}});
  net.convolution("a", {.filters = 4, .kernel = 3, .padding = 1}).max_pool("p").relu().flatten();
  return net.dense("b", {.units = 8}).relu().dense("c", {.units = 3});
}

}  // namespace stripes
