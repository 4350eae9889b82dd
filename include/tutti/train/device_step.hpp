#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <tutti/comm/device_wait.hpp>
#include <tutti/kernel/recorded_work.hpp>
#include <tutti/nn/device_moves.hpp>
#include <tutti/train/host_step.hpp>

namespace tutti {

/// `host_step` on a device: pictures and labels go there from memory that stays in place
/// while the batch before is computed, and figures come back two batches later, so that
/// the host waits for no batch but the one before the last. What a batch's work is, the
/// device is told once, as a graph; where ranks ask each other within it, as graphs of what
/// lies between. Whatever waits for the backend's context meanwhile waits as long as all ranks
/// are there, and throws the session's verdict where they are not; the thread that made what
/// ranks communicate by is the one to use it.
template <class Backend>
class device_step {
  using context = typename Backend::context;
  using space = typename Backend::space;
  using element = typename Backend::element;
  using device = typename Backend::device;
  template <class T>
  using staged = buffer<T, typename device::staging>;

 public:
  /// `m` must outlive it, one of them at a time. `graphs`: where they can be.
  device_step(sharded_model<Backend>& m, bool graphs) : model_(&m), figures_(1) {
    for (slot& s : slots_) s.done = there().make_event(), s.figures = staged<loss_figures>(1);
    if (!graphs) refuse("not asked for");
    begin();
    all_given_ = there().make_event();
    backend().wait_by([this] {
      there().record(all_given_, order());
      finish(all_given_);
    });
  }
  device_step(const device_step&) = delete;
  device_step& operator=(const device_step&) = delete;
  ~device_step() {
    try {
      backend().wait();
    } catch (const error&) {
      // Whoever ran it last has been told.
    }
    backend().wait_by({});
    try {
      backend().wait();  // what was given up may end yet
    } catch (const error&) {
    }
  }

  void begin() {
    drain();
    known_ = {};
    Backend::fill(backend(), span<loss_figures, space>(figures_), loss_figures{});
  }

  /// Collective. Policy and optimiser must outlive this object: what is recorded refers to
  /// them. A policy that says that it can be recorded has `begin_again()`, if its pushes are to
  /// come in turn.
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
    const typename Backend::range shown(why == purpose::training ? "step" : "evaluation");
    auto work = [&] {
      model_->forward(pass, [&](const parameter& w) { policy.fetch(w); });
      const bool train = why == purpose::training;
      const auto dlogits = train ? &pass.output_gradient_tensor() : nullptr;
      if (mine.along == 0) mine.losses(pass.output_tensor(), scale, factor, dlogits, mine.counts, figures_);
      else {
        communicator& along = model_->on().over(mine.along);
        const block& held = pass.output_block();
        mine.losses(pass.output_tensor(), held[1].count, held[1].first, scale, factor, dlogits, mine.counts, figures_, [this, &along](auto values, auto op) {
          done_on_host(backend(), [this, &along, values, op] { all_reduce(groups_.over(backend(), along, of_a_loss), values, op, order()); });
        });
      }
      if (!train) return;
      model_->backward(pass, [&](const parameter& w, span<typename Backend::number, space> gradient) { policy.push(w, gradient); });
      policy.finish(optimiser);
    };
    if (!replay(mine, policy, optimiser, work)) work();
    ++mine.runs;
    there().copy(s.figures.data(), figures_.data(), sizeof(loss_figures), order());
    there().record(s.done, order());
    s.busy = true;
  }

  /// Of the samples that this rank has counted, but for the last two batches at most.
  loss_figures so_far() const {
    return known_;
  }
  /// Of all: waits.
  loss_figures total() {
    drain();
    return so_far();
  }

  /// Why steps, or those of a kind, are given to the device piece by piece; empty where all are replayed.
  const std::string& why_no_graph() const {
    for (const auto& [pass, each] : kept_)
      if (!each.why_not.empty() && why_no_graph_.empty()) return each.why_not;
    return why_no_graph_;
  }

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
        : pictures(pixels), losses(c, samples, !at.axes_of(1).empty()), counts(counted) {
      for (int axis : at.axes_of(1)) along |= 1u << axis;
    }
    buffer<float, space> pictures;
    typename Backend::losses losses;
    unsigned along = 0;  // the axes that cut classes
    bool counts;         // this rank's figures
    std::size_t runs = 0;
    // Another thread's wait for the whole device ends what is recorded meanwhile: once is no rule.
    int tries = 2;
    recorded_work<Backend> work{};
    std::array<const void*, 2> by{};  // whose policy and optimiser that refers to
    std::string why_not{};
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
  template <class Policy, class Optimiser, class Work>
  bool replay(kept& mine, Policy& policy, const Optimiser& optimiser, Work& work) {
    if (!graphs_ || mine.tries == 0 || mine.runs == 0) return false;
    if (const std::array<const void*, 2> by{&policy, &optimiser}; !mine.work.recorded() || mine.by != by) {
      if constexpr (requires { policy.can_be_recorded(); }) {
        if (!policy.can_be_recorded()) refuse("the gradients' policy says that it cannot be recorded");
      } else {
        refuse("the gradients' policy does not say that it can be recorded");
      }
      if (!graphs_) return false;
      try {
        mine.work.record(backend(), work);
        mine.by = by;
        mine.why_not.clear();
      } catch (const std::exception& e) {
        // What was recorded of others stays, and other ranks do the same as before.
        --mine.tries, mine.why_not = e.what();
        if constexpr (requires { policy.begin_again(); }) policy.begin_again();
        return false;
      }
    }
    mine.work.replay(backend());
    return true;
  }
  // None will be recorded.
  void refuse(const char* why) { graphs_ = false, why_no_graph_ = why; }

  void release(slot& s) {
    if (!s.busy) return;
    finish(s.done);
    known_ = s.figures[0];
    s.busy = false;
  }
  void finish(const typename device::event& e) const { detail::finish_for_all(there(), model_->on().all(), e); }
  void drain() {
    for (std::size_t k = 0; k < slots_.size(); ++k) release(slots_[(batches_ + k) % slots_.size()]);
  }

  static constexpr std::size_t of_a_loss = std::size_t{1} << 20;  // bytes: a few numbers a sample

  sharded_model<Backend>* model_;
  typename Backend::groups groups_{};
  block_reader reader_{};
  buffer<loss_figures, space> figures_;
  loss_figures known_{};
  std::array<slot, 2> slots_{};
  typename device::event all_given_{};
  std::size_t batches_ = 0;
  std::map<const sharded_pass<Backend>*, kept> kept_{};
  bool graphs_ = true;
  std::string why_no_graph_{};
};

}  // namespace tutti
