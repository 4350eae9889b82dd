#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

#include <tutti/mesh/tensor_operation.hpp>
#include <tutti/nn/network.hpp>

namespace tutti {

/// A batch of samples.
constexpr shape batch_of(const network& net, std::size_t batch) {
  shape all{{"batch", batch}};
  for (const dimension& d : net.sample) all.append(d);
  return all;
}

namespace detail {

constexpr bool is_sample(const shape& s) {
  for (const shape& one : {shape{{"features"}}, shape{{"channels"}, {"height"}, {"width"}}, shape{{"channels"}, {"depth"}, {"height"}, {"width"}}})
    if (std::equal(s.begin(), s.end(), one.begin(), one.end(), [](const dimension& a, const dimension& b) { return a.what == b.what; })) return true;
  return false;
}

/// The tensor that layer i takes by this name: 0 is the sample, k + 1 what layer k makes.
constexpr std::size_t tensor_called(const network& net, std::size_t i, const name& label, operation_list& all) {
  if (label == name("input")) return 0;
  for (std::size_t k = 0; k < i; ++k)
    if (net.layers[k].label == label) return k + 1;
  all.refuse("layer '{}' takes what '{}' makes, and no layer before it has that name", {net.layers[i].label, label});
  return 0;
}

constexpr void check_name(const network& net, std::size_t i, operation_list& all) {
  const name& label = net.layers[i].label;
  if (label.view().empty()) all.refuse("layer number {} has no name", {i + 1});
  if (label == name("input")) all.refuse("layer '{}' has the name of the network's sample", {label});
  for (std::size_t k = 0; k < i; ++k)
    if (net.layers[k].label == label) all.refuse("layer '{}' has the name of another layer", {label});
}

}  // namespace detail

/// A network's layers as operations on one batch, for the planner: layer i is
/// operation i, and their tensors have the same numbers. Throws `invalid_argument` with a
/// sentence that names the layer where the network cannot be; of a constant,
/// `legal_program` shows that sentence.
constexpr operation_list operations_of(const network& net, std::size_t batch) {
  operation_list all(batch_of(net, batch));
  if (!detail::is_sample(net.sample))
    all.refuse("a sample is (channels, [depth,] height, width) or (features), and not {}", {net.sample});
  for (std::size_t i = 0; i < net.layers.size(); ++i) {
    const layer& o = net.layers[i];
    detail::check_name(net, i, all);
    const std::size_t x = o.from.view().empty() ? i : detail::tensor_called(net, i, o.from, all);
    std::vector<window> windows{o.down, o.across};
    if (all.shape_of(x).rank() == 5) windows = {o.through, o.down, o.across};
    switch (o.kind) {
      case layer_kind::convolution: all.convolution(o.label, o.outputs, windows, x, {.groups = o.groups, .bias = o.bias}); break;
      case layer_kind::max_pool: all.pool(o.label, windows, x); break;
      case layer_kind::average_pool: all.average_pool(o.label, windows, x); break;
      case layer_kind::global_average_pool:
        for (std::size_t k = 0; k < windows.size(); ++k) {
          const std::size_t places = all.shape_of(x)[2 + k].size;
          windows[k] = {.size = places, .stride = places};
        }
        all.average_pool(o.label, windows, x);
        break;
      case layer_kind::batch_norm: all.batch_norm(o.label, x); break;
      case layer_kind::relu: all.pointwise(o.label, x); break;
      case layer_kind::dropout: all.dropout(o.label, o.rate, x); break;
      case layer_kind::sum: all.sum(o.label, x, detail::tensor_called(net, i, o.other, all)); break;
      case layer_kind::flatten: all.flatten(o.label, x); break;
      case layer_kind::dense: all.dense(o.label, o.outputs, x); break;
    }
    if (!all.all().back().parameters.empty() && o.label.view().size() + std::string_view(".weights").size() > name::capacity)
      all.refuse("layer '{}' has too long a name for its parameters'", {o.label});
  }
  if (!net.next_from.view().empty()) all.refuse("no layer takes what is to come from '{}'", {net.next_from});
  return all;
}

/// All tensors of a network, as who takes them sees them: the input, then what each layer makes.
constexpr std::vector<shape> shapes_of(const network& net, std::size_t batch) {
  const operation_list operations = operations_of(net, batch);
  std::vector<shape> all;
  for (std::size_t t = 0; t <= net.layers.size(); ++t) all.push_back(operations.seen(t));
  return all;
}

}  // namespace tutti
