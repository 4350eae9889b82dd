#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include <tutti/kernel/geometry.hpp>
#include <tutti/kernel/shape.hpp>

namespace tutti {

enum class layer_kind : std::uint8_t { convolution, max_pool, relu, flatten, dense };

/// One layer of a network, over named dimensions.
struct layer {
  layer_kind kind = layer_kind::relu;
  name label = {};
  std::size_t outputs = 0;  ///< filters of a convolution, units of a dense layer
  window down = {};         ///< along the height, of convolution and pooling
  window across = {};       ///< along the width

  constexpr bool has_parameters() const { return kind == layer_kind::convolution || kind == layer_kind::dense; }
  friend constexpr bool operator==(const layer&, const layer&) = default;
};

/// A square convolution; for others, write a `layer`.
struct convolution_options {
  std::size_t filters = 1, kernel = 1, stride = 1, padding = 0, dilation = 1;
};
struct max_pool_options {
  std::size_t kernel = 2, stride = 2, padding = 0;
};
struct dense_options {
  std::size_t units = 1;
};

/// A network as a value: what one sample is, and layers one after the
/// other. Says nothing of batch, element type, backend or placement.
struct network {
  shape sample = {};
  std::vector<layer> layers = {};

  constexpr explicit network(const shape& one_sample) : sample(one_sample) {}

  constexpr network& convolution(name label, convolution_options o) {
    window each{
        .size = o.kernel, .stride = o.stride, .pad_low = o.padding, .pad_high = o.padding, .dilation = o.dilation};
    return add({.kind = layer_kind::convolution, .label = label, .outputs = o.filters, .down = each, .across = each});
  }
  constexpr network& max_pool(name label, max_pool_options o = {}) {
    window each{.size = o.kernel, .stride = o.stride, .pad_low = o.padding, .pad_high = o.padding};
    return add({.kind = layer_kind::max_pool, .label = label, .down = each, .across = each});
  }
  constexpr network& relu(name label = "relu") { return add({.kind = layer_kind::relu, .label = label}); }
  constexpr network& flatten(name label = "flatten") { return add({.kind = layer_kind::flatten, .label = label}); }
  constexpr network& dense(name label, dense_options o) {
    return add({.kind = layer_kind::dense, .label = label, .outputs = o.units});
  }
  constexpr network& add(const layer& next) {
    layers.push_back(next);
    return *this;
  }

  friend constexpr bool operator==(const network&, const network&) = default;
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
  if (o.kind == layer_kind::max_pool && (w.pad_low >= w.size || w.pad_high >= w.size))
    refuse(o, format("pads the %s by as much as its window is long, which would pool over padding only", direction));
}
}  // namespace detail

/// What a layer makes of x. The filters of a convolution are the channels
/// of what follows, the units of a dense layer its features. Throws
/// `invalid_argument` with a sentence that names the layer where it cannot be.
constexpr shape shape_after(const layer& o, const shape& x) {
  switch (o.kind) {
    case layer_kind::relu: return x;
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
    case layer_kind::max_pool: break;
  }
  if (!detail::is_pictures(x))
    detail::refuse(o, "needs pictures (batch, channels, height, width) and gets " + x.text());
  detail::check_window(o, o.down, x.of("height"), "height");
  detail::check_window(o, o.across, x.of("width"), "width");
  if (o.kind == layer_kind::convolution && o.outputs == 0) detail::refuse(o, "has no filters");
  return {{"batch", x.of("batch")},
          {"channels", o.kind == layer_kind::convolution ? o.outputs : x.of("channels")},
          {"height", o.down.outputs(x.of("height"))},
          {"width", o.across.outputs(x.of("width"))}};
}

/// A batch of samples.
constexpr shape batch_of(const network& net, std::size_t batch) {
  if (net.sample.rank() == 3) return {{"batch", batch}, net.sample[0], net.sample[1], net.sample[2]};
  if (net.sample.rank() == 1) return {{"batch", batch}, net.sample[0]};
  throw error(errc::invalid_argument,
              "a sample is (channels, height, width) or (features), and not " + net.sample.text());
}

/// The shapes between the layers: the input, then the output of each.
constexpr std::vector<shape> shapes_of(const network& net, std::size_t batch) {
  std::vector<shape> all(1, batch_of(net, batch));
  for (const layer& o : net.layers) all.push_back(shape_after(o, all.back()));
  return all;
}

/// LeNet for 28×28 digits, after LeCun, Bottou, Bengio and Haffner, Gradient-based
/// learning applied to document recognition, 1998, with max pooling and ReLU, and
/// as many filters as fill vectors. Max pooling and ReLU commute; pooling first
/// leaves the ReLU a quarter of the work.
constexpr network lenet() {
  network net({{"channels", 1}, {"height", 28}, {"width", 28}});
  net.convolution("conv1", {.filters = 16, .kernel = 5, .padding = 2}).max_pool("pool1").relu("relu1");
  net.convolution("conv2", {.filters = 32, .kernel = 5}).max_pool("pool2").relu("relu2");
  net.flatten().dense("dense1", {.units = 128}).relu("relu3").dense("dense2", {.units = 10});
  return net;
}

}  // namespace tutti
