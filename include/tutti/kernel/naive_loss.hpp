#pragma once
#include <cmath>
#include <cstdint>

#include <tutti/base/span.hpp>

namespace tutti {

namespace naive {

/// What a batch cost, and how much of it was right.
struct batch_loss {
  double sum = 0;           ///< of the samples' losses, in nats
  std::size_t correct = 0;  ///< samples whose greatest logit, the first of equals, is their label's
};

}  // namespace naive

/// Losses of samples that one rank counts.
struct loss_figures {
  naive::batch_loss loss{};
  std::size_t samples = 0;

  void add(const loss_figures& other) {
    loss.sum += other.loss.sum;
    loss.correct += other.loss.correct;
    samples += other.samples;
  }
  double mean() const { return samples > 0 ? loss.sum / static_cast<double>(samples) : 0; }
};

}  // namespace tutti

namespace tutti::naive {

/// Cross-entropy of softmax(logits), logits (batch, classes), against labels
/// (batch), each below `classes`. dlogits gets scale · its gradient, and may be
/// empty where none is wanted. With scale = 1 / (global batch) the gradients of
/// all ranks add up to the gradient of the mean, however uneven the shares.
template <class T>
batch_loss softmax_cross_entropy(std::size_t classes, span<const T> logits, span<const std::uint8_t> labels, T scale,
                                 span<T> dlogits) {
  using std::exp, std::log;  // elements that these do not know bring their own
  batch_loss total;
  for (std::size_t n = 0; n < labels.size(); ++n) {
    const T* row = logits.data() + n * classes;  // (classes)
    std::size_t best = 0;
    for (std::size_t c = 1; c < classes; ++c)
      if (row[best] < row[c]) best = c;
    T sum{};
    for (std::size_t c = 0; c < classes; ++c) sum = sum + exp(row[c] - row[best]);
    total.sum += static_cast<double>(log(sum)) - static_cast<double>(row[labels[n]] - row[best]);
    total.correct += best == labels[n];
    if (dlogits.empty()) continue;
    for (std::size_t c = 0; c < classes; ++c)
      dlogits[n * classes + c] = scale * (exp(row[c] - row[best]) / sum - (c == labels[n] ? T{1} : T{0}));
  }
  return total;
}

}  // namespace tutti::naive
