#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>

namespace tutti {

enum class rate_decay : std::uint8_t {
  none,
  steps,   ///< times `factor` after every `period` steps
  cosine,  ///< down to 0 after `period` steps (Loshchilov and Hutter, SGDR, 2017)
};

/// The learning rate as a function of the step.
struct learning_rate {
  double base = 0.01;
  rate_decay decay = rate_decay::none;
  std::size_t period = 1;   ///< in steps, at least 1
  double factor = 0.1;      ///< of `rate_decay::steps`
  /// The first steps, in which the rate grows linearly from base/warm_up to base
  /// (Goyal et al., Accurate, large minibatch SGD, 2017). The decay begins behind them.
  std::size_t warm_up = 0;

  /// Of a step, the first being 0.
  double at(std::size_t step) const {
    if (step < warm_up) return base * static_cast<double>(step + 1) / static_cast<double>(warm_up);
    step -= warm_up;
    switch (decay) {
      case rate_decay::none: break;
      case rate_decay::steps: return base * std::pow(factor, static_cast<double>(step / period));
      case rate_decay::cosine:
        return step >= period ? 0 : base * (1 + std::cos(std::numbers::pi * static_cast<double>(step) / static_cast<double>(period))) / 2;
    }
    return base;
  }

  friend constexpr bool operator==(const learning_rate&, const learning_rate&) = default;
};

}  // namespace tutti
