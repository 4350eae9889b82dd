#pragma once
#include <cstddef>

#include <tutti/base/share.hpp>

namespace tutti {

/// How a kernel slides along one direction of a picture: output i reads inputs
/// i·stride − pad_low + u·dilation for u in [0, size), as far as they exist.
struct window {
  std::size_t size = 1;
  std::size_t stride = 1;
  std::size_t pad_low = 0;
  std::size_t pad_high = 0;
  std::size_t dilation = 1;

  static constexpr std::size_t outside = static_cast<std::size_t>(-1);

  /// How many inputs lie between the first and the last one read, both included.
  constexpr std::size_t reach() const { return (size - 1) * dilation + 1; }

  /// How many outputs `inputs` give: 0 where the window is longer than the padded input.
  constexpr std::size_t outputs(std::size_t inputs) const {
    std::size_t padded = pad_low + inputs + pad_high;
    return padded < reach() ? 0 : (padded - reach()) / stride + 1;
  }

  /// The fewest inputs that give so many outputs, which are at least 1.
  constexpr std::size_t input_for(std::size_t outputs) const {
    const std::size_t padded = (outputs - 1) * stride + reach(), padding = pad_low + pad_high;
    return padded > padding ? padded - padding : 1;
  }

  /// Which of `inputs` output i reads at place u, or `outside`.
  constexpr std::size_t source(std::size_t i, std::size_t u, std::size_t inputs) const {
    std::size_t padded = i * stride + u * dilation;
    return padded < pad_low || padded - pad_low >= inputs ? outside : padded - pad_low;
  }

  /// Whether there are outputs that read padding only.
  constexpr bool misses(std::size_t inputs) const {
    for (std::size_t i = 0; i < outputs(inputs); ++i) {
      std::size_t u = 0;
      while (u < size && source(i, u, inputs) == outside) ++u;
      if (u == size) return true;
    }
    return false;
  }

  friend constexpr bool operator==(const window&, const window&) = default;
};

/// x (batch, channels, depth, height, width), weights (filters, channels / groups,
/// through.size, down.size, across.size), bias (filters), y (batch, filters, out_depth,
/// out_height, out_width). Filter f reads the channels of group f / (filters / groups)
/// only. Where pictures have no depth, it is 1, and row-major that is the same.
struct convolution_geometry {
  std::size_t batch = 0, channels = 0, depth = 1, height = 0, width = 0, filters = 0;
  window through = {}, down = {}, across = {};
  std::size_t groups = 1;

  constexpr std::size_t out_depth() const { return through.outputs(depth); }
  constexpr std::size_t out_height() const { return down.outputs(height); }
  constexpr std::size_t out_width() const { return across.outputs(width); }
  /// Of one channel, of one filter, and of one window.
  constexpr std::size_t places() const { return depth * height * width; }
  constexpr std::size_t out_places() const { return out_depth() * out_height() * out_width(); }
  constexpr std::size_t taps() const { return through.size * down.size * across.size; }
  constexpr std::size_t inputs() const { return batch * channels * places(); }
  constexpr std::size_t outputs() const { return batch * filters * out_places(); }
  constexpr std::size_t group_channels() const { return channels / groups; }
  constexpr std::size_t group_filters() const { return filters / groups; }
  constexpr std::size_t weights() const { return filters * group_channels() * taps(); }
};

/// Some places of a picture.
struct picture_box {
  share depth = {.first = 0, .count = 1}, height = {}, width = {};
};

/// A convolution that makes some of another's outputs of just what their windows read:
/// boxes of the other's pictures, on both sides.
struct partial_convolution {
  convolution_geometry part = {};
  picture_box reads = {}, makes = {};
};

/// x (batch, channels, depth, height, width), y (batch, channels, out_depth, out_height,
/// out_width); as above.
struct pool_geometry {
  std::size_t batch = 0, channels = 0, depth = 1, height = 0, width = 0;
  window through = {}, down = {}, across = {};

  constexpr std::size_t out_depth() const { return through.outputs(depth); }
  constexpr std::size_t out_height() const { return down.outputs(height); }
  constexpr std::size_t out_width() const { return across.outputs(width); }
  constexpr std::size_t places() const { return depth * height * width; }
  constexpr std::size_t out_places() const { return out_depth() * out_height() * out_width(); }
  constexpr std::size_t taps() const { return through.size * down.size * across.size; }
  constexpr std::size_t inputs() const { return batch * channels * places(); }
  constexpr std::size_t outputs() const { return batch * channels * out_places(); }
};

/// x and y (batch, channels, …), with so many places in each channel of a sample.
struct norm_geometry {
  std::size_t batch = 0, channels = 0, places = 1;
};

/// x (batch, channels, depth, height, width), read as (batch, features); weights
/// (units, features); bias (units); y (batch, units). Without pictures, depth, height
/// and width are 1.
struct dense_geometry {
  std::size_t batch = 0, channels = 0, depth = 1, height = 1, width = 1, units = 0;

  constexpr std::size_t features() const { return channels * depth * height * width; }
  constexpr std::size_t inputs() const { return batch * features(); }
  constexpr std::size_t outputs() const { return batch * units; }
  constexpr std::size_t weights() const { return units * features(); }
};

}  // namespace tutti
