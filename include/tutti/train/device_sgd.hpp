#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <tutti/base/numbers.hpp>
#include <tutti/kernel/mixed_precision.hpp>
#include <tutti/nn/device_moves.hpp>
#include <tutti/nn/sharded_model.hpp>
#include <tutti/train/sgd.hpp>

namespace tutti {

/// `sgd` on a device: the same step, in the order of the backend's stream, which may be
/// part of a graph. Where elements are halves, gradients are `loss_factor` too large:
/// where one of them is not finite on any rank, nothing happens but that the factor is
/// halved.
template <class Backend>
class device_sgd {
  using number = typename Backend::number;
  using space = typename Backend::space;

 public:
  static constexpr bool scaled = std::is_same_v<typename Backend::element, half>;

  /// `m` must outlive it.
  device_sgd(sharded_model<Backend>& m, const sgd_options& o)
      : model_(&m), options_(o), velocity_(m.parameters().values().size()), rate_(1), scale_(scaled ? 1 : 0), overflown_(scaled ? 1 : 0),
        decaying_(m.parameters().parameters()) {
    fill(velocity_, number{});
    fill(rate_, static_cast<number>(o.learning_rate));
    fill(scale_, mixed::loss_scale{});
    fill(overflown_, 0u);
  }

  void set_learning_rate(double rate) {
    if (rate == options_.learning_rate) return;
    options_.learning_rate = rate;
    fill(rate_, static_cast<number>(rate));
  }
  std::array<setting, 3> settings() const {
    return {{{"learning rate", options_.learning_rate}, {"momentum", options_.momentum}, {"weight decay", options_.weight_decay}}};
  }

  /// (1), or none: how much greater the loss is than it should be.
  span<const float, space> loss_factor() {
    if constexpr (scaled) return {&scale_.data()->factor, 1};
    else return {};
  }

  /// Takes the gradients of `count` elements of the store, from `first` on: applies
  /// them, or, where they may be too large for their type, looks at them.
  void update(std::size_t first, std::size_t count) {
    if constexpr (scaled) mixed::look<space>(gradients(first, count), overflown_, order());
    else apply(first, count);
  }
  /// Of scaled gradients, applies all. Collective where there are several ranks.
  void end_step() {
    if constexpr (scaled) {
      // Who has other parts of the parameters has seen other gradients.
      process_mesh& on = model_->on();
      auto add_up = [this, &on] { groups_.add_up(model_->on_backend(), on.all(), span<std::uint32_t, space>(overflown_)); };
      if (on.all().size() > 1) model_->on_backend().on_host(add_up);
      apply(0, velocity_.size());
      mixed::settle<space>(scale_, overflown_, order());
    }
  }

 private:
  auto order() const { return model_->on_backend().order(); }
  span<const number, space> gradients(std::size_t first, std::size_t count) { return model_->parameters().gradients().subspan(first, count); }
  template <class T>
  void fill(buffer<T, space>& all, T value) {
    Backend::fill(model_->on_backend(), span<T, space>(all), value);
  }
  void apply(std::size_t first, std::size_t count) {
    const auto momentum = static_cast<number>(options_.momentum), none = number{}, some = static_cast<number>(options_.weight_decay);
    decaying_.split(first, count, [&](std::size_t from, std::size_t end, bool decays) {
      const std::size_t n = end - from;
      mixed::sgd_update<number, space>(model_->parameters().values().subspan(from, n), span<number, space>(velocity_).subspan(from, n), gradients(from, n), rate_,
                                       momentum, decays ? some : none, scale_, overflown_, order());
    });
  }

  sharded_model<Backend>* model_;
  sgd_options options_;
  buffer<number, space> velocity_, rate_;
  buffer<mixed::loss_scale, space> scale_;
  buffer<std::uint32_t, space> overflown_;
  decaying_weights decaying_;
  typename Backend::groups groups_{};
};

}  // namespace tutti
