#pragma once
#include <cstddef>
#include <cstdint>

#include <tutti/kernel/geometry.hpp>
#include <tutti/kernel/shape.hpp>

namespace tutti {

enum class layer_kind : std::uint8_t {
  convolution,
  max_pool,
  average_pool,
  global_average_pool,  ///< one place, the mean of the whole picture
  batch_norm,
  relu,
  dropout,
  sum,  ///< of two operands
  flatten,
  dense,
};

/// One layer of a network, over named dimensions.
struct layer {
  layer_kind kind = layer_kind::relu;
  name label = {};
  std::size_t outputs = 0;  ///< filters of a convolution, units of a dense layer
  window through = {};      ///< along the depth, of convolution and pooling, where pictures have one
  window down = {};         ///< along the height
  window across = {};       ///< along the width
  std::size_t groups = 1;   ///< of a convolution: filters of a group read its channels only
  bool bias = true;         ///< of a convolution
  double rate = 0;          ///< which part of all elements dropout makes 0
  name from = {};           ///< whose result it takes: the layer's before it where this is empty
  name other = {};          ///< whose result a sum adds

  constexpr bool has_weights() const { return kind == layer_kind::convolution || kind == layer_kind::dense; }
  friend constexpr bool operator==(const layer&, const layer&) = default;
};

/// A convolution as long in all directions; for others, write a `layer`.
struct convolution_options {
  std::size_t filters = 1, kernel = 1, stride = 1, padding = 0, dilation = 1, groups = 1;
  bool bias = true;  ///< a batch norm behind it makes one pointless
};
struct pool_options {
  std::size_t kernel = 2, stride = 2, padding = 0;
};
struct dense_options {
  std::size_t units = 1;
};

}  // namespace tutti
