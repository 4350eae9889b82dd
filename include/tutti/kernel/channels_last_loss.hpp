#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <tutti/kernel/channels_last.hpp>
#include <tutti/kernel/naive_loss.hpp>

namespace tutti::channels_last {

namespace detail {

template <class T>
struct sample_loss {
  const T* logits;
  const std::uint8_t* labels;
  T* dlogits;
  double* loss;
  std::uint8_t* right;
  std::size_t classes;
  float scale;
  const float* factor;
  TUTTI_HOST_DEVICE void operator()(std::size_t n) const {
    const float by = factor ? scale * *factor : scale;
    const T* row = logits + n * classes;
    std::size_t best = 0;
    for (std::size_t c = 1; c < classes; ++c)
      if (static_cast<float>(row[best]) < static_cast<float>(row[c])) best = c;
    const float most = static_cast<float>(row[best]);
    float sum = 0;
    for (std::size_t c = 0; c < classes; ++c) sum += ::expf(static_cast<float>(row[c]) - most);
    loss[n] = static_cast<double>(::logf(sum)) - static_cast<double>(static_cast<float>(row[labels[n]]) - most);
    right[n] = best == labels[n];
    for (std::size_t c = 0; c < classes && dlogits; ++c)
      dlogits[n * classes + c] = static_cast<T>(by * (::expf(static_cast<float>(row[c]) - most) / sum - (c == labels[n] ? 1.0f : 0.0f)));
  }
};

// One thread: a batch is short, and its sum the same in every run.
struct counted {
  const double* loss;
  const std::uint8_t* right;
  std::size_t samples;
  loss_figures* into;
  TUTTI_HOST_DEVICE void operator()(std::size_t) const {
    double sum = 0;
    std::size_t correct = 0;
    for (std::size_t n = 0; n < samples; ++n) sum += loss[n], correct += right[n];
    into->loss.sum += sum, into->loss.correct += correct, into->samples += samples;
  }
};

}  // namespace detail

/// As `naive::softmax_cross_entropy`, in float: `loss` and `right` (batch) are each
/// sample's, dlogits may be empty, and is multiplied by `factor` (1) too where that is
/// not (see kernel/mixed_precision.hpp).
template <class T, memory_space Space>
void softmax_cross_entropy(std::size_t classes, span<const T, Space> logits, span<const std::uint8_t, Space> labels, float scale, span<T, Space> dlogits,
                           span<double, Space> loss, span<std::uint8_t, Space> right, span<const float, Space> factor, const order_of<Space>& order) {
  detail::each<Space>(labels.size(), detail::sample_loss<T>{logits.data(), labels.data(), dlogits.empty() ? nullptr : dlogits.data(), loss.data(),
                                                            right.data(), classes, scale, factor.empty() ? nullptr : factor.data()}, order);
}

/// Adds a batch's losses, in the order of its samples, to `into` (1).
template <memory_space Space>
void count(span<const double, Space> loss, span<const std::uint8_t, Space> right, span<loss_figures, Space> into, const order_of<Space>& order) {
  detail::each<Space>(1, detail::counted{loss.data(), right.data(), loss.size(), into.data()}, order);
}

}  // namespace tutti::channels_last
