#include <tutti/kernel/onednn_convolution.hpp>

#include <doctest/doctest.h>

#include <tutti/kernel/naive_convolution.hpp>

#include "onednn_tools.hpp"

using namespace tutti;
using onednn::memory_format;
using onednn::tensor;

namespace {

void check_against_naive(onednn::context& c, const convolution_geometry& g, const onednn::layer_request& request) {
  onednn::convolution layer(c, g, request);
  auto x = some<float>(g.inputs(), 1), w = some<float>(g.weights(), 2), b = some<float>(g.filters, 3),
       dy = some<float>(g.outputs(), 4);
  const auto bias = memory_format::row_major({{"f", g.filters}});
  tensor tx = filled(c, request.x, x), tw = filled(c, layer.weights(), w), tb = filled(c, bias, b),
         tdy = filled(c, layer.y(), dy);
  tensor ty(c, layer.y()), tdx(c, request.x), tdw(c, layer.weights()), tdb(c, bias);

  layer.forward(tx, tw, tb, ty);
  const auto y = values_of(c, ty, g.outputs());
  std::vector<double> exact(g.outputs()), magnitude(g.outputs());
  naive::convolution<double>(g, wide(x), wide(w), request.bias ? wide(b) : std::vector<double>(), exact);
  naive::convolution<double>(g, sizes_of(x), sizes_of(w), sizes_of(b), magnitude);
  if (request.relu)  // moves nothing apart that was close
    for (double& v : exact) v = v > 0 ? v : 0;
  CHECK(worst_error(y, exact, magnitude, g.group_channels() * g.taps() + 1) <= 1);

  layer.backward_data(tw, ty, tdy, request.input_gradient ? &tdx : nullptr), layer.backward_weights(tx, tdy, tdw, tdb);
  if (request.relu)  // where the sum is near 0 a float may fall on the other side: the mask is by the output that there
                     // was
    for (std::size_t i = 0; i < dy.size(); ++i) dy[i] = y[i] > 0 ? dy[i] : 0;
  exact.assign(g.inputs(), 0), magnitude.assign(g.inputs(), 0);
  if (request.input_gradient) {
    naive::convolution_backward_data<double>(g, wide(dy), wide(w), exact);
    naive::convolution_backward_data<double>(g, sizes_of(dy), sizes_of(w), magnitude);
    CHECK(worst_error(values_of(c, tdx, g.inputs()), exact, magnitude, g.group_filters() * g.taps()) <= 1);
  }
  const std::size_t places = g.batch * g.out_places();
  exact.assign(g.weights(), 0), magnitude.assign(g.weights(), 0);
  naive::convolution_backward_weights<double>(g, wide(x), wide(dy), exact);
  naive::convolution_backward_weights<double>(g, sizes_of(x), sizes_of(dy), magnitude);
  CHECK(worst_error(values_of(c, tdw, g.weights()), exact, magnitude, places) <= 1);
  if (!request.bias) return;
  exact.assign(g.filters, 0), magnitude.assign(g.filters, 0);
  naive::convolution_backward_bias<double>(g, wide(dy), exact);
  naive::convolution_backward_bias<double>(g, sizes_of(dy), magnitude);
  CHECK(worst_error(values_of(c, tdb, g.filters), exact, magnitude, places) <= 1);
}

double largest(const std::vector<float>& values) {
  double most = 0;
  for (float v : values) most = std::max(most, std::abs(static_cast<double>(v)));
  return most;
}

}  // namespace

TEST_CASE("oneDNN's convolution and its gradients are the naive ones, but for rounding") {
  onednn::context c(2);
  for (std::size_t k = 1; k < odd_convolutions.size(); ++k)
    for (bool relu : {false, true})
      for (bool input_gradient : {false, true})
        for (bool bias : {false, true}) {
          INFO("geometry ", k, ", relu ", relu, ", input gradient ", input_gradient, ", bias ", bias);
          const auto& g = odd_convolutions[k];
          check_against_naive(
              c, g, {.x = pictures_of(g), .weights = {}, .bias = bias, .relu = relu, .input_gradient = input_gradient});
        }
}

TEST_CASE("Weights may have the format of another batch, or none in particular") {
  onednn::context c(1);
  for (std::size_t k = 1; k < odd_convolutions.size(); ++k) {
    CAPTURE(k);
    auto g = odd_convolutions[k];
    auto other = g;
    other.batch = 32;
    const memory_format usual = onednn::convolution(c, other, {.x = pictures_of(other), .weights = {}}).weights();
    check_against_naive(c, g, {.x = pictures_of(g), .weights = usual});
    check_against_naive(c, g, {.x = pictures_of(g), .weights = usual.row_major()});
    shape plain{{"f", g.filters}, {"c", g.group_channels()}};
    if (g.depth > 1) plain.append({"t", g.through.size});
    plain.append({"u", g.down.size}), plain.append({"v", g.across.size});
    check_against_naive(c, g, {.x = pictures_of(g), .weights = memory_format::row_major(plain)});
  }
}

