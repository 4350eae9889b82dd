#pragma once
#include <utility>
#include <vector>

#include <tutti/nn/layer.hpp>

namespace tutti {

/// A network as a value: what one sample is, and layers, each of which takes what the
/// one before it made unless it says `from` another one. Says nothing of batch, element
/// type, backend or placement.
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
    return add({.kind = kind, .label = label, .down = each, .across = each});
  }
  constexpr name named(const name& label, layer_kind kind, const char* word) const {
    if (!label.view().empty()) return label;
    std::size_t before = 0;
    for (const layer& o : layers) before += o.kind == kind;
    return name(word) + (before + 1);
  }
};

/// The tensors that a layer takes: 0 is the sample, i + 1 what layer i makes.
struct layer_operands {
  std::size_t x = 0;
  std::size_t other = 0;  ///< of a sum
  friend constexpr bool operator==(const layer_operands&, const layer_operands&) = default;
};

/// What each layer takes. Throws `invalid_argument` with a sentence that names the
/// layer where two have one name, or where none before it has the name that it asks for.
constexpr std::vector<layer_operands> operands_of(const network& net) {
  std::vector<layer_operands> all;
  for (std::size_t i = 0; i < net.layers.size(); ++i) {
    const layer& o = net.layers[i];
    if (o.label.view().empty()) throw error(errc::invalid_argument, format("layer number %zu has no name", i + 1));
    if (o.label == name("input")) detail::refuse(o, "has the name of the network's sample");
    auto tensor = [&](const name& label) {
      if (label == name("input")) return std::size_t{0};
      for (std::size_t k = 0; k < i; ++k)
        if (net.layers[k].label == label) return k + 1;
      detail::refuse(o, format("takes what '%s' makes, and no layer before it has that name", label.text().c_str()));
    };
    for (std::size_t k = 0; k < i; ++k)
      if (net.layers[k].label == o.label) detail::refuse(o, "has the name of another layer");
    all.push_back({.x = o.from.view().empty() ? i : tensor(o.from), .other = o.kind == layer_kind::sum ? tensor(o.other) : 0});
  }
  if (!net.next_from.view().empty())
    throw error(errc::invalid_argument, format("no layer takes what is to come from '%s'", net.next_from.text().c_str()));
  return all;
}

/// A batch of samples.
constexpr shape batch_of(const network& net, std::size_t batch) {
  if (net.sample.rank() == 3) return {{"batch", batch}, net.sample[0], net.sample[1], net.sample[2]};
  if (net.sample.rank() == 1) return {{"batch", batch}, net.sample[0]};
  throw error(errc::invalid_argument,
              "a sample is (channels, height, width) or (features), and not " + net.sample.text());
}

/// All tensors of a network: the input, then what each layer makes.
constexpr std::vector<shape> shapes_of(const network& net, std::size_t batch) {
  const std::vector<layer_operands> operands = operands_of(net);
  std::vector<shape> all(1, batch_of(net, batch));
  for (std::size_t i = 0; i < net.layers.size(); ++i) {
    const layer& o = net.layers[i];
    const shape &x = all[operands[i].x], &other = all[operands[i].other];
    if (o.kind == layer_kind::sum && !(x == other)) detail::refuse(o, "adds " + x.text() + " and " + other.text());
    all.push_back(shape_after(o, x));
  }
  return all;
}

}  // namespace tutti
