#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include <tutti/base/share.hpp>
#include <tutti/nn/parameter.hpp>
#include <tutti/train/gradient_policy.hpp>

namespace tutti {

struct sgd_options {
  double learning_rate = 0.01;
  double momentum = 0.9;
  double weight_decay = 0;
};

/// Stochastic gradient descent: v ← momentum·v + gradient + weight_decay·w,
/// w ← w − learning_rate·v (Sutskever, Martens, Dahl and Hinton, On the
/// importance of initialization and momentum, 2013, in the form that most use).
/// Weights decay; biases, scales and shifts, which sum no inputs, do not.
template <class T>
class sgd {
 public:
  sgd(parameter_store<T>& parameters, const sgd_options& o)
      : parameters_(&parameters), options_(o), velocity_(parameters.values().size()) {
    for (T& v : velocity_) v = T{};
    for (const parameter& p : parameters.parameters())
      if (p.fan_in > 0) decaying_.push_back({.first = p.offset, .count = p.stored});
    std::sort(decaying_.begin(), decaying_.end(), [](const share& a, const share& b) { return a.first < b.first; });
  }

  /// To be changed between steps, on all ranks alike.
  sgd_options& options() { return options_; }
  void set_learning_rate(double rate) { options_.learning_rate = rate; }
  std::array<setting, 3> settings() const {
    return {{{"learning rate", options_.learning_rate},
             {"momentum", options_.momentum},
             {"weight decay", options_.weight_decay}}};
  }

  /// Applies the gradients of `count` elements of the store, from `first` on.
  void update(std::size_t first, std::size_t count) {
    const std::size_t end = first + count;
    for (const share& weights : decaying_) {
      const std::size_t from = std::clamp(weights.first, first, end), to = std::clamp(weights.end(), first, end);
      apply(first, from, 0);
      apply(from, to, options_.weight_decay);
      first = to;
    }
    apply(first, end, 0);
  }

 private:
  void apply(std::size_t first, std::size_t end, double weight_decay) {
    T* values = parameters_->values().data();
    const T* gradients = parameters_->gradients().data();
    T* velocities = velocity_.data();
    const T momentum = static_cast<T>(options_.momentum), decay = static_cast<T>(weight_decay),
            rate = static_cast<T>(options_.learning_rate);
    for (std::size_t i = first; i < end; ++i) {
      T velocity = momentum * velocities[i] + (gradients[i] + decay * values[i]);
      velocities[i] = velocity;
      values[i] -= rate * velocity;
    }
  }

  parameter_store<T>* parameters_;
  sgd_options options_;
  buffer<T> velocity_;
  std::vector<share> decaying_;  // of the store, in order
};

}  // namespace tutti
