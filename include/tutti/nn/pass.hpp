#pragma once
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <tutti/nn/local_operation.hpp>
#include <tutti/nn/network.hpp>
#include <tutti/nn/parameter.hpp>

namespace tutti {

/// A network on one backend for one batch size: its primitives and the data
/// between its layers, made once and used from step to step. A ReLU is part of
/// the convolution or dense layer before it, and in place elsewhere.
template <class Backend>
class pass {
 public:
  using element = typename Backend::element;
  using context = typename Backend::context;
  using format = typename Backend::format;
  using tensor = typename Backend::tensor;
  /// The format of each parameter's memory, where it is settled.
  using formats = std::vector<std::optional<format>>;

  /// Settles the formats that are still open.
  pass(context& c, const network& net, std::size_t batch, purpose why, formats& settled)
      : context_(&c), batch_(batch), why_(why) {
    const std::vector<shape> shapes = shapes_of(net, batch);
    const bool train = why == purpose::training;
    add_tensor(format::row_major(shapes.front()));
    format x = format::row_major(shapes.front());
    shape last = shapes.front();  // flattening alone moves nothing
    std::size_t next_parameter = 0;
    for (std::size_t i = 0; i < net.layers.size(); ++i) {
      const layer& o = net.layers[i];
      need_link(o);
      if (o.kind == layer_kind::flatten) continue;  // the dense layer reads pictures as they are
      last = shapes[i + 1];
      // Until the first parameters nobody wants a gradient.
      stage& next = stages_.emplace_back();
      next.input_gradient = next_parameter > 0;
      next.parameter = next_parameter;
      next.x = values_.size() - 1;
      if (o.kind == layer_kind::relu) {
        next.what.template emplace<relu>(c, x, batch == 0);
      } else if (o.kind == layer_kind::max_pool) {
        x = next.what.template emplace<max_pool>(c, pool_of(o, shapes[i]), x, train).y();
        add_tensor(x);
      } else {
        bool fused = i + 1 < net.layers.size() && net.layers[i + 1].kind == layer_kind::relu;
        typename Backend::layer_request request{.x = x,
                                                .weights = settled[next_parameter],
                                                .relu = fused,
                                                .train = train,
                                                .input_gradient = next.input_gradient};
        if (o.kind == layer_kind::convolution)
          x = settle(next.what.template emplace<convolution>(c, convolution_of(o, shapes[i]), request),
                     settled[next_parameter]);
        else x = settle(next.what.template emplace<dense>(c, dense_of(o, shapes, i), request), settled[next_parameter]);
        if (!settled[next_parameter + 1]) settled[next_parameter + 1] = format::row_major({{"outputs", o.outputs}});
        next_parameter += 2;
        i += fused;
        add_tensor(x);
      }
      next.y = values_.size() - 1;
    }
    output_ = tensor(c, format::row_major(last));
    output_gradient_ = tensor(c, format::row_major(last));
    same_at_exit_ = x == format::row_major(last);
  }

  std::size_t batch() const { return batch_; }
  purpose why() const { return why_; }

  /// The samples, row-major, to be filled before forward.
  span<element> input() { return values_.front().stored(); }
  /// What the last operation gave, row-major.
  span<element> output() { return same_at_exit_ ? values_.back().stored() : output_.stored(); }
  /// Its gradient, to be filled before backward.
  span<element> output_gradient() {
    return same_at_exit_ && why_ == purpose::training ? gradients_.back().stored() : output_gradient_.stored();
  }

  /// Calls `use(i)` before the first use of parameter i.
  template <class Use>
  void forward(std::vector<tensor>& parameters, Use use) {
    for (stage& s : stages_) {
      tensor &x = values_[s.x], &y = values_[s.y];
      std::visit(
          [&](auto& op) {
            if constexpr (requires { op.weights(); }) {
              use(s.parameter);
              use(s.parameter + 1);
              op.forward(x, parameters[s.parameter], parameters[s.parameter + 1], y);
            } else if constexpr (requires { op.forward(x, y); }) {
              op.forward(x, y);
            } else if constexpr (requires { op.forward(y); }) {
              op.forward(y);
            }
          },
          s.what);
    }
    if (!same_at_exit_) Backend::copy(*context_, values_.back(), output_);
  }

