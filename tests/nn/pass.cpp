#include <tutti/nn/pass.hpp>

#include <doctest/doctest.h>

#include <tutti/kernel/naive_backend.hpp>
#include <tutti/nn/networks/lenet.hpp>

#include "../kernel/data.hpp"

using namespace tutti;

namespace {

/// A pass with parameters and gradients of its own.
template <class T>
struct stand {
  using backend = naive_backend<T>;
  typename backend::context c;
  std::vector<parameter> parameters;
  typename pass<backend>::formats formats;
  pass<backend> run;
  std::vector<typename backend::tensor> values, gradients;

  stand(const network& net, std::size_t batch)
      : parameters(parameters_of(net)), formats(parameters.size()), run(c, net, batch, purpose::training, formats) {
    for (const parameter& p : parameters) {
      values.emplace_back(c, *formats[p.index]);
      gradients.emplace_back(c, *formats[p.index]);
      auto v = some<T>(p.dims.elements(), p.index + 10);
      for (std::size_t i = 0; i < v.size(); ++i) values.back().stored()[i] = v[i];
    }
  }
  void fill(span<T> where, std::uint64_t seed) {
    auto v = some<T>(where.size(), seed);
    for (std::size_t i = 0; i < v.size(); ++i) where[i] = v[i];
  }
  std::vector<T> forward() {
    run.forward(values, [](std::size_t) {});
    return {run.output().begin(), run.output().end()};
  }
};

network linear() {
  network net({{"channels", 3}, {"height", 9}, {"width", 7}});
  net.convolution("a", {.filters = 5, .kernel = 3, .stride = 2, .padding = 1})
      .convolution("b", {.filters = 4, .kernel = 2, .dilation = 2});
  return net.flatten().dense("c", {.units = 6}).dense("d", {.units = 3});
}

}  // namespace

TEST_CASE("Without kinks a network is affine in each parameter, and its gradient is exact over a prime field") {
  // f(w + e) − f(w) = ⟨gradient, e⟩ for f = ⟨output, dy⟩ and every e.
  for (std::size_t batch : {std::size_t{1}, std::size_t{3}}) {
    stand<modular> s(linear(), batch);
    s.fill(s.run.input(), 1);
    auto dy = some<modular>(s.run.output().size(), 2);
    const modular before = inner_product(s.forward(), dy);
    for (std::size_t i = 0; i < dy.size(); ++i) s.run.output_gradient()[i] = dy[i];
    s.run.backward(s.values, s.gradients, [](std::size_t) {});
    for (const parameter& p : s.parameters) {
      CAPTURE(p.label.text());
      auto e = some<modular>(p.dims.elements(), 77);
      modular expected;
      for (std::size_t i = 0; i < e.size(); ++i) expected = expected + s.gradients[p.index].stored()[i] * e[i];
      for (std::size_t i = 0; i < e.size(); ++i) s.values[p.index].stored()[i] = s.values[p.index].stored()[i] + e[i];
      CHECK(inner_product(s.forward(), dy) - before == expected);
      for (std::size_t i = 0; i < e.size(); ++i) s.values[p.index].stored()[i] = s.values[p.index].stored()[i] - e[i];
    }
  }
}

TEST_CASE("With kinks a pass is its kernels, one after the other") {
  network net({{"channels", 2}, {"height", 6}, {"width", 6}});
  net.convolution("a", {.filters = 2, .kernel = 1})
      .relu("q")
      .convolution("b", {.filters = 3, .kernel = 3, .padding = 1});
  net.max_pool("p").flatten().relu("r").dense("c", {.units = 4}).relu("s").dense("d", {.units = 2});
  stand<double> s(net, 2);
  s.fill(s.run.input(), 1);
  const auto output = s.forward();

  const window one{}, three{.size = 3, .pad_low = 1, .pad_high = 1}, half{.size = 2, .stride = 2};
  const convolution_geometry a{
      .batch = 2, .channels = 2, .height = 6, .width = 6, .filters = 2, .down = one, .across = one};
  const convolution_geometry b{
      .batch = 2, .channels = 2, .height = 6, .width = 6, .filters = 3, .down = three, .across = three};
  const pool_geometry pool{.batch = 2, .channels = 3, .height = 6, .width = 6, .down = half, .across = half};
  const dense_geometry c{.batch = 2, .channels = 27, .units = 4}, d{.batch = 2, .channels = 4, .units = 2};
  auto w = [&](std::size_t i) { return s.values[i].stored(); };
  std::vector<double> ya(144), yb(216), yp(54), yc(8), yd(4);
  std::vector<std::size_t> argmax(54);
  naive::convolution<double>(a, s.run.input(), w(0), w(1), ya);
  naive::relu<double>(ya, ya);
  naive::convolution<double>(b, ya, w(2), w(3), yb);
  naive::max_pool<double>(pool, yb, yp, argmax);
  naive::relu<double>(yp, yp);
  naive::dense<double>(c, yp, w(4), w(5), yc);
  naive::relu<double>(yc, yc);
  naive::dense<double>(d, yc, w(6), w(7), yd);
  CHECK(output == yd);

  std::vector<double> dd{1, -2, 3, 4}, dc(8), dp(54), db(216), da(144);
  for (std::size_t i = 0; i < 4; ++i) s.run.output_gradient()[i] = dd[i];
  s.run.backward(s.values, s.gradients, [](std::size_t) {});
  naive::dense_backward_data<double>(d, dd, w(6), dc);
  naive::relu_backward<double>(yc, dc, dc);
  naive::dense_backward_data<double>(c, dc, w(4), dp);
  naive::relu_backward<double>(yp, dp, dp);
  naive::max_pool_backward<double>(pool, dp, argmax, db);
  naive::convolution_backward_data<double>(b, db, w(2), da);
  naive::relu_backward<double>(ya, da, da);
  std::vector<double> weights(4), bias(2);
  naive::convolution_backward_weights<double>(a, s.run.input(), da, weights);
  naive::convolution_backward_bias<double>(a, da, bias);
  auto gradient = [&](std::size_t i) {
    return std::vector<double>(s.gradients[i].stored().begin(), s.gradients[i].stored().end());
  };
  CHECK(gradient(0) == weights);
  CHECK(gradient(1) == bias);
}

TEST_CASE("Parameters are asked for in the network's order, and given back in the reverse one") {
  stand<double> s(lenet(), 1);
  std::vector<std::size_t> used, ready;
  s.run.forward(s.values, [&](std::size_t i) { used.push_back(i); });
  s.run.backward(s.values, s.gradients, [&](std::size_t i) { ready.push_back(i); });
  CHECK(used == std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(ready == std::vector<std::size_t>{7, 6, 5, 4, 3, 2, 1, 0});
}

TEST_CASE("An empty batch has gradients of 0, and tells so as ever") {
  stand<double> s(lenet(), 0);
  for (auto& g : s.gradients)
    for (double& v : g.stored()) v = 5;
  std::size_t ready = 0;
  s.run.forward(s.values, [](std::size_t) {});
  s.run.backward(s.values, s.gradients, [&](std::size_t) { ++ready; });
  CHECK(ready == 8);
  for (auto& g : s.gradients)
    for (double v : g.stored()) REQUIRE(v == 0);
}
