#pragma once
#include <cstddef>
#include <cstdint>

#include <tutti/base/span.hpp>
#include <tutti/device/thrust.hpp>

// Training in 16 bits (Micikevicius and others, Mixed precision training, 2018):
// parameters are kept in float and rounded for the passes, and the loss is multiplied
// by a factor, so that small gradients do not vanish. All of it stays in the memory of
// its space: no step waits for the host.

namespace tutti::mixed {

/// Halved when a gradient is not finite, doubled after `patience` steps without one.
struct loss_scale {
  float factor = 65536;
  std::uint32_t good = 0;       ///< steps since it changed
  std::uint32_t overflown = 0;  ///< this step

  static constexpr std::uint32_t patience = 2000;
};

namespace detail {

template <class T>
struct looked_at {
  const T* gradients;
  loss_scale* state;
  // All that write write the same.
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    const float g = static_cast<float>(gradients[i]);
    if (!(g - g == 0)) state->overflown = 1;
  }
};

template <class T>
struct master_step {
  T* values;
  float *masters, *velocities;
  const T* gradients;
  const loss_scale* state;
  float rate, momentum, decay;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    if (state->overflown) return;
    const float v = momentum * velocities[i] + (static_cast<float>(gradients[i]) / state->factor + decay * masters[i]);
    velocities[i] = v;
    masters[i] -= rate * v;
    values[i] = static_cast<T>(masters[i]);
  }
};

struct scale_step {
  loss_scale* state;
  TUTTI_HOST_DEVICE void operator()(std::size_t) const {
    if (state->overflown) state->factor /= 2, state->good = 0;
    else if (++state->good >= loss_scale::patience) state->factor *= 2, state->good = 0;
    state->overflown = 0;
  }
};

}  // namespace detail

/// A step of `sgd` on `masters`, of which `values` are the rounded ones; all (n).
/// `gradients` are the factor too large; where one is not finite nothing changes but
/// `state` (1). The gradients of all ranks are added up before, so that all decide alike.
template <class T, memory_space Space>
void sgd_update(span<T, Space> values, span<float, Space> masters, span<float, Space> velocities, span<const T, Space> gradients,
                span<loss_scale, Space> state, float rate, float momentum, float decay, const elementwise::order_of<Space>& order) {
  elementwise::detail::need_as_many("sgd_update", values.size(), masters.size());
  elementwise::detail::need_as_many("sgd_update", values.size(), velocities.size());
  elementwise::detail::need_as_many("sgd_update", values.size(), gradients.size());
  using elementwise::detail::for_each_index;
  for_each_index<Space>(values.size(), detail::looked_at<T>{gradients.data(), state.data()}, order);
  for_each_index<Space>(values.size(), detail::master_step<T>{values.data(), masters.data(), velocities.data(), gradients.data(), state.data(), rate, momentum, decay},
                        order);
  for_each_index<Space>(1, detail::scale_step{state.data()}, order);
}

}  // namespace tutti::mixed
