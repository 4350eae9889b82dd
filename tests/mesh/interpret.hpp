#pragma once
#include <algorithm>
#include <vector>

#include <tutti/kernel/batch_norm.hpp>
#include <tutti/kernel/dropout.hpp>
#include <tutti/kernel/naive.hpp>
#include <tutti/mesh/step_exchanges.hpp>

#include "world.hpp"

// What the plan of a network says, done for all ranks of a mesh in one thread,
// over a field: what is equal to one rank's is right. Functions that are no sums
// and products are replaced by others that are as little linear.

namespace interpret {

using values = std::vector<modular>;
using worlds_of = std::vector<world_tensor>;

inline modular pointwise(modular x) { return x * x * x + modular(5) * x; }
inline modular pointwise_gradient(modular x) { return modular(7) * x * x + modular(3); }

/// What an element-by-element function is: one that depends on all its operand's
/// digits, or the ReLU that kernels compute.
enum class bend { cubic, relu };

/// What of a plan is broken on purpose.
struct damage {
  bool bias_everywhere = false;
  bool halo_not_read = false;
  bool halo_not_returned = false;
  bool classes_not_summed = false;
  bool second_operand_forgotten = false;
  bool statistics_not_summed = false;
  bool gradient_statistics_not_summed = false;
  bool dropped_by_own_number = false;
};

struct trained {
  worlds_of tensors, gradients;               ///< by tensor; gradient 0 is nobody's
  std::vector<worlds_of> parameter_gradients; ///< by operation
};

class network {
 public:
  network(const tutti::operation_list& net, const tutti::network_plan& plan, const tutti::mesh& on, const damage& broken = {},
          bend function = bend::cubic)
      : net_(net.all()), plan_(plan), on_(on), broken_(broken), function_(function), shapes_(net.all().size() + 1) {
    for (std::size_t t = 0; t < shapes_.size(); ++t) shapes_[t] = net.shape_of(t);
  }

  /// `dy`: the gradient of the last tensor, of a network that does not end in a loss.
  trained run(const values& input, const std::vector<std::vector<values>>& parameters, const values& dy = {}) {
    trained all;
    all.tensors.push_back(spread(shapes_[0], plan_.tensors[0].lies, on_, input, 1));
    for (std::size_t i = 0; i < net_.size(); ++i) forward(i, parameters[i], all);
    all.gradients.resize(shapes_.size());
    all.parameter_gradients.resize(net_.size());
    if (!dy.empty()) all.gradients.back() = spread(shapes_.back(), plan_.tensors.back().gradient, on_, dy, 1);
    for (std::size_t i = net_.size(); i-- > 0;) backward(i, all);
    return all;
  }

 private:
  struct kept {
    std::vector<values> x;              // what each rank has read, halo included
    std::vector<std::vector<std::size_t>> argmax;
    worlds_of weights;
    std::vector<tutti::batch_normalisation<modular>> norms;
  };

  tutti::block held(const tutti::shape& whole, const tutti::placement& at, int r) const { return tutti::block_of(whole, at, on_, {r}); }

  // What a rank reads of an operand: more than its own where windows reach out.
  tutti::block read(std::size_t i, int r) const {
    const tutti::tensor_operation& o = net_[i];
    return tutti::read_of(o, held(o.x, plan_.operations[i].operands[0].at, r), held(o.y, plan_.operations[i].made, r));
  }
  // Whether two ranks differ only along axes that cut height or width.
  bool beside(std::size_t i, int r, int other) const {
    const tutti::placement& at = plan_.operations[i].operands[0].at;
    bool same = true;
    for (int axis = 0; axis < on_.axes(); ++axis)
      same &= at.dimension_on(axis) >= 2 || on_.coordinate({r}, axis) == on_.coordinate({other}, axis);
    return same;
  }

  template <class Geometry>
  Geometry geometry(const tutti::tensor_operation& o, const tutti::block& x, const tutti::block& y) const {
    Geometry g{.batch = y[0].count, .channels = x[1].count};
    const std::size_t deep = o.x.rank() - 4;
    if (deep == 1) g.depth = x[2].count, g.through = tutti::local_window(o.windows[0], y[2], o.x[2].size);
    g.height = x[2 + deep].count, g.down = tutti::local_window(o.windows[deep], y[2 + deep], o.x[2 + deep].size);
    g.width = x[3 + deep].count, g.across = tutti::local_window(o.windows[1 + deep], y[3 + deep], o.x[3 + deep].size);
    return g;
  }

