#pragma once
#include <tutti/train/device_step.hpp>
#include <tutti/train/trainer.hpp>

namespace tutti {

/// A trainer of a model in a device's memory.
template <class Backend, class Policy, class Optimiser>
class device_trainer : public trainer<Backend, Policy, Optimiser, device_step<Backend>> {
  using base = trainer<Backend, Policy, Optimiser, device_step<Backend>>;

 public:
  device_trainer(sharded_model<Backend>& m, Policy& policy, Optimiser& o, const dataset& data, const trainer_options& options = {}) : base(m, policy, o, data, options) {}
};

}  // namespace tutti
