#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/nn/sharded_loss.hpp>
#include <tutti/nn/sharded_model.hpp>
#include <tutti/train/block_reader.hpp>

namespace tutti {

/// Whether a rank is the one that counts samples of a tensor that lies so.
inline bool counts_samples(const process_mesh& on, const placement& lies) {
  for (int axis = 0; axis < on.shape().axes(); ++axis)
    if (!lies.axes_of(0).has(axis) && on.shape().coordinate(on.rank(), axis) != 0) return false;
  return true;
}

/// One batch after the other through a model in the host's memory, forward, and in
/// training backward and into the parameters.
template <class Backend>
class host_step {
  using element = typename Backend::element;

 public:
  explicit host_step(sharded_model<Backend>& m, bool) : model_(&m) {}

  /// Figures begin at 0.
  void begin() { figures_ = {}; }

  /// Collective.
  template <class Policy, class Optimiser>
  void run(span<const std::uint32_t> samples, const sample_reader& reader, purpose why, Policy& policy, Optimiser& optimiser) {
    const bool train = why == purpose::training;
    auto& pass = model_->pass_for(samples.size(), why);
    reader_.read(pass.input_block(), model_->net().sample, samples, reader, pass.input());
    model_->forward(pass, [&](const parameter& w) { policy.fetch(w); });
    const block& held = pass.output_block();  // (batch, classes)
    const placement& lies = model_->plan_for(samples.size(), why).tensors.back().lies;
    labels_.resize(held[0].count);
    for (std::size_t i = 0; i < labels_.size(); ++i) labels_[i] = reader.label(samples[held[0].first + i]);
    const element scale = element{1} / static_cast<element>(samples.size());
    const naive::batch_loss loss = sharded_cross_entropy<element>(model_->on(), lies, held, pass.output(), labels_, scale,
                                                                  train ? pass.output_gradient() : span<element>());
    if (train) {
      model_->backward(pass, [&](const parameter& w, span<element> gradient) { policy.push(w, gradient); });
      policy.finish(optimiser);
    }
    if (counts_samples(model_->on(), lies)) figures_.add({.loss = loss, .samples = labels_.size()});
  }

  /// Of the samples that this rank has counted.
  const loss_figures& so_far() const { return figures_; }
  const loss_figures& total() const { return figures_; }

 private:
  sharded_model<Backend>* model_;
  block_reader reader_{};
  loss_figures figures_{};
  std::vector<std::uint8_t> labels_{};
};

}  // namespace tutti