  tutti::convolution_geometry convolved(const tutti::tensor_operation& o, const tutti::block& x, const tutti::block& y) const {
    auto g = geometry<tutti::convolution_geometry>(o, x, y);
    g.filters = y[1].count;
    // A rank has whole groups; one that has none has no channels either.
    g.groups = o.groups > 1 ? std::max<std::size_t>(y[1].count / (o.y[1].size / o.groups), 1) : 1;
    return g;
  }
  static std::size_t places(const tutti::block& b) {
    std::size_t product = 1;
    for (std::size_t d = 2; d < b.rank(); ++d) product *= b[d].count;
    return product;
  }

  // An all-reduce of one vector of each rank along some axes.
  void add_up(unsigned axes, std::vector<tutti::span<modular>> all) const {
    std::vector<values> sums;
    for (int r = 0; r < on_.size(); ++r) {
      values sum(all[static_cast<std::size_t>(r)].size());
      for (int other = 0; other < on_.size(); ++other) {
        bool adds = true;
        for (int axis = 0; axis < on_.axes(); ++axis)
          adds &= (axes >> axis & 1u) != 0 || on_.coordinate({r}, axis) == on_.coordinate({other}, axis);
        for (std::size_t e = 0; adds && e < sum.size(); ++e) sum[e] = sum[e] + all[static_cast<std::size_t>(other)][e];
      }
      sums.push_back(sum);
    }
    for (std::size_t r = 0; r < all.size(); ++r) std::copy(sums[r].begin(), sums[r].end(), all[r].begin());
  }

  // What is kept goes by an element's number in the whole tensor.
  void drop(std::size_t i, const tutti::block& held, const values& from, values& into) const {
    const tutti::dropout_mask mask{.seed = 3, .step = 2, .layer = static_cast<std::uint32_t>(i), .rate = net_[i].rate};
    tutti::for_each_run(held, held, broken_.dropped_by_own_number ? held : tutti::block(net_[i].y),
                        [&](std::size_t mine, std::size_t whole, std::size_t n) {
                          mask.apply<modular>(whole, {from.data() + mine, n}, {into.data() + mine, n});
                        });
  }

  bool adds_bias(std::size_t i, int r) const {
    bool first = true;
    for (int axis = 0; axis < on_.axes(); ++axis)
      first &= !plan_.operations[i].made.partial_on(axis) || on_.coordinate({r}, axis) == 0;
    return first || broken_.bias_everywhere;
  }

  void forward(std::size_t i, const std::vector<values>& parameters, trained& all) {
    const tutti::tensor_operation& o = net_[i];
    const tutti::operation_plan& p = plan_.operations[i];
    kept_.emplace_back();
    kept& k = kept_.back();
    worlds_of operands;
    for (std::size_t n = 0; n < o.inputs.size(); ++n) {
      world_tensor x = all.tensors[o.inputs[n]];
      x.whole = o.x;
      for (const tutti::move& m : p.operands[n].forward) apply(x, m, on_);
      x.at = p.operands[n].at;
      operands.push_back(x);
    }
    for (std::size_t n = 0; n < parameters.size(); ++n)
      k.weights.push_back(spread(o.parameters[n], p.parameters[n].at, on_, parameters[n], 0));
    world_tensor y{o.y, p.made, {}};
    k.argmax.resize(static_cast<std::size_t>(on_.size()));
    if (o.what == tutti::operation_kind::batch_norm) {
      std::vector<tutti::span<modular>> sums;
      k.norms.resize(operands[0].ranks.size());
      for (int r = 0; r < on_.size(); ++r) {
        const auto rank = static_cast<std::size_t>(r);
        const tutti::block in = read(i, r);
        k.norms[rank] = {{.batch = in[0].count, .channels = in[1].count, .places = places(in)}, false, 1e-5};
        sums.push_back(k.norms[rank].sum(operands[0].ranks[rank]));
      }
      if (!broken_.statistics_not_summed) add_up(tutti::inner_axes(o, p), sums);
    }
    for (int r = 0; r < on_.size(); ++r) {
      const auto rank = static_cast<std::size_t>(r);
      const tutti::block in = read(i, r), out = held(o.y, p.made, r);
      values x(in.elements());
      for (int other = 0; other < on_.size(); ++other) {
        if (!beside(i, r, other) || (broken_.halo_not_read && other != r)) continue;
        const tutti::block theirs = held(o.x, p.operands[0].at, other);
        tutti::copy_block(tutti::common(theirs, in), theirs, operands[0].ranks[static_cast<std::size_t>(other)].data(), in, x.data());
      }
      values made(out.elements());
      switch (o.what) {
        case tutti::operation_kind::convolution: {
          const auto g = convolved(o, in, out);
          values bias = o.has_bias() ? k.weights[1].ranks[rank] : values();
          if (!adds_bias(i, r)) bias.assign(bias.size(), {});
          if (out.elements() > 0) tutti::naive::convolution<modular>(g, x, k.weights[0].ranks[rank], bias, made);
          break;
        }
        case tutti::operation_kind::dense: {
          values bias = k.weights[1].ranks[rank];
          if (!adds_bias(i, r)) bias.assign(bias.size(), {});
          tutti::naive::dense<modular>({.batch = out[0].count, .channels = in[1].count, .units = out[1].count}, x,
                                           k.weights[0].ranks[rank], bias, made);
          break;
        }
        case tutti::operation_kind::pool:
          k.argmax[rank].resize(made.size());
          if (out.elements() > 0)
            tutti::naive::max_pool<modular>(geometry<tutti::pool_geometry>(o, in, out), x, made, k.argmax[rank]);
          break;
        case tutti::operation_kind::pointwise:
          for (std::size_t e = 0; e < x.size(); ++e) made[e] = function_ == bend::cubic ? pointwise(x[e]) : std::max(x[e], modular());
          break;
        case tutti::operation_kind::add:
          for (std::size_t e = 0; e < x.size(); ++e) made[e] = x[e] + operands[1].ranks[rank][e];
          break;
        case tutti::operation_kind::flatten:
        case tutti::operation_kind::loss: made = x; break;
        case tutti::operation_kind::average_pool:
          tutti::naive::average_pool<modular>(geometry<tutti::pool_geometry>(o, in, out), x, made);
          break;
        case tutti::operation_kind::batch_norm:
          k.norms[rank].normalise(x, k.weights[0].ranks[rank], k.weights[1].ranks[rank], made);
          break;
        case tutti::operation_kind::dropout: drop(i, in, x, made); break;
      }
      k.x.push_back(x);
      y.ranks.push_back(made);
    }
    for (const tutti::move& m : p.settle) apply(y, m, on_);
    y.at = plan_.tensors[i + 1].lies;
    all.tensors.push_back(y);
  }

