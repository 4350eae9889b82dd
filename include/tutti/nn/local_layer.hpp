#pragma once
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include <tutti/kernel/geometry.hpp>
#include <tutti/mesh/halo.hpp>
#include <tutti/nn/local_operation.hpp>
#include <tutti/nn/rows.hpp>

namespace tutti {

/// Convolution or dense layer: weights, and bias if there is one, by a kernel of the
/// backend.
///
/// Where what it sums is cut, every rank makes a summand, and one of them adds the
/// bias. Where windows see padding only, or nothing is left to sum, the result is the
/// bias.
template <class Backend, class Kernel>
class local_layer : public local_operation<Backend> {
  using base = local_operation<Backend>;
  using typename base::element, typename base::format, typename base::tensor, typename base::parameter, typename base::parameters, typename base::operands;
  using number = typename Backend::number;

 public:
  template <class Geometry>
  local_layer(const local_request<Backend>& r, const Geometry& g) : base(r), context_(&r.context), bias_(r.what.has_bias()), relu_(r.relu), made_(r.made) {
    this->reads_x_ = true;
    this->reads_y_ = this->changes_dy_ = r.relu && r.train();
    for (int axis = 0; axis < r.on.shape().axes(); ++axis)
      if (bias_ && r.plan.made.partial_on(axis) && r.on.shape().coordinate(r.on.rank(), axis) != 0)
        no_bias_.emplace(r.context, this->stored_[1]);
    if (no_bias_) clear(*no_bias_);
    if (r.idle()) return;
    kernel_.emplace(r.context, g,
                    typename Backend::layer_request{.x = r.x[0],
                                                    .weights = r.stored.empty() ? std::nullopt : r.stored[0],
                                                    .bias = bias_,
                                                    .relu = r.relu,
                                                    .train = r.train(),
                                                    .input_gradient = r.input_gradient});
    this->stored_[0] = kernel_->weights();
    this->y_ = kernel_->y();
  }

  void forward(const operands& x, parameters& w, tensor& y) override {
    parameter& bias = !bias_ ? none_ : no_bias_ ? *no_bias_ : w[1];
    if (kernel_) return kernel_->forward(*x[0], w[0], bias, y);
    const std::vector<number> b = bias_ ? rows(this->stored_[1], bias) : std::vector<number>();
    std::vector<element> made(y.stored().size());
    for (std::size_t e = 0; bias_ && e < made.size(); ++e) made[e] = static_cast<element>(bent(b[filter(e)]));
    put_rows<Backend>(*context_, this->y_, span<element>(made), y);
  }

  void backward(const operands& x, parameters& w, tensor& y, tensor& dy, const operands& dx, parameters& dw) override {
    if (kernel_) return kernel_->backward(*x[0], w[0], y, dy, dx[0], dw[0], bias_ ? dw[1] : none_);
    if (dx[0]) clear(*dx[0]);
    for (parameter& each : dw) clear(each);
    if (!bias_ || dy.stored().empty()) return;
    const std::vector<element> made = rows(this->y_, y), given = rows(this->y_, dy);
    std::vector<number> sums(made_[1].count);
    for (std::size_t e = 0; e < given.size(); ++e)
      if (number& sum = sums[filter(e)]; !relu_ || element{} < made[e]) sum = static_cast<number>(sum + static_cast<number>(given[e]));
    put_rows<Backend>(*context_, this->stored_[1], span<number>(sums), dw[1]);
  }

 private:
  // Which filter or unit makes element e of a row-major result.
  std::size_t filter(std::size_t e) const { return e / (made_.elements() / made_[0].count / made_[1].count) % made_[1].count; }
  number bent(number value) const { return relu_ && !(number{} < value) ? number{} : value; }
  template <class Tensor>
  void clear(Tensor& t) {
    Backend::fill(*context_, t.stored(), {});
  }
  template <class Tensor>
  auto rows(const format& f, const Tensor& t) {
    std::vector<typename decltype(t.stored())::value_type> all(t.stored().size());
    fetch_rows<Backend>(*context_, f, t, span(all));
    return all;
  }

  typename Backend::context* context_;
  bool bias_, relu_;
  parameter none_{};
  block made_;
  std::optional<Kernel> kernel_{};
  std::optional<parameter> no_bias_{};
};

/// Geometry of what slides over pictures, for just the part that this rank makes.
template <class Geometry, class Backend>
Geometry sliding_geometry(const local_request<Backend>& r) {
  const block &in = r.read[0], &made = r.made;
  Geometry g{.batch = made[0].count, .channels = in[1].count};
  std::size_t* sizes[] = {&g.width, &g.height, &g.depth};
  window* windows[] = {&g.across, &g.down, &g.through};
  for (std::size_t d = in.rank() - 1, k = 0; d >= 2; --d, ++k) {
    *sizes[k] = in[d].count;
    *windows[k] = local_window(r.what.windows[d - 2], made[d], in[d], r.what.x[d].size);
  }
  return g;
}

template <class Backend>
class local_convolution : public local_layer<Backend, typename Backend::convolution> {
 public:
  explicit local_convolution(const local_request<Backend>& r) : local_layer<Backend, typename Backend::convolution>(r, geometry(r)) {}

 private:
  static convolution_geometry geometry(const local_request<Backend>& r) {
    convolution_geometry g = sliding_geometry<convolution_geometry>(r);
    g.filters = r.made[1].count;
    // Pieces of filters are whole groups.
    g.groups = r.what.groups > 1 ? g.filters / (r.what.y[1].size / r.what.groups) : 1;
    return g;
  }
};

/// Reads pictures as they lie, where a flatten has but renamed them.
template <class Backend>
class local_dense : public local_layer<Backend, typename Backend::dense> {
 public:
  explicit local_dense(const local_request<Backend>& r) : local_layer<Backend, typename Backend::dense>(r, geometry(r)) {
    const shape& x = r.dims[0];  // a rank without samples keeps its weights as the others do
    if (!r.idle() || !r.stored.empty() || x.rank() < 4) return;
    shape weights{{"units", r.local(0)[0].size}};
    for (std::size_t d = 1; d < x.rank(); ++d) weights.append(x[d]);
    this->stored_[0] = Backend::format::native(weights);
  }

 private:
  static dense_geometry geometry(const local_request<Backend>& r) {
    const shape& x = r.dims[0];
    dense_geometry g{.batch = x[0].size, .channels = x[1].size, .units = r.made[1].count};
    std::size_t* sizes[] = {&g.width, &g.height, &g.depth};
    for (std::size_t d = x.rank() - 1, k = 0; d >= 2; --d, ++k) *sizes[k] = x[d].size;
    return g;
  }
};

}  // namespace tutti
