#pragma once
#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <tutti/kernel/naive.hpp>
#include <tutti/mesh/halo.hpp>
#include <tutti/mesh/halo_exchange.hpp>
#include <tutti/mesh/planner.hpp>
#include <tutti/mesh/resharding.hpp>

namespace tutti {

/// A network on a mesh, by a plan: this rank's part of every operation, on one
/// backend, and the moves in between. All memory is made once. Data between
/// operations is row-major.
template <class Backend>
class sharded_pass {
 public:
  using element = typename Backend::element;
  using context = typename Backend::context;
  using format = typename Backend::format;
  using tensor = typename Backend::tensor;

  /// Collective. `c` and `on` must outlive it.
  sharded_pass(context& c, process_mesh& on, const operation_list& net, const network_plan& plan) : context_(&c), on_(&on) {
    for (std::size_t t = 0; t < plan.tensors.size(); ++t) {
      const block held = block_of(net.shape_of(t), plan.tensors[t].lies, on.shape(), on.rank());
      tensors_.push_back({.held = held, .value = memory(held), .gradient = t > 0 ? memory(held) : buffer<element>()});
    }
    for (std::size_t i = 0; i < net.all().size(); ++i) stages_.emplace_back(*this, net.all()[i], plan, i);
  }

  /// What this rank holds of the input, to be filled before forward, and of the
  /// output: blocks of the whole tensors, row-major.
  const block& input_block() const { return tensors_.front().held; }
  span<element> input() { return tensors_.front().value; }
  const block& output_block() const { return tensors_.back().held; }
  span<element> output() { return tensors_.back().value; }
  /// The gradient of the output, to be filled before backward as it is planned to lie.
  span<element> output_gradient() { return tensors_.back().gradient; }

  /// The format in which an operation's parameter is to be stored.
  const format& stored(std::size_t operation, std::size_t parameter) const { return stages_[operation].stored[parameter]; }

  /// Collective. `values` holds this rank's part of every parameter, by operation and parameter.
  void forward(std::vector<std::vector<tensor>>& values) {
    for (stage& s : stages_) s.forward(*this, values[s.number]);
  }

  /// Collective, after a forward pass of the same data. Overwrites `gradients`
  /// with this rank's gradients, summands where the plan says so, and calls
  /// `ready(operation)` as soon as those of an operation are there, the last first.
  template <class Ready>
  void backward(std::vector<std::vector<tensor>>& values, std::vector<std::vector<tensor>>& gradients, Ready ready) {
    for (std::size_t t = 1; t + 1 < tensors_.size(); ++t) tensors_[t].collected = false;
    for (std::size_t i = stages_.size(); i-- > 0;) {
      stages_[i].backward(*this, values[i], gradients[i]);
      if (!gradients[i].empty()) ready(i);
    }
  }

 private:
  using convolution = typename Backend::convolution;
  using dense = typename Backend::dense;
  using max_pool = typename Backend::max_pool;
  using relu = typename Backend::relu;
  using moves = std::optional<resharding<element>>;

  struct tensor_memory {
    block held{};
    buffer<element> value{}, gradient{};
    bool collected = false;  // the gradient of some use is in it
  };

  buffer<element> memory(const block& of) { return buffer<element>(on_->all(), of.elements()); }

  /// One operation of the plan.
  struct stage {
    std::size_t number;
    tensor_operation what;
    std::vector<format> stored{};

    stage(sharded_pass& p, const tensor_operation& o, const network_plan& plan, std::size_t i) : number(i), what(o) {
      const operation_plan& mine = plan.operations[i];
      const mesh& on = p.on_->shape();
      const rank me = p.on_->rank();
      own = block_of(o.x, mine.operands[0].at, on, me);
      made = block_of(o.y, mine.made, on, me);
      if (slides(o.what)) exchange_halo(p, mine);
      const block& in = halo ? halo->read() : own;
      for (std::size_t k = 0; k < o.inputs.size(); ++k) {
        const operand_plan& x = mine.operands[k];
        operand& each = operands.emplace_back();
        if (!x.forward.empty()) each.there.emplace(*p.on_, o.x, plan.tensors[o.inputs[k]].lies, x.at);
        if (!x.backward.empty()) each.back.emplace(*p.on_, o.x, x.gradient, plan.tensors[o.inputs[k]].gradient);
        if (each.there) each.value = p.memory(own);
      }
      if (halo) read = p.memory(in), read_gradient = p.memory(in);
      gradient = p.memory(own);
      scratch = o.inputs[0] == 0 ? buffer<element>() : p.memory(p.tensors_[o.inputs[0]].held);
      if (!mine.settle.empty()) settle.emplace(*p.on_, o.y, mine.made, plan.tensors[i + 1].lies), result = p.memory(made);
      if (!mine.unsettle.empty()) unsettle.emplace(*p.on_, o.y, plan.tensors[i + 1].gradient, mine.dy), dy = p.memory(made);
      for (int axis = 0; axis < on.axes(); ++axis) adds_bias &= !mine.made.partial_on(axis) || on.coordinate(me, axis) == 0;
      for (const parameter_plan& w : mine.parameters) stored.push_back(format::row_major(local_shape(w.dims, w.at, on, me)));
      make(p, in);
    }

