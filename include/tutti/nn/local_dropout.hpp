#pragma once
#include <cstdint>

#include <tutti/kernel/dropout.hpp>
#include <tutti/nn/local_operation.hpp>

namespace tutti {

/// Dropout, where its operand lies if nobody else needs that; in evaluation nothing.
/// Row-major, since what is dropped goes by the elements' numbers; but on devices, whose
/// kernels find an element's number wherever it lies.
template <class Backend>
class local_dropout : public local_operation<Backend> {
  using base = local_operation<Backend>;
  using typename base::element, typename base::tensor, typename base::parameters, typename base::operands;
  using space = typename Backend::space;

 public:
  explicit local_dropout(const local_request<Backend>& r)
      : base(r), context_(&r.context), state_(r.state), made_(r.made), whole_(r.what.y),
        mask_{.seed = r.state->seed, .layer = static_cast<std::uint32_t>(r.number), .rate = r.what.rate} {
    this->dims_ = r.dims[0];
    if (!r.train()) this->y_ = r.x[0], this->renames_ = true;
    else this->y_ = on_host<space> ? r.x[0].row_major() : r.x[0], this->in_place_ = this->changes_dy_ = true;
  }

  void forward(const operands& x, parameters&, tensor& y) override {
    if (this->renames_ || y.stored().empty()) return;
    if (x[0] != &y) Backend::copy(*context_, *x[0], y);
    mask_.step = state_->step;
    drop(y);
  }
  void backward(const operands&, parameters&, tensor&, tensor& dy, const operands&, parameters&) override { drop(dy); }

 private:
  void drop(tensor& t) {
    if constexpr (on_host<space>) drop_rows(t);
    else drop_there(t);
  }
  void drop_rows(tensor& t) {
    for_each_run(made_, made_, whole_, [&](std::size_t mine, std::size_t number, std::size_t count) {
      const span<element> run = t.stored().subspan(mine, count);
      mask_.template apply<element>(number, span<const element>(run.data(), count), run);
    });
  }

  // Features that lie as pictures are cut by whole channels.
  void drop_there(tensor& t) {
    if (t.stored().empty()) return;
    auto whole = t.format().sizes();
    std::size_t first[5] = {made_[0].first, made_[1].first};
    whole.batch = whole_[0].count, whole.channels = whole_[1].count;
    if (made_.rank() == 2) first[1] /= whole.places(), whole.channels /= whole.places();
    else
      for (std::size_t d = 2; d < made_.rank(); ++d) {
        const std::size_t k = d + 5 - made_.rank();
        first[k] = made_[d].first;
        (k == 2 ? whole.depth : k == 3 ? whole.height : whole.width) = whole_[d].count;
      }
    Backend::drop(*context_, mask_, state_->step_there, whole, first, t);
  }

  typename Backend::context* context_;
  const pass_state<Backend>* state_;
  block made_, whole_;
  dropout_mask mask_;
};

}  // namespace tutti
