#pragma once
#include <optional>

#include <tutti/nn/local_operation.hpp>

namespace tutti {

/// max(·, 0), where its operand lies if nobody else needs that.
template <class Backend>
class local_relu : public local_operation<Backend> {
  using base = local_operation<Backend>;
  using typename base::tensor, typename base::parameters, typename base::operands;

 public:
  explicit local_relu(const local_request<Backend>& r) : base(r), context_(&r.context) {
    this->y_ = r.x[0], this->dims_ = r.dims[0];
    this->in_place_ = true;
    this->reads_y_ = this->changes_dy_ = r.train();
    if (!r.idle()) kernel_.emplace(r.context, this->y_);
  }

  void forward(const operands& x, parameters&, tensor& y) override {
    if (!kernel_) return;
    if (x[0] != &y) Backend::copy(*context_, *x[0], y);
    kernel_->forward(y);
  }
  void backward(const operands&, parameters&, tensor& y, tensor& dy, const operands&, parameters&) override {
    if (kernel_) kernel_->backward(y, dy);
  }

 private:
  typename Backend::context* context_;
  std::optional<typename Backend::relu> kernel_{};
};

/// The sum of two tensors, with a ReLU behind it or not, where the one or the other
/// lies if nobody else needs that.
template <class Backend>
class local_sum : public local_operation<Backend> {
  using base = local_operation<Backend>;
  using typename base::tensor, typename base::parameters, typename base::operands;

 public:
  explicit local_sum(const local_request<Backend>& r) : base(r), context_(&r.context), relu_(r.relu) {
    this->y_ = r.x[0], this->dims_ = r.dims[0];
    this->in_place_ = true;
    this->reads_y_ = this->changes_dy_ = r.relu && r.train();
    if (this->reads_y_ && !r.idle()) mask_.emplace(r.context, this->y_);
  }

  void forward(const operands& x, parameters&, tensor& y) override {
    if (!y.stored().empty()) Backend::add(*context_, *x[0], *x[1], y, relu_);
  }
  void backward(const operands&, parameters&, tensor& y, tensor& dy, const operands&, parameters&) override {
    if (mask_) mask_->backward(y, dy);
  }

 private:
  typename Backend::context* context_;
  bool relu_;
  std::optional<typename Backend::relu> mask_{};
};

/// Pictures as features: in memory they are the same.
template <class Backend>
class local_flatten : public local_operation<Backend> {
  using base = local_operation<Backend>;
  using typename base::tensor, typename base::parameters, typename base::operands;

 public:
  explicit local_flatten(const local_request<Backend>& r) : base(r) {
    this->y_ = r.x[0], this->dims_ = r.dims[0];
    this->renames_ = true;
  }

  void forward(const operands&, parameters&, tensor&) override {}
  void backward(const operands&, parameters&, tensor&, tensor&, const operands&, parameters&) override {}
};

}  // namespace tutti
