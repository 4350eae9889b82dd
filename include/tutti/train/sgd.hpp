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

/// Which parts of a store decay: weights; biases, scales and shifts, which sum no
/// inputs, do not.
class decaying_weights {
 public:
  explicit decaying_weights(const std::vector<parameter>& all) {
    for (const parameter& p : all)
      if (p.fan_in > 0) weights_.push_back({.first = p.offset, .count = p.stored});
    std::sort(weights_.begin(), weights_.end(), [](const share& a, const share& b) { return a.first < b.first; });
  }

  /// Calls `apply(from, end, decays)` for runs of the store's elements that are alike,
  /// which together are `count` of them from `first` on.
  template <class Apply>
  void split(std::size_t first, std::size_t count, Apply apply) const {
    const std::size_t end = first + count;
    for (const share& weights : weights_) {
      const std::size_t from = std::clamp(weights.first, first, end), to = std::clamp(weights.end(), first, end);
      if (first < from) apply(first, from, false);
      if (from < to) apply(from, to, true);
      first = to;
    }
    if (first < end) apply(first, end, false);
  }

 private:
  std::vector<share> weights_{};  // of the store, in order
};

/// Stochastic gradient descent: v ← momentum·v + gradient + weight_decay·w,
/// w ← w − learning_rate·v (Sutskever, Martens, Dahl and Hinton, On the
/// importance of initialization and momentum, 2013, in the form that most use).
template <class T>
class sgd {
 public:
  sgd(parameter_store<T>& parameters, const sgd_options& o)
      : parameters_(&parameters), options_(o), velocity_(parameters.values().size()), decaying_(parameters.parameters()) {
    for (T& v : velocity_) v = T{};
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
    decaying_.split(first, count, [&](std::size_t from, std::size_t end, bool decays) { apply(from, end, decays ? options_.weight_decay : 0); });
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
  decaying_weights decaying_;
};

}  // namespace tutti
