#pragma once
#include <optional>

#include <tutti/nn/local_layer.hpp>

namespace tutti {

/// Pooling, max or average. Windows reach into the picture, so that a rank that reads
/// nothing makes nothing.
template <class Backend, class Kernel>
class local_pool : public local_operation<Backend> {
  using base = local_operation<Backend>;
  using typename base::tensor, typename base::parameters, typename base::operands;

 public:
  explicit local_pool(const local_request<Backend>& r) : base(r) {
    if (r.idle()) return;
    kernel_.emplace(r.context, sliding_geometry<pool_geometry>(r.what, r.read[0], r.made), r.x[0], r.train());
    this->y_ = kernel_->y();
  }

  void forward(const operands& x, parameters&, tensor& y) override {
    if (kernel_) kernel_->forward(*x[0], y);
  }

  void backward(const operands&, parameters&, tensor&, tensor& dy, const operands& dx, parameters&) override {
    if (kernel_ && dx[0]) kernel_->backward(dy, *dx[0]);
  }

 private:
  std::optional<Kernel> kernel_{};
};

}  // namespace tutti
