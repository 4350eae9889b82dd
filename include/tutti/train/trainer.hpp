#pragma once
#include <cstdint>
#include <type_traits>
#include <vector>

#include <tutti/base/clock.hpp>
#include <tutti/base/error.hpp>
#include <tutti/comm/collectives.hpp>
#include <tutti/kernel/naive_loss.hpp>
#include <tutti/nn/model.hpp>
#include <tutti/train/gradient_policy.hpp>
#include <tutti/train/loader.hpp>
#include <tutti/train/training_checks.hpp>

namespace tutti {

/// What all ranks together did in an epoch.
struct epoch_report {
  double loss = 0;      ///< mean over the samples, each as it was when its batch came
  double accuracy = 0;  ///< likewise, as a part of 1
  std::size_t samples = 0;
  double seconds = 0;
  communication_time communication = {};  ///< this rank's
  double samples_per_second() const { return seconds > 0 ? static_cast<double>(samples) / seconds : 0; }
};

struct evaluation_report {
  double loss = 0;
  double accuracy = 0;
  std::size_t samples = 0;
};

namespace detail {
/// The figures of all ranks' samples, each of which one rank counts. Collective.
inline evaluation_report of_all_ranks(communicator& world, const naive::batch_loss& mine, std::size_t samples) {
  double sums[] = {mine.sum, static_cast<double>(mine.correct), static_cast<double>(samples)};
  all_reduce(world, span<double>(sums, 3), plus{});
  const double n = sums[2] > 0 ? sums[2] : 1;
  return {.loss = sums[0] / n, .accuracy = sums[1] / n, .samples = static_cast<std::size_t>(sums[2])};
}
}  // namespace detail

/// The per-rank batch for which parameters should get their format: the largest share.
constexpr std::size_t usual_batch(std::size_t batch, int ranks) { return share_of(batch, 0, ranks).count; }

/// Trains a model by data parallelism: every rank has all parameters and a share
/// of every batch. What happens to gradients is the policy's.
template <class Backend, class Policy, class Optimiser>
  requires gradient_policy<Policy, typename Backend::element, Optimiser>
class trainer {
  using element = typename Backend::element;

 public:
  /// Collective. Throws `errc::invalid_argument` where network and data do not
  /// fit, and `errc::mismatch`, naming what it is, where ranks disagree on the
  /// data, the options, the optimiser's settings or the parameters to begin
  /// with. All arguments must outlive the trainer. Cost: a look at all the data.
  trainer(communicator& comm, model<Backend>& m, Policy& policy, Optimiser& o, const dataset& data,
          const trainer_options& options = {})
      : comm_(&comm),
        model_(&m),
        policy_(&policy),
        optimiser_(&o),
        options_(options),
        loader_(data, {.batch = options.batch,
                       .rank = comm.rank(),
                       .ranks = comm.size(),
                       .seed = options.seed,
                       .inner_seed = options.inner_seed, .vary = options.vary}) {
    detail::need_pictures(m.net(), data);
    detail::need_classes(m.net(), data);
    classes_ = data.classes;
    detail::need_labels(data, classes_);
    detail::need_rate<Optimiser>(options);
    agree(data);
  }

  /// One pass over the training data. `watch(done, batches, loss)` is called
  /// after each batch, with the mean loss so far of this rank's samples.
  template <class Watch>
  epoch_report train_epoch(std::size_t epoch, Watch watch) {
    loader_.begin_epoch(epoch);
    barrier(*comm_);
    const communication_time before = communication();
    const double started = now();
    naive::batch_loss mine;
    std::size_t seen = 0;
    for (std::size_t b = 0; b < loader_.batches(); ++b) {
      if constexpr (requires { optimiser_->set_learning_rate(0.0); })
        if (options_.rate) optimiser_->set_learning_rate(options_.rate->at(epoch * loader_.batches() + b));
      const naive::batch_loss of_batch = step(b);
      mine.sum += of_batch.sum;
      mine.correct += of_batch.correct;
      seen += loader_.local_share(b).count;
      watch(b + 1, loader_.batches(), seen > 0 ? mine.sum / static_cast<double>(seen) : 0.0);
    }
    const evaluation_report all = detail::of_all_ranks(*comm_, mine, seen);
    const communication_time after = communication();
    return {.loss = all.loss,
            .accuracy = all.accuracy,
            .samples = all.samples,
            .seconds = now() - started,
            .communication = {.hidden = after.hidden - before.hidden, .exposed = after.exposed - before.exposed}};
  }
  epoch_report train_epoch(std::size_t epoch) {
    return train_epoch(epoch, [](std::size_t, std::size_t, double) {});
  }

  /// Loss and accuracy on other data, each rank on its share of them.
  /// Collective: every rank brings all of the same data. Throws
  /// `errc::invalid_argument` where they do not fit the network.
  evaluation_report evaluate(const dataset& data) {
    detail::need_pictures(model_->net(), data);
    detail::need_labels(data, classes_);
    const share part = share_of(data.count, comm_->rank(), comm_->size());
    const sample_reader reader(data);
    naive::batch_loss mine;
    std::vector<std::uint8_t> labels;
    for (std::size_t first = part.first; first < part.first + part.count; first += options_.evaluation_batch) {
      const std::size_t left = part.first + part.count - first;
      const std::size_t count = left < options_.evaluation_batch ? left : options_.evaluation_batch;
      auto& p = model_->pass_for(count, purpose::evaluation);
      labels.resize(count);
      reader.read([&](std::size_t i) { return first + i; }, p.input(), labels);
      model_->forward(p, [&](const parameter& q) { policy_->fetch(q); });
      const naive::batch_loss loss = naive::softmax_cross_entropy<element>(classes_, p.output(), labels, element{}, {});
      mine.sum += loss.sum;
      mine.correct += loss.correct;
    }
    return detail::of_all_ranks(*comm_, mine, part.count);
  }

 private:
  naive::batch_loss step(std::size_t b) {
    const std::size_t count = loader_.local_share(b).count;
    auto& p = model_->pass_for(count, purpose::training);
    labels_.resize(count);
    loader_.load(b, p.input(), labels_);                                 // (n, C, H, W)
    model_->forward(p, [&](const parameter& q) { policy_->fetch(q); });  // (n, classes)
    const element scale = element{1} / static_cast<element>(loader_.batch_size(b));
    const naive::batch_loss loss =
        naive::softmax_cross_entropy<element>(classes_, p.output(), labels_, scale, p.output_gradient());
    model_->backward(p, [&](const parameter& q, span<element> gradient) { policy_->push(q, gradient); });
    policy_->finish(*optimiser_);
    return loss;
  }

  communication_time communication() const {
    if constexpr (requires { policy_->time(); }) return policy_->time();
    else return {};
  }

  void agree(const dataset& data) {
    agreement all;
    detail::agree_on_training(all, data, options_, *optimiser_);
    all.on_hash("order of parameters in memory (processors differ, or usual_batch)", model_->format_fingerprint());
    const span<element> values = model_->parameters().values();
    all.on_content("initial parameters", span<const element>(values.data(), values.size()));
    all.check(*comm_);
  }

  communicator* comm_;
  model<Backend>* model_;
  Policy* policy_;
  Optimiser* optimiser_;
  trainer_options options_;
  loader loader_;
  std::size_t classes_ = 0;
  std::vector<std::uint8_t> labels_;
};

}  // namespace tutti
