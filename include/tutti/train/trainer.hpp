#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <tutti/base/clock.hpp>
#include <tutti/base/error.hpp>
#include <tutti/comm/collectives.hpp>
#include <tutti/nn/sharded_model.hpp>
#include <tutti/train/gradient_policy.hpp>
#include <tutti/train/host_step.hpp>
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
inline evaluation_report of_all_ranks(communicator& world, const loss_figures& mine) {
  double sums[] = {mine.loss.sum, static_cast<double>(mine.loss.correct), static_cast<double>(mine.samples)};
  all_reduce(world, span<double>(sums, 3), plus{});
  const double n = sums[2] > 0 ? sums[2] : 1;
  return {.loss = sums[0] / n, .accuracy = sums[1] / n, .samples = static_cast<std::size_t>(sums[2])};
}
}  // namespace detail

/// Trains a model that a layout has cut over a mesh: batch, filters, channels,
/// units, height and width, each where the layout says. Every rank reads what its
/// part of the input needs of every batch. What happens to gradients is the policy's,
/// how a batch is computed is `Step`'s: on devices say `device_step<Backend>`.
template <class Backend, class Policy, class Optimiser, class Step = host_step<Backend>>
  requires gradient_policy<Policy, typename Backend::number, Optimiser, typename Backend::space>
class trainer {
  static_assert(on_host<typename Backend::space> || !std::is_same_v<Step, host_step<Backend>>,
                "tutti::trainer: this backend's tensors are no host memory: include <tutti/train/device_step.hpp> and say device_trainer");

 public:
  /// Collective. Throws `errc::invalid_argument` where network and data do not fit, or
  /// the batch is smaller than an axis that cuts it, and `errc::mismatch`, naming what
  /// it is, where ranks disagree on the data, the options, the optimiser's settings or
  /// the seed of the parameters to begin with. All arguments must outlive the trainer.
  /// Cost: a look at all the data.
  trainer(sharded_model<Backend>& m, Policy& policy, Optimiser& o, const dataset& data, const trainer_options& options = {})
      : model_(&m), on_(&m.on()), policy_(&policy), optimiser_(&o), options_(options), step_(m, options.graphs),
        // All samples of every batch: which of them are needed is the layout's.
        loader_(data, {.batch = options.batch, .seed = options.seed, .inner_seed = options.inner_seed, .vary = options.vary}) {
    detail::need_pictures(m.net(), data);
    detail::need_classes(m.net(), data);
    classes_ = data.classes;
    detail::need_labels(data, classes_);
    detail::need_rate<Optimiser>(options);
    if (options.evaluation_batch == 0) throw error(errc::invalid_argument, "an evaluation batch needs at least one sample");
    detail::need_batches(m.net(), m.plan_for(options.batch), on_->shape(), options.batch);
    if constexpr (leaves_sums<Policy>)
      if (!options.replicas_may_differ) need_no_sums();
    agreement all;
    detail::agree_on_training(all, data, options, o);
    all.check(on_->all());
    agree_on_parameters();
  }

  /// One pass over the training data. `watch(done, batches, loss)` is called
  /// after each batch, with the mean loss so far of the samples that this rank counts
  /// (on devices, up to the batch before the last).
  template <class Watch>
  epoch_report train_epoch(std::size_t epoch, Watch watch) {
    loader_.begin_epoch(epoch);
    barrier(on_->all());
    const communication_time before = communication();
    const double started = now();
    step_.begin();
    for (std::size_t b = 0; b < loader_.batches(); ++b) {
      if constexpr (requires { optimiser_->set_learning_rate(0.0); })
        if (options_.rate) optimiser_->set_learning_rate(options_.rate->at(epoch * loader_.batches() + b));
      step_.run(loader_.samples(b), loader_.reader(), purpose::training, *policy_, *optimiser_);
      watch(b + 1, loader_.batches(), step_.so_far().mean());
    }
    const evaluation_report all = detail::of_all_ranks(on_->all(), step_.total());
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

  /// Loss and accuracy on other data, which every rank brings. Collective. Throws
  /// `errc::invalid_argument` where they do not fit the network.
  evaluation_report evaluate(const dataset& data) {
    detail::need_pictures(model_->net(), data);
    detail::need_labels(data, classes_);
    const sample_reader reader(data);
    step_.begin();
    std::vector<std::uint32_t> samples;
    for (std::size_t first = 0; first < data.count; first += samples.size()) {
      const std::size_t left = data.count - first;
      samples.resize(left < options_.evaluation_batch ? left : options_.evaluation_batch);
      for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<std::uint32_t>(first + i);
      step_.run(span<const std::uint32_t>(samples), reader, purpose::evaluation, *policy_, *optimiser_);
    }
    return detail::of_all_ranks(on_->all(), step_.total());
  }

  const Step& step() const { return step_; }

 private:
  // A policy that adds nothing up is for gradients that are whole on every rank.
  void need_no_sums() const {
    const mesh& shape = on_->shape();
    for (const parameter& p : model_->whole())
      for (int axis = 0; axis < shape.axes(); ++axis)
        if ((model_->sums()[p.index] >> axis & 1u) != 0 && shape[axis].size > 1)
          throw error(errc::invalid_argument,
                      format("the gradient of '%s' is a sum over '%s', and the policy adds nothing up; take one that does, as "
                             "bucketed_all_reduce, or set replicas_may_differ",
                             p.label.text().c_str(), shape[axis].what.text().c_str()));
  }

  // Ranks that hold the same part of a parameter begin with the same values.
  void agree_on_parameters() {
    struct part {
      std::uint64_t which, values;
    };
    std::vector<part> mine;
    for (const parameter& p : model_->parameters().parameters()) {
      const block held = model_->held_of(p.index);
      std::vector<std::size_t> bounds;
      for (std::size_t d = 0; d < held.rank(); ++d) bounds.insert(bounds.end(), {held[d].first, held[d].count});
      const std::vector<typename Backend::number> values = model_->read_part(p.index);
      mine.push_back({agreement::hash_of(span<const std::size_t>(bounds)), agreement::hash_of(span<const typename Backend::number>(values))});
    }
    std::vector<part> all(mine.size() * static_cast<std::size_t>(on_->all().size()));
    all_gather(on_->all(), mine, all);  // (ranks, parameters)
    for (std::size_t i = 0; i < mine.size(); ++i)
      for (std::size_t r = 0; r * mine.size() < all.size(); ++r)
        for (std::size_t q = 0; q < r; ++q)
          if (const part &one = all[q * mine.size() + i], &other = all[r * mine.size() + i];
              one.which == other.which && one.values != other.values)
            throw error(errc::mismatch, format("the ranks disagree on the initial parameters: rank %zu has other '%s' than rank %zu", r,
                                               model_->whole()[i].label.text().c_str(), q));
  }

  communication_time communication() const {
    if constexpr (requires { policy_->time(); }) return policy_->time();
    else return {};
  }

  sharded_model<Backend>* model_;
  process_mesh* on_;
  Policy* policy_;
  Optimiser* optimiser_;
  trainer_options options_;
  Step step_;
  loader loader_;
  std::size_t classes_ = 0;
};

}  // namespace tutti