  /// After a forward pass of the same samples. Calls `ready(i)` as soon as the
  /// gradient of parameter i is there: last layer first, and a layer's bias
  /// before its weights.
  template <class Ready>
  void backward(std::vector<tensor>& parameters, std::vector<tensor>& parameter_gradients, Ready ready) {
    if (!same_at_exit_) Backend::copy(*context_, output_gradient_, gradients_.back());
    for (std::size_t i = stages_.size(); i-- > 0;) {
      stage& s = stages_[i];
      tensor &x = values_[s.x], &y = values_[s.y], &dx = gradients_[s.x], &dy = gradients_[s.y];
      std::visit(
          [&](auto& op) {
            if constexpr (requires { op.weights(); }) {
              op.backward(x, parameters[s.parameter], y, dy, s.input_gradient ? &dx : nullptr,
                          parameter_gradients[s.parameter], parameter_gradients[s.parameter + 1]);
              ready(s.parameter + 1);
              ready(s.parameter);
            } else if constexpr (
                requires { op.backward(dy, dx); } && requires { op.forward(x, y); }) {
              if (s.input_gradient) op.backward(dy, dx);
            } else if constexpr (requires { op.forward(y); }) {
              if (s.input_gradient) op.backward(y, dy);
            }
          },
          s.what);
    }
  }

 private:
  using convolution = typename Backend::convolution;
  using dense = typename Backend::dense;
  using max_pool = typename Backend::max_pool;
  using relu = typename Backend::relu;

  struct stage {
    std::variant<std::monostate, convolution, dense, max_pool, relu> what = {};
    bool input_gradient = false;
    std::size_t parameter = 0;  // its weights; the bias is the next one
    std::size_t x = 0, y = 0;   // among values_ and gradients_
  };

  static void need_link(const layer& o) {
    const bool known = o.kind == layer_kind::convolution || o.kind == layer_kind::max_pool || o.kind == layer_kind::relu ||
                       o.kind == layer_kind::flatten || o.kind == layer_kind::dense;
    if (!known || o.groups != 1 || !o.bias || !o.from.view().empty())
      throw error(errc::invalid_argument, "layer '" + o.label.text() + "' is for a mesh: on one rank there are chains of convolutions, max pooling, ReLU and dense layers");
  }

  void add_tensor(const format& f) {
    values_.emplace_back(*context_, f);
    gradients_.push_back(why_ == purpose::training && values_.size() > 1 ? tensor(*context_, f) : tensor());
  }

  template <class Layer>
  static format settle(const Layer& made, std::optional<format>& weights) {
    if (!weights) weights = made.weights();
    return made.y();
  }

  static convolution_geometry convolution_of(const layer& o, const shape& x) {
    return {.batch = x.of("batch"),
            .channels = x.of("channels"),
            .height = x.of("height"),
            .width = x.of("width"),
            .filters = o.outputs,
            .down = o.down,
            .across = o.across};
  }
  static pool_geometry pool_of(const layer& o, const shape& x) {
    return {.batch = x.of("batch"),
            .channels = x.of("channels"),
            .height = x.of("height"),
            .width = x.of("width"),
            .down = o.down,
            .across = o.across};
  }
  /// A dense layer behind a flatten reads the pictures before it.
  static dense_geometry dense_of(const layer& o, const std::vector<shape>& shapes, std::size_t i) {
    while (i > 0 && !shapes[i].has("height") && shapes[i - 1].elements() == shapes[i].elements() &&
           shapes[i - 1].has("height"))
      --i;
    const shape& x = shapes[i];
    if (x.has("height"))
      return {.batch = x.of("batch"),
              .channels = x.of("channels"),
              .height = x.of("height"),
              .width = x.of("width"),
              .units = o.outputs};
    return {.batch = x.of("batch"), .channels = x.of("features"), .units = o.outputs};
  }

  context* context_;
  std::size_t batch_;
  purpose why_;
  bool same_at_exit_ = true;
  std::vector<stage> stages_;
  std::vector<tensor> values_, gradients_;
  tensor output_, output_gradient_;
};

}  // namespace tutti
