#pragma once
#include <array>
#include <cstddef>

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
template <class T>
class sgd {
 public:
  sgd(parameter_store<T>& parameters, const sgd_options& o)
      : parameters_(&parameters), options_(o), velocity_(parameters.values().size()) {
    for (T& v : velocity_) v = T{};
  }

  /// To be changed between steps, on all ranks alike.
  sgd_options& options() { return options_; }
  std::array<setting, 3> settings() const {
    return {{{"learning rate", options_.learning_rate},
             {"momentum", options_.momentum},
             {"weight decay", options_.weight_decay}}};
  }

  /// Applies the gradients of `count` elements of the store, from `first` on.
  void update(std::size_t first, std::size_t count) {
    T* values = parameters_->values().data() + first;
    const T* gradients = parameters_->gradients().data() + first;
    T* velocities = velocity_.data() + first;
    const T momentum = static_cast<T>(options_.momentum), decay = static_cast<T>(options_.weight_decay),
            rate = static_cast<T>(options_.learning_rate);
    for (std::size_t i = 0; i < count; ++i) {
      T velocity = momentum * velocities[i] + (gradients[i] + decay * values[i]);
      velocities[i] = velocity;
      values[i] -= rate * velocity;
    }
  }

 private:
  parameter_store<T>* parameters_;
  sgd_options options_;
  buffer<T> velocity_;
};

}  // namespace tutti