    void forward(sharded_pass& p, std::vector<tensor>& w) {
      span<const element> x = operand_value(p, 0);
      if (halo) {
        (*halo)(x, span<element>(read));
        x = span<const element>(read);
      }
      tensor_memory& tensor_made = p.tensors_[number + 1];
      const span<element> y = settle ? span<element>(result) : span<element>(tensor_made.value);
      compute(p, x, w, y);
      if (settle) (*settle)(span<const element>(result), span<element>(tensor_made.value));
    }

    void backward(sharded_pass& p, std::vector<tensor>& w, std::vector<tensor>& dw) {
      span<element> given = span<element>(p.tensors_[number + 1].gradient);
      if (unsettle) {
        (*unsettle)(given, span<element>(dy));
        given = span<element>(dy);
      }
      const span<element> dx = halo ? span<element>(read_gradient) : span<element>(gradient);
      differentiate(p, w, given, dx, dw);
      if (halo && what.inputs[0] != 0) halo->give_back(span<const element>(read_gradient), span<element>(gradient));
      for (std::size_t k = 0; k < operands.size(); ++k) collect(p, k);
    }

   private:
    struct operand {
      moves there{}, back{};
      buffer<element> value{};
    };

    // What sliding windows reach beyond this rank's own places comes from the ranks
    // along the axes that cut height and width.
    void exchange_halo(sharded_pass& p, const operation_plan& mine) {
      unsigned axes = 0;
      for (std::size_t d : {2u, 3u})
        for (int axis : mine.operands[0].at.axes_of(d)) axes |= 1u << axis;
      std::vector<block> owned, read_by_them;
      bool same = true;
      for (rank r : p.on_->members(axes)) {
        owned.push_back(block_of(what.x, mine.operands[0].at, p.on_->shape(), r));
        const block theirs = block_of(what.y, mine.made, p.on_->shape(), r);
        block all = owned.back();
        all[2] = read_by(what.down, theirs[2], what.x[2].size);
        all[3] = read_by(what.across, theirs[3], what.x[3].size);
        same &= all == owned.back();
        read_by_them.push_back(all);
      }
      if (!same) halo.emplace(p.on_->over(axes), owned, read_by_them);
    }

    span<const element> operand_value(sharded_pass& p, std::size_t k) {
      const buffer<element>& lies = p.tensors_[what.inputs[k]].value;
      if (!operands[k].there) return span<const element>(lies.data(), lies.size());
      (*operands[k].there)(span<const element>(lies.data(), lies.size()), span<element>(operands[k].value));
      return span<const element>(operands[k].value);
    }

    void collect(sharded_pass& p, std::size_t k) {
      if (what.inputs[k] == 0) return;
      tensor_memory& into = p.tensors_[what.inputs[k]];
      span<const element> from(gradient);
      if (operands[k].back) {
        const span<element> moved = into.collected ? span<element>(scratch) : span<element>(into.gradient);
        (*operands[k].back)(from, moved);
        from = moved;
      }
      if (!into.collected) {
        if (!operands[k].back) std::copy(from.begin(), from.end(), into.gradient.data());
      } else {
        for (std::size_t e = 0; e < from.size(); ++e) into.gradient[e] = static_cast<element>(into.gradient[e] + from[e]);
      }
      into.collected = true;
    }

    // The backend's primitives, where there is something to do.
    void make(sharded_pass& p, const block& in) {
      x_format = format::row_major(shape_of(in)), y_format = format::row_major(shape_of(made));
      if (made.elements() == 0 || in.elements() == 0) return;
      if (what.what == operation_kind::pool) {
        settle_format(p, operation_here.template emplace<max_pool>(
                             *p.context_, geometry<pool_geometry>(in), x_format, true).y());
      } else if (what.what == operation_kind::pointwise) {
        operation_here.template emplace<relu>(*p.context_, y_format, false);
      } else if (contracts(what.what)) {
        typename Backend::layer_request request{.x = x_format, .weights = stored[0], .relu = false, .train = true,
                                                .input_gradient = what.inputs[0] != 0};
        if (what.what == operation_kind::convolution) {
          convolution_geometry g = geometry<convolution_geometry>(in);
          g.filters = made[1].count;
          settle_format(p, operation_here.template emplace<convolution>(*p.context_, g, request).y());
        } else {
          settle_format(p, operation_here.template emplace<dense>(
                               *p.context_, dense_geometry{.batch = made[0].count, .channels = in[1].count, .units = made[1].count}, request).y());
        }
        no_bias = tensor(*p.context_, stored[1]);
        for (element& value : no_bias.stored()) value = element{};
      }
    }
    void settle_format(sharded_pass& p, const format& y) {
      native = tensor(*p.context_, y), native_gradient = tensor(*p.context_, y);
      same_format = y == y_format;
    }

