#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <tutti/base/span.hpp>
#include <tutti/device/thrust.hpp>

// Training in 16 bits (Micikevicius and others, Mixed precision training, 2018):
// parameters and their gradients are floats, which layers round for their products, and
// of halves the loss is multiplied by a factor, so that small gradients do not vanish.
// All of it stays in the memory of its space: no step waits for the host.

namespace tutti::mixed {

/// Halved when a gradient is not finite, doubled after `patience` steps without one, from
/// 1 to `largest`: it neither vanishes nor overflows itself, whatever the gradients are.
struct loss_scale {
  float factor = 65536;
  std::uint32_t good = 0;  ///< steps since it changed

  static constexpr std::uint32_t patience = 2000;
  static constexpr float smallest = 1, largest = 1 << 24;
};

namespace detail {

struct looked_at {
  const float* gradients;
  std::uint32_t* overflown;
  // All that write write the same.
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    if (!(gradients[i] - gradients[i] == 0)) *overflown = 1;
  }
};

template <class T>
struct sgd_step {
  T *values, *velocities;
  const T* gradients;
  const T* rate;
  T momentum, decay;
  const loss_scale* scale;  // none: gradients are as they are
  const std::uint32_t* overflown;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    T gradient = gradients[i];
    if constexpr (std::is_same_v<T, float>) {
      if (scale && *overflown != 0) return;
      if (scale) gradient /= scale->factor;
    }
    const T v = momentum * velocities[i] + (gradient + decay * values[i]);
    velocities[i] = v;
    values[i] = values[i] - *rate * v;
  }
};

struct scale_step {
  loss_scale* state;
  std::uint32_t* overflown;
  TUTTI_HOST_DEVICE void operator()(std::size_t) const {
    const float factor = state->factor;
    if (*overflown != 0) *state = {.factor = factor > 2 * loss_scale::smallest ? factor / 2 : loss_scale::smallest};
    else if (++state->good >= loss_scale::patience) *state = {.factor = factor < loss_scale::largest / 2 ? factor * 2 : loss_scale::largest};
    *overflown = 0;
  }
};

}  // namespace detail

/// `overflown` (1) becomes 1 where one of the gradients (n) is not finite.
template <memory_space Space>
void look(span<const float, Space> gradients, span<std::uint32_t, Space> overflown, const elementwise::order_of<Space>& order) {
  elementwise::detail::for_each_index<Space>(gradients.size(), detail::looked_at{gradients.data(), overflown.data()}, order);
}

/// A step of `sgd`, all (n) but `rate` (1), which may change while a graph is replayed.
/// Where `scale` (1) is not empty, gradients are its factor too large, and nothing
/// happens where `overflown` (1) is not 0.
template <class T, memory_space Space>
void sgd_update(span<T, Space> values, span<T, Space> velocities, span<const T, Space> gradients, span<const T, Space> rate, T momentum, T decay,
                span<const loss_scale, Space> scale, span<const std::uint32_t, Space> overflown, const elementwise::order_of<Space>& order) {
  elementwise::detail::need_as_many("sgd_update", values.size(), velocities.size());
  elementwise::detail::need_as_many("sgd_update", values.size(), gradients.size());
  elementwise::detail::for_each_index<Space>(
      values.size(), detail::sgd_step<T>{values.data(), velocities.data(), gradients.data(), rate.data(), momentum, decay,
                                         scale.empty() ? nullptr : scale.data(), overflown.empty() ? nullptr : overflown.data()}, order);
}

/// Ends a step: the scale by what was `overflown` (1), which becomes 0.
template <memory_space Space>
void settle(span<loss_scale, Space> scale, span<std::uint32_t, Space> overflown, const elementwise::order_of<Space>& order) {
  elementwise::detail::for_each_index<Space>(1, detail::scale_step{scale.data(), overflown.data()}, order);
}

}  // namespace tutti::mixed