  // Every sample's gradient depends on all its classes, as softmax's does.
  values loss_gradient(std::size_t i, int r) const {
    const tutti::tensor_operation& o = net_[i];
    const tutti::placement& at = plan_.operations[i].operands[0].at;
    const tutti::block mine = held(o.x, at, r);
    values sums(mine[0].count);
    for (int other = 0; other < on_.size(); ++other) {
      bool adds = true;
      for (int axis = 0; axis < on_.axes(); ++axis)
        adds &= at.dimension_on(axis) == 1 || on_.coordinate({r}, axis) == on_.coordinate({other}, axis);
      if (!adds || (broken_.classes_not_summed && other != r)) continue;
      const tutti::block theirs = held(o.x, at, other);
      for (std::size_t n = 0; n < theirs[0].count; ++n)
        for (std::size_t c = 0; c < theirs[1].count; ++c)
          sums[n] = sums[n] + pointwise(kept_[i].x[static_cast<std::size_t>(other)][n * theirs[1].count + c]);
    }
    values dx(mine.elements());
    for (std::size_t n = 0; n < mine[0].count; ++n)
      for (std::size_t c = 0; c < mine[1].count; ++c) {
        const std::size_t e = n * mine[1].count + c;
        dx[e] = pointwise_gradient(kept_[i].x[static_cast<std::size_t>(r)][e]) * sums[n] +
                modular(((mine[0].first + n) * 31 + mine[1].first + c) * 17);
      }
    return dx;
  }

