#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <tutti/base/span.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/kernel/shape.hpp>
#include <tutti/nn/operations.hpp>

namespace tutti {

/// One learned tensor of a network.
struct parameter {
  std::size_t index = 0;  ///< in the order of the network
  name label = {};        ///< as in `conv1.weights`
  shape dims = {};
  std::size_t fan_in = 0;  ///< how many inputs an output sums; 0 for a bias, a scale and a shift, which weight decay is not for
  std::size_t constant = 0;    ///< what it begins with where it sums nothing
  std::size_t offset = 0;  ///< where it begins in its store, in elements
  std::size_t stored = 0;  ///< its elements in memory: more than the shape's where a backend pads
};

/// The parameters of a network: of each layer that has some, weights and bias, or
/// scale and shift.
constexpr std::vector<parameter> parameters_of(const network& net) {
  std::vector<parameter> all;
  const operation_list operations = operations_of(net, 1);
  for (const tensor_operation& o : operations.all())
    for (std::size_t n = 0; n < o.parameters.size(); ++n) {
      const shape& dims = o.parameters[n];
      const bool norm = o.what == operation_kind::batch_norm;
      const char* word = norm ? (n == 0 ? ".scale" : ".shift") : (n == 0 ? ".weights" : ".bias");
      all.push_back({.index = all.size(),
                     .label = o.label + word,
                     .dims = dims,
                     .fan_in = !norm && n == 0 ? dims.elements() / dims[0].size : 0,
                     .constant = norm && n == 0 ? std::size_t{1} : 0});
    }
  return all;
}

/// How many numbers a network learns.
constexpr std::size_t learned_numbers(const network& net) {
  std::size_t all = 0;
  for (const parameter& p : parameters_of(net)) all += p.dims.elements();
  return all;
}

/// All parameters and all gradients of a network, one behind the other in the
/// order of the network or of its groups, so that any run of neighbours is one span: optimisers
/// and all-reduces are elementwise and need not know where one ends. What lies
/// between them, and what a backend pads, is 0 and stays 0.
template <class T, memory_space Space = host>
class parameter_store {
 public:
  /// Parameters begin at multiples of this many elements, so that a vector load is aligned.
  static constexpr std::size_t alignment = 64 / sizeof(T) > 0 ? 64 / sizeof(T) : 1;

  parameter_store() = default;
  /// `all` with `stored` filled in. Where each has a group, those of a group are
  /// neighbours, the groups in the order of their numbers. On a device whoever makes it
  /// fills it with zeros.
  explicit parameter_store(std::vector<parameter> all, const std::vector<unsigned>& groups = {}) : parameters_(std::move(all)) {
    std::vector<std::size_t> order(parameters_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    if (!groups.empty()) std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return groups[a] < groups[b]; });
    std::size_t next = 0;
    for (std::size_t i : order) {
      parameter& p = parameters_[i];
      p.offset = next;
      next += (p.stored + alignment - 1) / alignment * alignment;
    }
    values_ = buffer<T, Space>(next);
    gradients_ = buffer<T, Space>(next);
    if constexpr (on_host<Space>)
      for (std::size_t i = 0; i < next; ++i) values_[i] = gradients_[i] = T{};
  }

  const std::vector<parameter>& parameters() const { return parameters_; }
  span<T, Space> values() { return values_; }
  span<T, Space> gradients() { return gradients_; }
  span<T, Space> value(const parameter& p) { return values().subspan(p.offset, p.stored); }
  span<T, Space> gradient(const parameter& p) { return gradients().subspan(p.offset, p.stored); }

 private:
  std::vector<parameter> parameters_;
  buffer<T, Space> values_, gradients_;
};

}  // namespace tutti
