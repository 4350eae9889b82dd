#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/base/clock.hpp>
#include <tutti/nn/sharded_loss.hpp>
#include <tutti/nn/sharded_model.hpp>
#include <tutti/train/loader.hpp>
#include <tutti/train/training_checks.hpp>
#include <tutti/train/trainer.hpp>

namespace tutti {

/// Trains a model that a layout has cut over a mesh: batch, filters, channels,
/// units, height and width, each where the layout says. Every rank reads what its
/// part of the input needs of every batch. What happens to gradients is the policy's.
template <class Backend, class Policy, class Optimiser>
  requires gradient_policy<Policy, typename Backend::element, Optimiser>
class mesh_trainer {
  using element = typename Backend::element;

 public:
  /// Collective. Throws as `trainer` does. All arguments must outlive it. Cost: a
  /// look at all the data.
  mesh_trainer(sharded_model<Backend>& m, Policy& policy, Optimiser& o, const dataset& data, const trainer_options& options = {})
      : model_(&m), on_(&m.on()), policy_(&policy), optimiser_(&o), options_(options),
        // All samples of every batch: which of them are needed is the layout's.
        loader_(data, {.batch = options.batch, .seed = options.seed, .inner_seed = options.inner_seed, .vary = options.vary}) {
    detail::need_pictures(m.net(), data);
    detail::need_classes(m.net(), data);
    classes_ = data.classes;
    detail::need_labels(data, classes_);
    detail::need_rate<Optimiser>(options);
    detail::need_batches(m.net(), m.plan_for(options.batch), on_->shape(), options.batch);
    agreement all;
    detail::agree_on_training(all, data, options, o);
    all.check(on_->all());
  }

  /// One pass over the training data; `watch` as in `trainer`.
  template <class Watch>
  epoch_report train_epoch(std::size_t epoch, Watch watch) {
    loader_.begin_epoch(epoch);
    barrier(on_->all());
    const communication_time before = communication();
    const double started = now();
    sums mine;
    for (std::size_t b = 0; b < loader_.batches(); ++b) {
      if constexpr (requires { optimiser_->set_learning_rate(0.0); })
        if (options_.rate) optimiser_->set_learning_rate(options_.rate->at(epoch * loader_.batches() + b));
      const span<const std::uint32_t> samples = loader_.samples(b);
      mine.add(step(samples, loader_.reader(), true));
      watch(b + 1, loader_.batches(), mine.mean());
    }
    const evaluation_report all = detail::of_all_ranks(on_->all(), mine.loss, mine.samples);
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

  /// Loss and accuracy on other data, which every rank brings. Collective.
  evaluation_report evaluate(const dataset& data) {
    detail::need_pictures(model_->net(), data);
    detail::need_labels(data, classes_);
    const sample_reader reader(data);
    sums mine;
    std::vector<std::uint32_t> samples;
    for (std::size_t first = 0; first < data.count; first += samples.size()) {
      const std::size_t left = data.count - first;
      samples.resize(left < options_.evaluation_batch ? left : options_.evaluation_batch);
      for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<std::uint32_t>(first + i);
      mine.add(step(samples, reader, false));
    }
    return detail::of_all_ranks(on_->all(), mine.loss, mine.samples);
  }

 private:
  // Of samples that no other rank counts.
  struct sums {
    naive::batch_loss loss{};
    std::size_t samples = 0;
    void add(const sums& other) {
      loss.sum += other.loss.sum;
      loss.correct += other.loss.correct;
      samples += other.samples;
    }
    double mean() const { return samples > 0 ? loss.sum / static_cast<double>(samples) : 0; }
  };

  sums step(span<const std::uint32_t> samples, const sample_reader& reader, bool train) {
    auto& pass = model_->pass_for(samples.size(), train ? purpose::training : purpose::evaluation);
    read(pass.input_block(), samples, reader, pass.input());
    model_->forward(pass, [&](const parameter& w) { policy_->fetch(w); });
    const block& held = pass.output_block();  // (batch, classes)
    const placement& lies = model_->plan_for(samples.size()).tensors.back().lies;
    labels_.resize(held[0].count);
    for (std::size_t i = 0; i < labels_.size(); ++i) labels_[i] = reader.label(samples[held[0].first + i]);
    const element scale = element{1} / static_cast<element>(samples.size());
    const naive::batch_loss loss = sharded_cross_entropy<element>(*on_, lies, held, pass.output(), labels_, scale,
                                                                  train ? pass.output_gradient() : span<element>());
    if (train) {
      model_->backward(pass, [&](const parameter& w, span<element> gradient) { policy_->push(w, gradient); });
      policy_->finish(*optimiser_);
    }
    for (int axis = 0; axis < on_->shape().axes(); ++axis)
      if (!lies.axes_of(0).has(axis) && on_->shape().coordinate(on_->rank(), axis) != 0) return {};
    return {.loss = loss, .samples = labels_.size()};
  }

  communication_time communication() const {
    if constexpr (requires { policy_->time(); }) return policy_->time();
    else return {};
  }

  // The block of a batch that this rank needs: some samples, and of each some places.
  void read(const block& needed, span<const std::uint32_t> samples, const sample_reader& reader, span<element> into) {
    block pictures = needed;
    for (std::size_t d = 1; d < pictures.rank(); ++d) pictures[d] = {.first = 0, .count = model_->net().sample[d - 1].size};
    auto which = [&](std::size_t i) { return samples[needed[0].first + i]; };
    discarded_.resize(needed[0].count);
    if (pictures == needed) return reader.read(which, into, discarded_);
    whole_.resize(pictures.elements());
    reader.read(which, whole_, discarded_);
    copy_block(needed, pictures, whole_.data(), needed, into.data());
  }

  sharded_model<Backend>* model_;
  process_mesh* on_;
  Policy* policy_;
  Optimiser* optimiser_;
  trainer_options options_;
  loader loader_;
  std::size_t classes_ = 0;
  std::vector<std::uint8_t> labels_, discarded_;
  std::vector<element> whole_;
};

}  // namespace tutti
