#pragma once
#include <cstdint>
#include <string>

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
  window down = {};         ///< along the height, of convolution and pooling
  window across = {};       ///< along the width
  std::size_t groups = 1;   ///< of a convolution: filters of a group read its channels only
  bool bias = true;         ///< of a convolution
  double rate = 0;          ///< which part of all elements dropout makes 0
  name from = {};           ///< whose result it takes: the layer's before it where this is empty
  name other = {};          ///< whose result a sum adds

  constexpr bool has_weights() const { return kind == layer_kind::convolution || kind == layer_kind::dense; }
  friend constexpr bool operator==(const layer&, const layer&) = default;
};

/// A square convolution; for others, write a `layer`.
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

namespace detail {
[[noreturn]] inline void refuse(const layer& o, const std::string& why) {
  throw error(errc::invalid_argument, format("layer '%s' %s", o.label.text().c_str(), why.c_str()));
}

constexpr bool is_pictures(const shape& s) {
  return s.rank() == 4 && s.has("batch") && s.has("channels") && s.has("height") && s.has("width");
}

constexpr void check_window(const layer& o, const window& w, std::size_t inputs, const char* direction) {
  if (w.size == 0 || w.stride == 0 || w.dilation == 0)
    refuse(o, format("has a kernel, stride or dilation of 0 along its %s", direction));
  if (w.outputs(inputs) == 0)
    refuse(o, format("reads %zu places along a %s of %zu with padding", w.reach(), direction,
                     w.pad_low + inputs + w.pad_high));
  if (o.kind != layer_kind::convolution && (w.pad_low >= w.size || w.pad_high >= w.size))
    refuse(o, format("pads the %s by as much as its window is long, which would pool over padding only", direction));
}
}  // namespace detail

/// What a layer makes of x, and a sum of two of them. The filters of a convolution are
/// the channels of what follows, the units of a dense layer its features. Throws
/// `invalid_argument` with a sentence that names the layer where it cannot be.
constexpr shape shape_after(const layer& o, const shape& x) {
  switch (o.kind) {
    case layer_kind::dropout:
      if (!(o.rate >= 0 && o.rate < 1)) detail::refuse(o, format("drops %g of its elements; from 0 to below 1 can be", o.rate));
      return x;
    case layer_kind::relu:
    case layer_kind::batch_norm:
    case layer_kind::sum: return x;
    case layer_kind::flatten:
      if (x.of("batch") == 0) {
        std::size_t features = 1;
        for (const dimension& d : x)
          if (!(d.what == name("batch"))) features *= d.size;
        return {{"batch", 0}, {"features", features}};
      }
      return {{"batch", x.of("batch")}, {"features", x.elements() / x.of("batch")}};
    case layer_kind::dense:
      if (!x.has("features")) detail::refuse(o, "needs (batch, features) and gets " + x.text() + "; flatten first");
      if (o.outputs == 0) detail::refuse(o, "has no units");
      return {{"batch", x.of("batch")}, {"features", o.outputs}};
    case layer_kind::convolution:
    case layer_kind::max_pool:
    case layer_kind::average_pool:
    case layer_kind::global_average_pool: break;
  }
  if (!detail::is_pictures(x))
    detail::refuse(o, "needs pictures (batch, channels, height, width) and gets " + x.text());
  if (o.kind == layer_kind::global_average_pool)
    return {{"batch", x.of("batch")}, {"channels", x.of("channels")}, {"height", 1}, {"width", 1}};
  detail::check_window(o, o.down, x.of("height"), "height");
  detail::check_window(o, o.across, x.of("width"), "width");
  const bool filters = o.kind == layer_kind::convolution;
  if (filters && o.outputs == 0) detail::refuse(o, "has no filters");
  if (filters && (o.groups == 0 || o.outputs % o.groups != 0 || x.of("channels") % o.groups != 0))
    detail::refuse(o, format("has %zu groups, which must divide its %zu channels and its %zu filters", o.groups,
                             x.of("channels"), o.outputs));
  return {{"batch", x.of("batch")},
          {"channels", filters ? o.outputs : x.of("channels")},
          {"height", o.down.outputs(x.of("height"))},
          {"width", o.across.outputs(x.of("width"))}};
}

}  // namespace tutti
