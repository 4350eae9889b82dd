#pragma once
#include <utility>
#include <vector>

#include <tutti/nn/layer.hpp>

namespace tutti {

/// A network as a value: what one sample is, which is (channels, height, width),
/// (channels, depth, height, width) or (features), and layers, each of which takes what
/// the one before it made unless it says `from` another one. Says nothing of batch,
/// element type, backend or placement; `operations_of` says whether it can be.
///
///     net.convolution("conv1", {.filters = 8, .kernel = 3, .padding = 1, .bias = false}).batch_norm("norm1");
///     net.from("input").convolution("skip", {.filters = 8}).sum("sum", "norm1").relu();
///
/// What no call names is named by its kind and a number, as in `relu1`.
struct network {
  shape sample = {};
  std::vector<layer> layers = {};
  name next_from = {};  ///< of the layer to come

  constexpr explicit network(const shape& one_sample) : sample(one_sample) {}

  constexpr network& convolution(name label, convolution_options o) {
    window each{
        .size = o.kernel, .stride = o.stride, .pad_low = o.padding, .pad_high = o.padding, .dilation = o.dilation};
    return add({.kind = layer_kind::convolution,
                .label = label,
                .outputs = o.filters,
                .through = each,
                .down = each,
                .across = each,
                .groups = o.groups,
                .bias = o.bias});
  }
  constexpr network& max_pool(name label, pool_options o = {}) { return pool(layer_kind::max_pool, label, o); }
  /// Padding counts as zeros.
  constexpr network& average_pool(name label, pool_options o = {}) { return pool(layer_kind::average_pool, label, o); }
  constexpr network& global_average_pool(name label) { return add({.kind = layer_kind::global_average_pool, .label = label}); }
  constexpr network& batch_norm(name label) { return add({.kind = layer_kind::batch_norm, .label = label}); }
  constexpr network& relu(name label = {}) { return add({.kind = layer_kind::relu, .label = named(label, layer_kind::relu, "relu")}); }
  /// While training, this part of all elements becomes 0.
  constexpr network& dropout(double rate, name label = {}) {
    return add({.kind = layer_kind::dropout, .label = named(label, layer_kind::dropout, "dropout"), .rate = rate});
  }
  constexpr network& flatten(name label = "flatten") { return add({.kind = layer_kind::flatten, .label = label}); }
  constexpr network& dense(name label, dense_options o) {
    return add({.kind = layer_kind::dense, .label = label, .outputs = o.units});
  }
  /// Adds what the layer called `other` made.
  constexpr network& sum(name label, name other) { return add({.kind = layer_kind::sum, .label = label, .other = other}); }

  /// The next layer takes what that one made; `input` is the sample.
  constexpr network& from(name label) {
    next_from = label;
    return *this;
  }
  constexpr network& add(const layer& next) {
    layers.push_back(next);
    if (!next_from.view().empty()) layers.back().from = std::exchange(next_from, name());
    return *this;
  }

  friend constexpr bool operator==(const network&, const network&) = default;

 private:
  constexpr network& pool(layer_kind kind, const name& label, const pool_options& o) {
    window each{.size = o.kernel, .stride = o.stride, .pad_low = o.padding, .pad_high = o.padding};
    return add({.kind = kind, .label = label, .through = each, .down = each, .across = each});
  }
  constexpr name named(const name& label, layer_kind kind, const char* word) const {
    if (!label.view().empty()) return label;
    std::size_t before = 0;
    for (const layer& o : layers) before += o.kind == kind;
    return name(word) + (before + 1);
  }
};

}  // namespace tutti
