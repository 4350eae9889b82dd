#pragma once
#include <optional>

#include <tutti/comm/collectives.hpp>
#include <tutti/kernel/geometry.hpp>
#include <tutti/kernel/recorded_work.hpp>
#include <tutti/nn/local_operation.hpp>

namespace tutti {

/// Batch norm, with a ReLU behind it or not: of the whole batch and picture, wherever
/// their parts are. In evaluation by the running mean and variance, which come a
/// tenth nearer to each batch's in training. ε is 10⁻⁵.
///
/// Cost, where axes cut batch, height or width: an all-reduce over these in forward, of
/// two numbers a channel and one more, and in training one in backward, of two a channel.
template <class Backend>
class local_batch_norm : public local_operation<Backend> {
  using base = local_operation<Backend>;
  using typename base::format, typename base::tensor, typename base::parameters, typename base::operands;
  using kernel = typename Backend::batch_norm;
  using number = typename Backend::number;
  using space = typename Backend::space;

 public:
  explicit local_batch_norm(const local_request<Backend>& r)
      : base(r), context_(&r.context), train_(r.train()), kernel_(r.context, geometry(r), format_of(r), r.relu, 1e-5),
        groups_(&r.state->groups), statistics_(&r.state->norms[r.number]) {
    this->y_ = format_of(r);
    if (r.dims[0].rank() == r.what.x.rank()) this->dims_ = r.dims[0];
    this->reads_x_ = r.train();
    this->changes_dy_ = !r.input_gradient;
    // Features that lie as pictures are no channels of these.
    if (!(r.x[0] == this->y_)) plain_.emplace(r.context, this->y_), plain_gradient_.emplace(r.context, this->y_);
    if (const unsigned axes = inner_axes(r.what, r.plan)) along_ = &r.on.over(axes);
    if (statistics_->mean.size() != r.made[1].count) {
      statistics_->mean = buffer<number, space>(r.made[1].count), statistics_->variance = buffer<number, space>(r.made[1].count);
      Backend::fill(r.context, span<number, space>(statistics_->mean), number{});
      Backend::fill(r.context, span<number, space>(statistics_->variance), static_cast<number>(1));
    }
  }

  void forward(const operands& operand, parameters& w, tensor& y) override {
    tensor& x = plain_ ? *plain_ : *operand[0];
    if (plain_ && !x.stored().empty()) Backend::copy(*context_, *operand[0], x);
    if (!train_) return kernel_.normalise(x.stored(), statistics_->mean, statistics_->variance, w[0].stored(), w[1].stored(), y.stored());
    add_up(kernel_.sum(x.stored()));
    kernel_.normalise(x.stored(), w[0].stored(), w[1].stored(), y.stored());
    kernel_.follow(statistics_->mean, statistics_->variance, 0.1);
  }

  void backward(const operands& operand, parameters&, tensor&, tensor& dy, const operands& wanted, parameters& dw) override {
    tensor& x = plain_ ? *plain_ : *operand[0];
    tensor& dx = !wanted[0] ? dy : plain_ ? *plain_gradient_ : *wanted[0];
    add_up(kernel_.sum_gradients(x.stored(), dy.stored()));
    kernel_.backward(x.stored(), dy.stored(), dx.stored(), dw[0].stored(), dw[1].stored());
    if (plain_ && wanted[0] && !dx.stored().empty()) Backend::copy(*context_, dx, *wanted[0]);
  }

 private:
  static format format_of(const local_request<Backend>& r) {
    return r.dims[0].rank() == r.what.x.rank() ? r.x[0] : format::native(sizes_of(r.made));
  }
  static norm_geometry geometry(const local_request<Backend>& r) {
    norm_geometry g{.batch = r.made[0].count, .channels = r.made[1].count};
    for (std::size_t d = 2; d < r.made.rank(); ++d) g.places *= r.made[d].count;
    return g;
  }
  template <class Sums>
  void add_up(Sums sums) {
    if (along_) done_on_host(*context_, [this, sums] { groups_->add_up(*context_, *along_, sums); });
  }

  typename Backend::context* context_;
  bool train_;
  kernel kernel_;
  typename Backend::groups* groups_;
  running_statistics<Backend>* statistics_;
  communicator* along_ = nullptr;
  std::optional<tensor> plain_{}, plain_gradient_{};
};

}  // namespace tutti
