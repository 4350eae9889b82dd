#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <tutti/train/host_step.hpp>

namespace tutti {

/// `host_step` on a device: pictures and labels go there from memory that stays in place
/// while the batch before is computed, and figures come back two batches later, so that
/// the host waits for no batch but the one before the last. What a batch's work is, the
/// device is told once, as a graph, where no rank has others to ask.
template <class Backend>
class device_step {
  using context = typename Backend::context;
  using space = typename Backend::space;
  using element = typename Backend::element;
  using device = typename Backend::device;
  template <class T>
  using staged = buffer<T, typename device::staging>;

 public:
  /// `m` must outlive it. `graphs`: where they can be.
  device_step(sharded_model<Backend>& m, bool graphs) : model_(&m), figures_(1) {
    for (slot& s : slots_) s.done = there().make_event(), s.figures = staged<loss_figures>(1);
    if (!graphs) refuse("not asked for");
    else if (m.on().all().size() > 1) refuse("ranks have to meet within a step, which the host sees to");
    begin();
  }
  device_step(const device_step&) = delete;
  device_step& operator=(const device_step&) = delete;
  ~device_step() {
    try {
      backend().wait();
    } catch (const error&) {
      // Whoever ran it last has been told.
    }
  }

  void begin() {
    drain();
    known_ = from_host_ = {};
    Backend::fill(backend(), span<loss_figures, space>(figures_), loss_figures{});
  }

  /// Collective.
  template <class Policy, class Optimiser>
  void run(span<const std::uint32_t> samples, const sample_reader& reader, purpose why, Policy& policy, Optimiser& optimiser) {
    sharded_pass<Backend>& pass = model_->pass_for(samples.size(), why);
    kept& mine = kept_for(pass, samples.size(), why);
    slot& s = slots_[batches_++ % slots_.size()];
    release(s);
    const std::size_t pixels = pass.input_block().elements(), count = pass.output_block()[0].count;
    if (s.pictures.size() < pixels) s.pictures = staged<float>(pixels);
    if (s.labels.size() < count) s.labels = staged<std::uint8_t>(count);
    reader_.read(pass.input_block(), model_->net().sample, samples, reader, {s.pictures.data(), pixels});
    for (std::size_t i = 0; i < count; ++i) s.labels[i] = reader.label(samples[pass.output_block()[0].first + i]);
    there().copy(mine.pictures.data(), s.pictures.data(), pixels * sizeof(float), order());
    there().copy(mine.losses.labels().data(), s.labels.data(), count, order());
    Backend::arrange(backend(), span<const float, space>(mine.pictures), pass.input_tensor());

    const span<const float, space> factor = [&] {
      if constexpr (requires { optimiser.loss_factor(); }) return optimiser.loss_factor();
      else return span<const float, space>();
    }();
    const float scale = 1 / static_cast<float>(samples.size());
    auto work = [&] {
      const typename Backend::range shown(why == purpose::training ? "step" : "evaluation");
      model_->forward(pass, [&](const parameter& w) { policy.fetch(w); });
      const bool train = why == purpose::training;
      if (mine.whole) mine.losses(pass.output_tensor(), scale, factor, train ? &pass.output_gradient_tensor() : nullptr, mine.counts, figures_);
      else cut_loss(pass, mine, s, scale, factor, train);
      if (!train) return;
      model_->backward(pass, [&](const parameter& w, span<typename Backend::number, space> gradient) { policy.push(w, gradient); });
      policy.finish(optimiser);
    };
    if (!replay(mine, policy, work)) work();
    ++mine.runs;
    there().copy(s.figures.data(), figures_.data(), sizeof(loss_figures), order());
    there().record(s.done, order());
    s.busy = true;
  }

  /// Of the samples that this rank has counted, but for the last two batches at most.
  loss_figures so_far() const {
    loss_figures all = known_;
    all.add(from_host_);
    return all;
  }
  /// Of all: waits.
  loss_figures total() {
    drain();
    return so_far();
  }

  /// Why steps, or those of a kind, are given to the device piece by piece; empty where all are replayed.
  const std::string& why_no_graph() const { return why_no_graph_; }