  void backward(std::size_t i, trained& all) {
    const tutti::tensor_operation& o = net_[i];
    const tutti::operation_plan& p = plan_.operations[i];
    kept& k = kept_[i];
    world_tensor dy = all.gradients[i + 1];
    if (dy.ranks.empty()) dy = spread(o.y, plan_.tensors[i + 1].gradient, on_, values(o.y.elements()), 0);  // nobody uses the result
    if (o.what != tutti::operation_kind::loss) {
      dy.whole = o.y;
      for (const tutti::move& m : p.unsettle) apply(dy, m, on_);
      dy.at = p.dy;
    }
    if (o.what == tutti::operation_kind::batch_norm) {
      std::vector<tutti::span<modular>> sums;
      for (std::size_t rank = 0; rank < k.norms.size(); ++rank) sums.push_back(k.norms[rank].sum_gradients(k.x[rank], dy.ranks[rank]));
      if (!broken_.gradient_statistics_not_summed) add_up(tutti::inner_axes(o, p), sums);
    }
    std::vector<values> wide;  // of each rank, halo included
    for (const tutti::parameter_plan& w : p.parameters) all.parameter_gradients[i].push_back({w.dims, w.gradient, {}});
    for (int r = 0; r < on_.size(); ++r) {
      const auto rank = static_cast<std::size_t>(r);
      const tutti::block in = read(i, r), out = held(o.y, p.made, r);
      const values& x = k.x[rank];
      values dx(in.elements());
      std::vector<values> dw;
      for (const tutti::parameter_plan& w : p.parameters) dw.emplace_back(held(w.dims, w.at, r).elements());
      switch (o.what) {
        case tutti::operation_kind::convolution: {
          const auto g = convolved(o, in, out);
          if (out.elements() == 0) break;
          tutti::naive::convolution_backward_data<modular>(g, dy.ranks[rank], k.weights[0].ranks[rank], dx);
          tutti::naive::convolution_backward_weights<modular>(g, x, dy.ranks[rank], dw[0]);
          if (o.has_bias()) tutti::naive::convolution_backward_bias<modular>(g, dy.ranks[rank], dw[1]);
          break;
        }
        case tutti::operation_kind::dense: {
          const tutti::dense_geometry g{.batch = out[0].count, .channels = in[1].count, .units = out[1].count};
          tutti::naive::dense_backward_data<modular>(g, dy.ranks[rank], k.weights[0].ranks[rank], dx);
          tutti::naive::dense_backward_weights<modular>(g, x, dy.ranks[rank], dw[0]);
          tutti::naive::dense_backward_bias<modular>(g, dy.ranks[rank], dw[1]);
          break;
        }
        case tutti::operation_kind::pool:
          if (out.elements() > 0)
            tutti::naive::max_pool_backward<modular>(geometry<tutti::pool_geometry>(o, in, out), dy.ranks[rank], k.argmax[rank], dx);
          break;
        case tutti::operation_kind::pointwise:
          for (std::size_t e = 0; e < x.size(); ++e)
            dx[e] = dy.ranks[rank][e] * (function_ == bend::cubic ? pointwise_gradient(x[e]) : modular(x[e] > modular() ? 1 : 0));
          break;
        case tutti::operation_kind::add:
        case tutti::operation_kind::flatten: dx = dy.ranks[rank]; break;
        case tutti::operation_kind::loss: dx = loss_gradient(i, r); break;
        case tutti::operation_kind::average_pool:
          tutti::naive::average_pool_backward<modular>(geometry<tutti::pool_geometry>(o, in, out), dy.ranks[rank], dx);
          break;
        case tutti::operation_kind::batch_norm: k.norms[rank].backward(x, dy.ranks[rank], dx, dw[0], dw[1]); break;
        case tutti::operation_kind::dropout: drop(i, in, dy.ranks[rank], dx); break;
      }
      wide.push_back(dx);
      for (std::size_t n = 0; n < dw.size(); ++n) all.parameter_gradients[i][n].ranks.push_back(dw[n]);
    }
    for (std::size_t n = 0; n < o.inputs.size(); ++n) {
      world_tensor dx{o.x, p.operands[n].gradient, {}};
      for (int r = 0; r < on_.size(); ++r) {
        const tutti::block mine = held(o.x, p.operands[n].at, r);
        values sum(mine.elements());
        for (int other = 0; other < on_.size(); ++other) {
          if (!beside(i, r, other) || (broken_.halo_not_returned && other != r)) continue;
          const tutti::block theirs = read(i, other);
          tutti::for_each_run(tutti::common(theirs, mine), theirs, mine, [&](std::size_t from, std::size_t into, std::size_t count) {
            for (std::size_t e = 0; e < count; ++e) sum[into + e] = sum[into + e] + wide[static_cast<std::size_t>(other)][from + e];
          });
        }
        dx.ranks.push_back(sum);
      }
      if (o.inputs[n] == 0) continue;
      if (n == 1 && broken_.second_operand_forgotten)
        for (values& part : dx.ranks) part.assign(part.size(), {});
      for (const tutti::move& m : p.operands[n].backward) apply(dx, m, on_);
      world_tensor& collected = all.gradients[o.inputs[n]];
      dx.at = plan_.tensors[o.inputs[n]].gradient;
      if (collected.ranks.empty()) {
        collected = dx;
        continue;
      }
      for (std::size_t r = 0; r < dx.ranks.size(); ++r)
        for (std::size_t e = 0; e < dx.ranks[r].size(); ++e) collected.ranks[r][e] = collected.ranks[r][e] + dx.ranks[r][e];
    }
  }

  const std::vector<tutti::tensor_operation>& net_;
  const tutti::network_plan& plan_;
  const tutti::mesh& on_;
  damage broken_;
  bend function_;
  std::vector<tutti::shape> shapes_;
  std::vector<kept> kept_;
};

}  // namespace interpret