TEST_CASE("On whole numbers a convolution in parts is the whole one, whatever the formats of its operands") {
  onednn::context c(1);
  auto whole_numbers = [](std::size_t count, std::uint64_t seed) {
    std::vector<float> all = some<float>(count, seed);
    for (float& v : all) v = std::round(2 * v);
    return all;
  };
  for (std::size_t k = 1; k < odd_convolutions.size(); ++k)
    for (bool bias : {false, true})
      for (bool likes : {false, true}) {
        INFO("geometry ", k, ", bias and relu ", bias, ", pictures as the layer likes them ", likes);
        const auto& g = odd_convolutions[k];
        const convolution_geometry before{.batch = g.batch, .channels = 16, .depth = g.depth, .height = g.height, .width = g.width, .filters = g.channels};
        const memory_format pictures = likes ? onednn::convolution(c, before, {.x = pictures_of(before), .weights = {}}).y() : pictures_of(g);
        const onednn::layer_request r{.x = pictures, .weights = {}, .bias = bias, .relu = bias};
        onednn::convolution layer(c, g, r);
        tensor x = filled(c, pictures, whole_numbers(g.inputs(), 1)), w = filled(c, layer.weights(), whole_numbers(g.weights(), 2)), b;
        if (bias) b = filled(c, memory_format::row_major({{"f", g.filters}}), whole_numbers(g.filters, 3));
        tensor y(c, layer.y()), found(c, layer.y());
        layer.forward(x, w, b, y);
        std::size_t made = 0;
        for (const partial_convolution& p : quarters(g)) {
          onednn::convolution_part(c, layer, r, p).forward(x, w, b, found);
          made += p.part.outputs();
        }
        CHECK(made == g.outputs());
        CHECK(values_of(c, y, g.outputs()) == values_of(c, found, g.outputs()));
      }
}

TEST_CASE("What one convolution gives, the next one takes as it is") {
  onednn::context c(1);
  const convolution_geometry first{
      .batch = 8, .channels = 1, .height = 12, .width = 12, .filters = 16, .down = {.size = 3}, .across = {.size = 3}};
  onednn::convolution a(c, first, {.x = pictures_of(first), .weights = {}, .input_gradient = false});
  const convolution_geometry second{
      .batch = 8, .channels = 16, .height = 10, .width = 10, .filters = 32, .down = {.size = 3}, .across = {.size = 3}};
  check_against_naive(c, second, {.x = a.y(), .weights = {}});
}

TEST_CASE("An inference has no use for gradients, and gives the same output") {
  onednn::context c(1);
  const auto& g = odd_convolutions[3];
  auto x = some<float>(g.inputs(), 1), w = some<float>(g.weights(), 2), b = some<float>(g.filters, 3);
  std::vector<std::vector<float>> ys;
  for (bool train : {true, false}) {
    onednn::convolution layer(c, g, {.x = pictures_of(g), .weights = {}, .train = train});
    tensor y(c, layer.y());
    layer.forward(filled(c, pictures_of(g), x), filled(c, layer.weights(), w),
                  filled(c, memory_format::row_major({{"f", g.filters}}), b), y);
    ys.push_back(values_of(c, y, g.outputs()));
  }
  CHECK(ys[0] == ys[1]);
}

// Winograd's F(4×4, 3×3) is y = Aᵀ((G w Gᵀ) ∘ (Bᵀ x B))A for each channel. With the usual
// points the rows of Aᵀ, G and Bᵀ add up to at most 19, 1 and 10 in magnitude; oneDNN's
// points are chosen to round less. So 36100 · max|w| · max|x| a channel is the most that any
// sum of the algorithm comes to, each of at most channels + 24 terms.
TEST_CASE("Where Winograd is permitted, a large convolution is off by its rounding at most") {
  convolution_geometry g{.batch = 16, .channels = 64, .height = 16, .width = 16, .filters = 64};
  g.down = g.across = {.size = 3, .pad_low = 1, .pad_high = 1};
  // One channel and one filter of one sample are not 0: no more than 256 terms meet in a direct sum, which is off by far less.
  std::vector<float> x(g.inputs()), w = some<float>(g.weights(), 2), dy(g.outputs());
  const std::vector<float> pictures = some<float>(2 * 16 * 16, 1);
  std::copy_n(pictures.begin(), 256, x.begin()), std::copy_n(pictures.begin() + 256, 256, dy.begin());
  auto results = [&](const onednn::context_options& o) {
    onednn::context c(1, o);
    onednn::convolution layer(c, g, {.x = pictures_of(g), .weights = {}, .bias = false});
    tensor tx = filled(c, pictures_of(g), x), tw = filled(c, layer.weights(), w), tdy = filled(c, layer.y(), dy);
    tensor none, ty(c, layer.y()), tdx(c, pictures_of(g)), tdw(c, layer.weights());
    layer.forward(tx, tw, none, ty);
    layer.backward_data(tw, ty, tdy, &tdx), layer.backward_weights(tx, tdy, tdw, none);
    return std::vector{values_of(c, ty, g.outputs()), values_of(c, tdx, g.inputs()), values_of(c, tdw, g.weights())};
  };
  const auto direct = results({}), fast = results({.winograd = true});
  const double sum = 36100.0 * 0x1p-24 * (64 + 24) * largest(w) * largest(pictures), tiles = 16;
  for (std::size_t what = 0; what < direct.size(); ++what) {
    CAPTURE(what);
    double off = 0;
    for (std::size_t i = 0; i < direct[what].size(); ++i) off = std::max(off, std::abs(static_cast<double>(fast[what][i]) - static_cast<double>(direct[what][i])));
    const double allowed = what < 2 ? sum : tiles * sum;
    INFO("off by ", off, " of ", allowed);
    CHECK(off <= allowed);
    CHECK(largest(direct[what]) > allowed);  // a wrong result would be seen
  }
}