 private:
  // Memory of one batch on its way there, and of the figures after it.
  struct slot {
    staged<float> pictures{};
    staged<std::uint8_t> labels{};
    staged<loss_figures> figures{};
    typename device::event done{};
    bool busy = false;
  };
  // What belongs to a pass, and stays where graphs know it to be.
  struct kept {
    kept(context& c, std::size_t pixels, std::size_t samples, const placement& at, bool counted)
        : pictures(pixels), losses(c, samples), lies(at), whole(at.axes_of(1).empty()), counts(counted) {}
    buffer<float, space> pictures;
    typename Backend::losses losses;
    placement lies;
    bool whole, counts;  // whether classes are, and this rank's figures do
    std::size_t runs = 0;
    bool records = true;  // until that has failed
    typename Backend::graph graph{};
  };

  context& backend() const { return model_->on_backend(); }
  const device& there() const { return backend().device(); }
  auto order() const { return backend().order(); }

  kept& kept_for(sharded_pass<Backend>& pass, std::size_t batch, purpose why) {
    const auto known = kept_.find(&pass);
    if (known != kept_.end()) return known->second;
    const placement& lies = model_->plan_for(batch, why).tensors.back().lies;
    return kept_.try_emplace(&pass, backend(), pass.input_block().elements(), pass.output_block()[0].count, lies, counts_samples(model_->on(), lies)).first->second;
  }

  // The first time a batch's work is done piece by piece, the second time it is recorded.
  template <class Policy, class Work>
  bool replay(kept& mine, const Policy& policy, Work& work) {
    if (!graphs_ || !mine.records || mine.runs == 0) return false;
    if (!mine.graph.recorded()) {
      if constexpr (requires { policy.can_be_recorded(); }) {
        if (!policy.can_be_recorded()) refuse("the gradients' policy asks other ranks");
      } else {
        refuse("the gradients' policy does not say that it can be recorded");
      }
      if (!graphs_) return false;
      try {
        mine.graph.record(backend(), work);
      } catch (const std::exception& e) {
        // What others have recorded stays.
        mine.records = false, why_no_graph_ = e.what();
        return false;
      }
    }
    mine.graph.replay(backend());
    return true;
  }
  // None will be recorded.
  void refuse(const char* why) { graphs_ = false, why_no_graph_ = why; }

  // Where ranks have some of the classes each, the host has the logits, which are few.
  void cut_loss(sharded_pass<Backend>& pass, const kept& mine, slot& s, float scale, span<const float, space> factor, bool train) {
    std::vector<float> logits(pass.output_block().elements()), gradient(train ? logits.size() : 0), by(factor.size());
    if (!logits.empty()) Backend::fetch(backend(), std::as_const(pass.output_tensor()), span<float>(logits));
    if (!by.empty()) Backend::fetch(backend(), factor, span<float>(by));
    const span<const std::uint8_t> labels(s.labels.data(), pass.output_block()[0].count);
    const naive::batch_loss loss = sharded_cross_entropy<float>(model_->on(), mine.lies, pass.output_block(), logits, labels, scale, gradient);
    for (float& each : gradient) each *= by.empty() ? 1.0f : by[0];
    if (!gradient.empty()) Backend::bring(backend(), span<const float>(gradient), pass.output_gradient_tensor());
    if (mine.counts) from_host_.add({.loss = loss, .samples = labels.size()});
  }

  void release(slot& s) {
    if (!s.busy) return;
    there().finish(s.done);
    known_ = s.figures[0];
    s.busy = false;
  }
  void drain() {
    for (std::size_t k = 0; k < slots_.size(); ++k) release(slots_[(batches_ + k) % slots_.size()]);
  }

  sharded_model<Backend>* model_;
  block_reader reader_{};
  buffer<loss_figures, space> figures_;
  loss_figures known_{}, from_host_{};
  std::array<slot, 2> slots_{};
  std::size_t batches_ = 0;
  std::map<const sharded_pass<Backend>*, kept> kept_{};
  bool graphs_ = true;
  std::string why_no_graph_{};
};

}  // namespace tutti
