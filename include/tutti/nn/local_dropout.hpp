#pragma once
#include <cstdint>

#include <tutti/kernel/dropout.hpp>
#include <tutti/nn/local_operation.hpp>

namespace tutti {

/// Dropout, where its operand lies if nobody else needs that; in evaluation nothing.
/// Row-major, since what is dropped goes by the elements' numbers.
template <class Backend>
class local_dropout : public local_operation<Backend> {
  using base = local_operation<Backend>;
  using typename base::element, typename base::tensor, typename base::tensors, typename base::operands;

 public:
  explicit local_dropout(const local_request<Backend>& r)
      : base(r), context_(&r.context), state_(r.state), made_(r.made), whole_(r.what.y),
        mask_{.seed = r.state->seed, .layer = static_cast<std::uint32_t>(r.number), .rate = r.what.rate} {
    this->dims_ = r.dims[0];
    if (!r.train()) this->y_ = r.x[0], this->renames_ = true;
    else this->y_ = r.x[0].row_major(), this->in_place_ = this->changes_dy_ = true;
  }

  void forward(const operands& x, tensors&, tensor& y) override {
    if (this->renames_ || y.stored().empty()) return;
    if (x[0] != &y) Backend::copy(*context_, *x[0], y);
    mask_.step = state_->step;
    drop(y);
  }
  void backward(const operands&, tensors&, tensor&, tensor& dy, const operands&, tensors&) override { drop(dy); }

 private:
  void drop(tensor& t) {
    for_each_run(made_, made_, whole_, [&](std::size_t mine, std::size_t number, std::size_t count) {
      const span<element> run = t.stored().subspan(mine, count);
      mask_.template apply<element>(number, span<const element>(run.data(), count), run);
    });
  }

  typename Backend::context* context_;
  const pass_state<element>* state_;
  block made_, whole_;
  dropout_mask mask_;
};

}  // namespace tutti
