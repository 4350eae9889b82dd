// The backend for CUDA devices against the naive one, on random data: own kernels
// equal in the prime field; products and convolutions against double, within the
// bound for sums of so many products in each type. Outputs are poisoned.
#include <tutti/kernel/cudnn.cuh>

#include <doctest/doctest.h>

#include <tutti/device/transfer.hpp>
#include <tutti/kernel/naive_backend.hpp>

#include "../kernel/channels_last_cases.hpp"
#include "on_device.hpp"

using namespace tutti;

namespace {

// A sum of n products of numbers below 1 in size, each rounded to `unit`.
template <class T>
double bound(std::size_t n) {
  const double unit = std::is_same_v<T, float> ? 0x1p-24 : std::is_same_v<T, tutti::half> ? 0x1p-11 : 0x1p-8;
  return 4 * unit * (std::sqrt(static_cast<double>(n)) + 1) + static_cast<double>(n) * 0x1p-24;
}

template <class T>
struct comparison {
  using backend = cudnn_backend<T>;
  using tensor = typename backend::tensor;
  using parameter = typename backend::parameter;
  using format = typename backend::format;
  cudnn::context& c;

  // As a device has it, of numbers that T holds.
  std::vector<double> numbers(std::size_t n, std::uint64_t seed) const {
    std::vector<double> v = some<double>(n, seed);
    for (double& x : v) x = static_cast<double>(static_cast<float>(static_cast<T>(static_cast<float>(x))));
    return v;
  }
  template <class Tensor = tensor>
  Tensor there(const format& f, const std::vector<double>& rows) const {
    const std::vector<float> here(rows.begin(), rows.end());
    Tensor t(c, f);
    backend::bring(c, span<const float>(here), t);
    return t;
  }
  template <class Tensor = tensor>
  Tensor blank(const format& f) const {
    Tensor t(c, f);
    cudaMemsetAsync(t.stored().data(), 0xff, t.stored().size() * sizeof(*t.stored().data()), c.order().native);  // no number
    return t;
  }
  template <class Tensor>
  std::vector<float> rows(const Tensor& t) const {
    std::vector<float> here(t.stored().size());
    backend::fetch(c, t, span<float>(here));
    return here;
  }
  template <class Tensor>
  void near(const char* what, const Tensor& got, const std::vector<double>& want, double within) const {
    const std::vector<float> here = rows(got);
    double worst = 0;
    std::size_t apart = 0;  // no number is too
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double off = std::abs(static_cast<double>(here[i]) - want[i]);
      apart += !(off <= within);
      worst = std::max(worst, off);
    }
    CAPTURE(what);
    CAPTURE(worst);
    CHECK(apart == 0);
  }

  void convolutions() const {
    for (const convolution_geometry& g : odd_convolutions)
      for (bool relu : {false, true}) {
        CAPTURE(g.filters);
        const std::size_t sums = g.group_channels() * g.taps(), places = g.batch * g.out_places();
        const format x_of(channels_last::pictures_of(g)), b_of({1, g.filters});
        typename backend::convolution far(c, g, {.x = x_of, .relu = relu});
        const auto x = numbers(g.inputs(), 1), w = numbers(g.weights(), 2), b = numbers(g.filters, 3), dy = numbers(g.outputs(), 4);
        std::vector<double> y(g.outputs()), dx(g.inputs()), dw(g.weights()), db(g.filters), given = dy;
        naive::convolution<double>(g, x, w, b, y);
        if (relu) naive::relu<double>(y, y);
        tensor tx = there(x_of, x), ty = blank(far.y()), tdy = there(far.y(), dy), tdx = blank(x_of);
        parameter tw = there<parameter>(far.weights(), w), tb = there<parameter>(b_of, b), tdw = blank<parameter>(far.weights()), tdb = blank<parameter>(b_of);
        far.forward(tx, tw, tb, ty);
        near("y", ty, y, bound<T>(sums + 1));
        // Where they part at 0 the gradients part too: both go by the device's answer.
        const std::vector<float> seen = rows(ty);
        for (std::size_t i = 0; relu && i < given.size(); ++i)
          if (!(seen[i] > 0)) given[i] = 0;
        naive::convolution_backward_data<double>(g, given, w, dx);
        naive::convolution_backward_weights<double>(g, x, given, dw);
        naive::convolution_backward_bias<double>(g, given, db);
        far.backward_data(tw, ty, tdy, &tdx), far.backward_weights(tx, tdy, tdw, tdb);
        near("dx", tdx, dx, bound<T>(g.group_filters() * g.taps()));
        near("dw", tdw, dw, bound<T>(places + 1) * 2);
        near("db", tdb, db, bound<T>(places + 1) * 2);
      }
  }