    shape shape_of(const block& b) const {
      shape s;
      for (std::size_t d = 0; d < b.rank(); ++d) s.append({"", b[d].count});
      return s;
    }

    template <class Geometry>
    Geometry geometry(const block& in) const {
      Geometry g{.batch = made[0].count, .channels = in[1].count, .height = in[2].count, .width = in[3].count};
      g.down = local_window(what.down, made[2], what.x[2].size);
      g.across = local_window(what.across, made[3], what.x[3].size);
      return g;
    }

    tensor wrap(sharded_pass& p, const format& f, span<const element> values) const {
      return tensor(*p.context_, f, const_cast<element*>(values.data()));
    }

    void compute(sharded_pass& p, span<const element> x, std::vector<tensor>& w, span<element> y) {
      last_x = x;
      if (what.what == operation_kind::add) {
        const span<const element> other = operand_value(p, 1);
        for (std::size_t e = 0; e < y.size(); ++e) y[e] = static_cast<element>(x[e] + other[e]);
        return;
      }
      if (what.what == operation_kind::flatten || what.what == operation_kind::pointwise) std::copy(x.begin(), x.end(), y.data());
      if (made.elements() == 0 || what.what == operation_kind::flatten) return;
      if (x.empty()) {  // windows that see padding only, or nothing to sum
        const std::size_t places = contracts(what.what) ? made.elements() / made[0].count / made[1].count : 1;
        for (std::size_t e = 0; e < y.size(); ++e)
          y[e] = contracts(what.what) && adds_bias ? w[1].stored()[e / places % made[1].count] : element{};
        return;
      }
      tensor in = wrap(p, x_format, x), plain = wrap(p, y_format, y);
      tensor& out = same_format ? plain : native;
      if (auto* relu_here = std::get_if<relu>(&operation_here)) return relu_here->forward(plain);
      if (auto* pool_here = std::get_if<max_pool>(&operation_here)) pool_here->forward(in, out);
      else if (auto* layer = std::get_if<convolution>(&operation_here)) layer->forward(in, w[0], adds_bias ? w[1] : no_bias, out);
      else std::get<dense>(operation_here).forward(in, w[0], adds_bias ? w[1] : no_bias, out);
      if (!same_format) Backend::copy(*p.context_, native, plain);
    }

    void differentiate(sharded_pass& p, std::vector<tensor>& w, span<element> given, span<element> dx, std::vector<tensor>& dw) {
      for (tensor& each : dw)
        for (element& value : each.stored()) value = element{};
      if (what.what == operation_kind::add || what.what == operation_kind::flatten || what.what == operation_kind::pointwise)
        std::copy(given.begin(), given.end(), dx.data());
      if (what.what == operation_kind::add || what.what == operation_kind::flatten) return;
      if (made.elements() == 0 || last_x.empty()) {
        for (element& value : dx) value = element{};
        if (made.elements() > 0 && contracts(what.what)) {
          const std::size_t places = made.elements() / made[0].count / made[1].count;
          for (std::size_t e = 0; e < given.size(); ++e) {
            element& sum = dw[1].stored()[e / places % made[1].count];
            sum = static_cast<element>(sum + given[e]);
          }
        }
        return;
      }
      tensor in = wrap(p, x_format, last_x), back = wrap(p, x_format, dx), plain = wrap(p, y_format, given);
      if (auto* relu_here = std::get_if<relu>(&operation_here)) {
        tensor y = wrap(p, y_format, span<const element>(p.tensors_[number + 1].value));
        return relu_here->backward(y, back);
      }
      if (!same_format) Backend::copy(*p.context_, plain, native_gradient);
      tensor& dy_here = same_format ? plain : native_gradient;
      if (auto* pool_here = std::get_if<max_pool>(&operation_here)) return pool_here->backward(dy_here, back);
      tensor* wanted = what.inputs[0] != 0 ? &back : nullptr;
      if (auto* layer = std::get_if<convolution>(&operation_here)) layer->backward(in, w[0], native, dy_here, wanted, dw[0], dw[1]);
      else std::get<dense>(operation_here).backward(in, w[0], native, dy_here, wanted, dw[0], dw[1]);
    }

    block own{}, made{};
    std::optional<halo_exchange<element>> halo{};
    std::vector<operand> operands{};
    moves settle{}, unsettle{};
    buffer<element> read{}, read_gradient{}, gradient{}, scratch{}, result{}, dy{};
    bool adds_bias = true;
    std::variant<std::monostate, convolution, dense, max_pool, relu> operation_here{};
    format x_format{}, y_format{};
    tensor native{}, native_gradient{}, no_bias{};
    bool same_format = true;
    span<const element> last_x{};
  };

  context* context_;
  process_mesh* on_;
  std::vector<tensor_memory> tensors_;
  std::vector<stage> stages_;
};

}  // namespace tutti
