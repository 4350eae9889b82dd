#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

#include <tutti/base/indexed.hpp>
#include <tutti/base/operations.hpp>
#include <tutti/comm/collectives.hpp>
#include <tutti/kernel/naive_loss.hpp>
#include <tutti/mesh/block.hpp>
#include <tutti/mesh/process_mesh.hpp>

namespace tutti {

/// Cross-entropy of softmax(logits) where the logits (batch, classes) lie at `at`
/// and this rank holds the block `held` of them: `labels` are those of its
/// samples, dlogits gets scale · its part of the gradient. What is returned is of
/// this rank's samples, the same on all ranks that hold classes of them.
/// Collective. Cost: nothing where classes are whole; where axes cut them, two
/// all-reduces over these axes, of the greatest logit and its class, and of sum
/// and label's logit: four numbers a sample, and no logits.
template <class T>
naive::batch_loss sharded_cross_entropy(process_mesh& on, const placement& at, const block& held, span<const T> logits,
                                        span<const std::uint8_t> labels, T scale, span<T> dlogits) {
  using std::exp, std::log;  // elements that these do not know bring their own
  unsigned axes = 0;
  for (int axis : at.axes_of(1)) axes |= 1u << axis;
  const std::size_t classes = held[1].count;
  if (axes == 0) return naive::softmax_cross_entropy<T>(classes, logits, labels, scale, dlogits);
  communicator& along = on.over(axes);

  std::vector<indexed<T>> greatest(labels.size());
  for (std::size_t n = 0; n < labels.size(); ++n) {
    greatest[n] = arg_max::identity<indexed<T>>();
    for (std::size_t c = 0; c < classes; ++c)
      greatest[n] = arg_max{}(greatest[n], indexed<T>{logits[n * classes + c], static_cast<std::int64_t>(held[1].first + c)});
  }
  all_reduce(along, greatest, arg_max{});

  std::vector<T> sums(2 * labels.size());  // of exp(logit − greatest), and the label's logit − greatest
  for (std::size_t n = 0; n < labels.size(); ++n)
    for (std::size_t c = 0; c < classes; ++c) {
      const T above = logits[n * classes + c] - greatest[n].value;
      sums[2 * n] = sums[2 * n] + exp(above);
      if (held[1].first + c == labels[n]) sums[2 * n + 1] = above;
    }
  all_reduce(along, sums, plus{});

  naive::batch_loss total;
  for (std::size_t n = 0; n < labels.size(); ++n) {
    total.sum += static_cast<double>(log(sums[2 * n])) - static_cast<double>(sums[2 * n + 1]);
    total.correct += greatest[n].index == labels[n];
    if (dlogits.empty()) continue;
    for (std::size_t c = 0; c < classes; ++c) {
      const T part = exp(logits[n * classes + c] - greatest[n].value) / sums[2 * n];
      dlogits[n * classes + c] = scale * (part - (held[1].first + c == labels[n] ? T{1} : T{0}));
    }
  }
  return total;
}

}  // namespace tutti