  void denses() const {
    for (const dense_geometry& g : odd_denses)
      for (bool relu : {false, true}) {
        CAPTURE(g.units);
        const format x_of(channels_last::pictures_of(g)), b_of({1, g.units});
        typename backend::dense far(c, g, {.x = x_of, .relu = relu});
        const auto x = numbers(g.inputs(), 5), w = numbers(g.weights(), 6), b = numbers(g.units, 7), dy = numbers(g.outputs(), 8);
        std::vector<double> y(g.outputs()), dx(g.inputs()), dw(g.weights()), db(g.units), given = dy;
        naive::dense<double>(g, x, w, b, y);
        if (relu) naive::relu<double>(y, y);
        tensor tx = there(x_of, x), ty = blank(far.y()), tdy = there(far.y(), dy), tdx = blank(x_of);
        parameter tw = there<parameter>(far.weights(), w), tb = there<parameter>(b_of, b), tdw = blank<parameter>(far.weights()), tdb = blank<parameter>(b_of);
        far.forward(tx, tw, tb, ty);
        near("y", ty, y, bound<T>(g.features() + 1));
        const std::vector<float> seen = rows(ty);
        for (std::size_t i = 0; relu && i < given.size(); ++i)
          if (!(seen[i] > 0)) given[i] = 0;
        naive::dense_backward_data<double>(g, given, w, dx);
        naive::dense_backward_weights<double>(g, x, given, dw);
        naive::dense_backward_bias<double>(g, given, db);
        far.backward_data(tw, ty, tdy, &tdx), far.backward_weights(tx, tdy, tdw, tdb);
        near("dx", tdx, dx, bound<T>(g.units));
        near("dw", tdw, dw, bound<T>(g.batch + 1));
        near("db", tdb, db, bound<T>(g.batch + 1));
      }
  }
};

}  // namespace

TEST_CASE("own kernels on pictures with their channels last are the naive ones' equals, on the device") {
  on_device machine;
  channels_last_cases::check_elements(machine);
  channels_last_cases::check_losses(machine);
  channels_last_cases::check_pools(machine);
  channels_last_cases::check_batch_norm(machine);
  channels_last_cases::check_mixed(machine);
}

TEST_CASE_TEMPLATE("convolutions and dense layers on the device come as near to double as their type lets them", T, float, tutti::half, tutti::bfloat16) {
  cudnn::context c({.workspace_bytes = std::size_t{64} << 20});
  comparison<T>{c}.convolutions();
  comparison<T>{c}.denses();
}

TEST_CASE("a forward and backward pass of a layer is captured into a graph, and its replay gives the same bits") {
  using backend = cudnn_backend<float>;
  using format = backend::format;
  cudnn::context c;
  const comparison<float> of{c};
  const convolution_geometry g = odd_convolutions[4];
  const format x_of(channels_last::pictures_of(g)), b_of({1, g.filters});
  backend::convolution layer(c, g, {.x = x_of, .relu = true});
  backend::tensor x = of.there(x_of, of.numbers(g.inputs(), 1)), w = of.there(layer.weights(), of.numbers(g.weights(), 2)),
                  b = of.there(b_of, of.numbers(g.filters, 3)), y = of.blank(layer.y()), dw = of.blank(layer.weights()), db = of.blank(b_of), dx = of.blank(x_of);
  const std::vector<double> given = of.numbers(g.outputs(), 4);
  backend::tensor first = of.there(layer.y(), given), dy = of.there(layer.y(), given);
  auto step = [&] {
    backend::copy(c, first, dy);
    layer.forward(x, w, b, y);
    layer.backward_data(w, y, dy, &dx), layer.backward_weights(x, dy, dw, db);
  };
  auto bits = [&](const backend::tensor& t) {
    std::vector<float> v(t.stored().size());
    transfer(v, t.stored(), c.order());
    c.stream().wait();
    return v;
  };
  step();
  const std::vector<float> y1 = bits(y), dw1 = bits(dw), dx1 = bits(dx);
  recorded_work<cudnn::machine> work;
  work.record(c, step);
  for (backend::tensor* t : {&y, &dw, &dx}) cudaMemsetAsync(t->stored().data(), 0xff, t->stored().size() * sizeof(float), c.order().native);
  work.replay(c);
  CHECK(elementwise_cases::same(bits(y), y1));
  CHECK(elementwise_cases::same(bits(dw), dw1));
  CHECK(elementwise_cases::same(bits(dx), dx1));
}

TEST_CASE("what cannot be recorded is refused, and the stream is as good as before") {
  cudnn::context c;
  recorded_work<cudnn::machine> work;
  CHECK_THROWS_AS(work.record(c, [&] { c.wait(); }), error);
  CHECK(!work.recorded());
  c.wait();
}
