#pragma once
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include <tutti/kernel/geometry.hpp>
#include <tutti/mesh/halo.hpp>
#include <tutti/mesh/step_exchanges.hpp>
#include <tutti/nn/local_operation.hpp>
#include <tutti/nn/rows.hpp>

namespace tutti {

/// What the first rank is asked for that has something to do, of those that hold the same
/// weights as one that has nothing.
template <class Backend>
local_request<Backend> busy_rank_of(local_request<Backend> r) {
  const mesh& on = r.on.shape();
  unsigned alike = 0;
  for (int axis = 0; axis < on.axes(); ++axis)
    if (r.plan.parameters[0].at.replicated_on(axis)) alike |= 1u << axis;
  for (rank other : r.on.members(alike)) {
    if (!r.idle()) break;
    r.made = block_of(r.what.y, r.plan.made, on, other);
    r.read[0] = read_of(r.what, block_of(r.what.x, r.plan.operands[0].at, on, other), r.made);
  }
  shape dims = sizes_of(r.read[0]);
  if (dims.rank() < r.dims[0].rank()) {  // features that lie as pictures
    dims = {dims[0]};
    for (std::size_t d = 1; d < r.dims[0].rank(); ++d) dims.append(r.dims[0][d]);
  }
  r.dims[0] = dims;
  r.x[0] = Backend::format::native(dims);
  return r;
}

/// Convolution or dense layer: weights, and bias if there is one, by a kernel of the
/// backend.
///
/// Where what it sums is cut, every rank makes a summand, and one of them adds the
/// bias. Where windows see padding only, or nothing is left to sum, the result is the
/// bias. A rank that has nothing to do keeps its weights as the others would,
/// were their operands row-major.
template <class Backend, class Kernel>
class local_layer : public local_operation<Backend> {
  using base = local_operation<Backend>;

 protected:
  using typename base::element, typename base::format, typename base::tensor, typename base::parameter, typename base::parameters, typename base::operands;
  using number = typename Backend::number;

 public:
  /// The geometry is `of(r)`.
  template <class GeometryOf>
  local_layer(const local_request<Backend>& r, const GeometryOf& of)
      : base(r), context_(&r.context), bias_(r.what.has_bias()), relu_(r.relu), made_(r.made) {
    this->reads_x_ = true;
    this->reads_y_ = this->changes_dy_ = r.relu && r.train();
    for (int axis = 0; axis < r.on.shape().axes(); ++axis)
      if (bias_ && r.plan.made.partial_on(axis) && r.on.shape().coordinate(r.on.rank(), axis) != 0)
        no_bias_.emplace(r.context, this->stored_[1]);
    if (no_bias_) clear(*no_bias_);
    if (r.idle()) {
      if (const local_request<Backend> busy = busy_rank_of(r); r.stored.empty() && !busy.idle())
        this->stored_[0] = Kernel(r.context, of(busy), request_of(busy)).weights();
      return;
    }
    kernel_.emplace(r.context, of(r), request_of(r));
    this->stored_[0] = kernel_->weights();
    this->y_ = kernel_->y();
  }

  void forward(const operands& x, parameters& w, tensor& y) override {
    if (kernel_) return kernel_->forward(*x[0], w[0], bias(w), y);
    const std::vector<number> b = bias_ ? rows(this->stored_[1], bias(w)) : std::vector<number>();
    std::vector<element> made(y.stored().size());
    for (std::size_t e = 0; bias_ && e < made.size(); ++e) made[e] = static_cast<element>(bent(b[filter(e)]));
    put_rows<Backend>(*context_, this->y_, span<element>(made), y);
  }

  void backward(const operands&, parameters& w, tensor& y, tensor& dy, const operands& dx, parameters& dw) override {
    if (kernel_) return kernel_->backward_data(w[0], y, dy, dx[0]);
    if (dx[0]) clear(*dx[0]);
    for (parameter& each : dw) clear(each);
    if (!bias_ || dy.stored().empty()) return;
    const std::vector<element> made = rows(this->y_, y), given = rows(this->y_, dy);
    std::vector<number> sums(made_[1].count);
    for (std::size_t e = 0; e < given.size(); ++e)
      if (number& sum = sums[filter(e)]; !relu_ || element{} < made[e]) sum = static_cast<number>(sum + static_cast<number>(given[e]));
    put_rows<Backend>(*context_, this->stored_[1], span<number>(sums), dw[1]);
  }
  void finish_backward(const operands& x, tensor& dy, parameters& dw) override {
    if (kernel_) kernel_->backward_weights(*x[0], dy, dw[0], bias_ ? dw[1] : none_);
  }

 protected:
  typename Backend::layer_request request_of(const local_request<Backend>& r) const {
    return {.x = r.x[0],
            .weights = r.stored.empty() ? std::nullopt : r.stored[0],
            .bias = bias_,
            .relu = r.relu,
            .train = r.train(),
            .input_gradient = r.input_gradient};
  }
  /// Of several summands one has it.
  parameter& bias(parameters& w) { return !bias_ ? none_ : no_bias_ ? *no_bias_ : w[1]; }
  const std::optional<Kernel>& kernel() const { return kernel_; }

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

/// Geometry of what slides over pictures, and makes just this part of just what it reads.
template <class Geometry>
Geometry sliding_geometry(const tensor_operation& o, const block& in, const block& made) {
  Geometry g{.batch = made[0].count, .channels = in[1].count};
  std::size_t* sizes[] = {&g.width, &g.height, &g.depth};
  window* windows[] = {&g.across, &g.down, &g.through};
  for (std::size_t d = in.rank() - 1, k = 0; d >= 2; --d, ++k) {
    *sizes[k] = in[d].count;
    *windows[k] = local_window(o.windows[d - 2], made[d], in[d], o.x[d].size);
  }
  return g;
}

template <class Backend>
class local_convolution : public local_layer<Backend, typename Backend::convolution> {
 public:
  explicit local_convolution(const local_request<Backend>& r)
      : local_layer<Backend, typename Backend::convolution>(r, [](const auto& of) { return geometry(of.what, of.read[0], of.made); }) {}

 protected:
  static convolution_geometry geometry(const tensor_operation& o, const block& in, const block& made) {
    convolution_geometry g = sliding_geometry<convolution_geometry>(o, in, made);
    g.filters = made[1].count;
    // Pieces of filters are whole groups.
    g.groups = o.groups > 1 ? g.filters / (o.y[1].size / o.groups) : 1;
    return g;
  }
};

/// Reads pictures as they lie, where a flatten has but renamed them.
template <class Backend>
class local_dense : public local_layer<Backend, typename Backend::dense> {
 public:
  explicit local_dense(const local_request<Backend>& r)
      : local_layer<Backend, typename Backend::dense>(r, [](const auto& of) {
          const shape& x = of.dims[0];
          dense_geometry g{.batch = x[0].size, .channels = x[1].size, .units = of.made[1].count};
          std::size_t* sizes[] = {&g.width, &g.height, &g.depth};
          for (std::size_t d = x.rank() - 1, k = 0; d >= 2; --d, ++k) *sizes[k] = x[d].size;
          return g;
        }) {}
};

}  // namespace tutti
