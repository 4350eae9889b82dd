#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <tutti/base/indexed.hpp>
#include <tutti/base/operations.hpp>
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

// Of classes that several ranks have: from class `first` on these.
template <class T>
struct shard {
  const T* logits;
  const std::uint8_t* labels;
  std::size_t classes, first;
  TUTTI_HOST_DEVICE const T* row(std::size_t n) const { return logits + n * classes; }
  TUTTI_HOST_DEVICE bool is_label(std::size_t n, std::size_t c) const { return first + c == labels[n]; }
};
template <class T>
struct shard_greatest {
  shard<T> of;
  indexed<float>* greatest;
  TUTTI_HOST_DEVICE void operator()(std::size_t n) const {
    indexed<float> most = arg_max::identity<indexed<float>>();
    for (std::size_t c = 0; c < of.classes; ++c) most = arg_max{}(most, indexed<float>{static_cast<float>(of.row(n)[c]), static_cast<std::int64_t>(of.first + c)});
    greatest[n] = most;
  }
};
template <class T>
struct shard_sums {
  shard<T> of;
  const indexed<float>* greatest;
  float* sums;
  TUTTI_HOST_DEVICE void operator()(std::size_t n) const {
    float sum = 0, label = 0;
    for (std::size_t c = 0; c < of.classes; ++c) {
      const float above = static_cast<float>(of.row(n)[c]) - greatest[n].value;
      sum += ::expf(above);
      if (of.is_label(n, c)) label = above;
    }
    sums[2 * n] = sum, sums[2 * n + 1] = label;
  }
};
template <class T>
struct shard_loss {
  shard<T> of;
  const indexed<float>* greatest;
  const float* sums;
  T* dlogits;
  double* loss;
  std::uint8_t* right;
  float scale;
  const float* factor;
  TUTTI_HOST_DEVICE void operator()(std::size_t n) const {
    const float by = factor ? scale * *factor : scale, sum = sums[2 * n];
    loss[n] = static_cast<double>(::logf(sum)) - static_cast<double>(sums[2 * n + 1]);
    right[n] = greatest[n].index == static_cast<std::int64_t>(of.labels[n]);
    for (std::size_t c = 0; c < of.classes && dlogits; ++c)
      dlogits[n * of.classes + c] =
          static_cast<T>(by * (::expf(static_cast<float>(of.row(n)[c]) - greatest[n].value) / sum - (of.is_label(n, c) ? 1.0f : 0.0f)));
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

/// The same where ranks have some of the classes each, this one `logits` (batch, classes) of
/// those from `first` on: `fold(values, op)` folds, in the same order, what all of them have
/// in `greatest` (batch) and in `sums` (2·batch), four numbers a sample altogether.
template <class T, memory_space Space, class Fold>
void softmax_cross_entropy(std::size_t classes, std::size_t first, span<const T, Space> logits, span<const std::uint8_t, Space> labels, float scale,
                           span<T, Space> dlogits, span<double, Space> loss, span<std::uint8_t, Space> right, span<const float, Space> factor,
                           span<indexed<float>, Space> greatest, span<float, Space> sums, const order_of<Space>& order, Fold fold) {
  const detail::shard<T> mine{logits.data(), labels.data(), classes, first};
  detail::each<Space>(labels.size(), detail::shard_greatest<T>{mine, greatest.data()}, order);
  fold(greatest, arg_max{});
  detail::each<Space>(labels.size(), detail::shard_sums<T>{mine, greatest.data(), sums.data()}, order);
  fold(sums, plus{});
  detail::each<Space>(labels.size(), detail::shard_loss<T>{mine, greatest.data(), sums.data(), dlogits.empty() ? nullptr : dlogits.data(), loss.data(),
                                                           right.data(), scale, factor.empty() ? nullptr : factor.data()}, order);
}

/// Adds a batch's losses, in the order of its samples, to `into` (1).
template <memory_space Space>
void count(span<const double, Space> loss, span<const std::uint8_t, Space> right, span<loss_figures, Space> into, const order_of<Space>& order) {
  detail::each<Space>(1, detail::counted{loss.data(), right.data(), loss.size(), into.data()}, order);
}

}  // namespace tutti::channels_last
