#include <tutti/kernel/onednn_dense.hpp>

#include <doctest/doctest.h>

#include <tutti/kernel/naive_dense.hpp>

#include "onednn_tools.hpp"

using namespace tutti;
using onednn::memory_format;
using onednn::tensor;

namespace {

memory_format x_format(const dense_geometry& g, bool pictures) {
  if (pictures) return pictures_of(g);
  return memory_format::row_major({{"n", g.batch}, {"k", g.features()}});
}

void check_against_naive(onednn::context& c, const dense_geometry& g, const onednn::layer_request& request) {
  onednn::dense layer(c, g, request);
  auto x = some<float>(g.inputs(), 1), w = some<float>(g.weights(), 2), b = some<float>(g.units, 3),
       dy = some<float>(g.outputs(), 4);
  const auto bias = memory_format::row_major({{"u", g.units}});
  tensor tx = filled(c, request.x, x), tw = filled(c, layer.weights(), w), tb = filled(c, bias, b),
         tdy = filled(c, layer.y(), dy);
  tensor ty(c, layer.y()), tdx(c, request.x), tdw(c, layer.weights()), tdb(c, bias);

  layer.forward(tx, tw, tb, ty);
  const auto y = values_of(c, ty, g.outputs());
  std::vector<double> exact(g.outputs()), magnitude(g.outputs());
  naive::dense<double>(g, wide(x), wide(w), wide(b), exact);
  naive::dense<double>(g, sizes_of(x), sizes_of(w), sizes_of(b), magnitude);
  if (request.relu)
    for (double& v : exact) v = v > 0 ? v : 0;
  CHECK(worst_error(y, exact, magnitude, g.features() + 1) <= 1);

  layer.backward_data(tw, ty, tdy, &tdx), layer.backward_weights(tx, tdy, tdw, tdb);
  if (request.relu)
    for (std::size_t i = 0; i < dy.size(); ++i) dy[i] = y[i] > 0 ? dy[i] : 0;
  exact.assign(g.inputs(), 0), magnitude.assign(g.inputs(), 0);
  naive::dense_backward_data<double>(g, wide(dy), wide(w), exact);
  naive::dense_backward_data<double>(g, sizes_of(dy), sizes_of(w), magnitude);
  CHECK(worst_error(values_of(c, tdx, g.inputs()), exact, magnitude, g.units) <= 1);
  exact.assign(g.weights(), 0), magnitude.assign(g.weights(), 0);
  naive::dense_backward_weights<double>(g, wide(x), wide(dy), exact);
  naive::dense_backward_weights<double>(g, sizes_of(x), sizes_of(dy), magnitude);
  CHECK(worst_error(values_of(c, tdw, g.weights()), exact, magnitude, g.batch) <= 1);
  exact.assign(g.units, 0), magnitude.assign(g.units, 0);
  naive::dense_backward_bias<double>(g, wide(dy), exact);
  naive::dense_backward_bias<double>(g, sizes_of(dy), magnitude);
  CHECK(worst_error(values_of(c, tdb, g.units), exact, magnitude, g.batch) <= 1);
}

}  // namespace

TEST_CASE("oneDNN's dense layer and its gradients are the naive ones, but for rounding") {
  onednn::context c(2);
  for (std::size_t k = 1; k < odd_denses.size(); ++k)
    for (bool relu : {false, true})
      for (bool pictures : {false, true}) {
        INFO("geometry ", k, ", relu ", relu, ", pictures ", pictures);
        check_against_naive(c, odd_denses[k], {.x = x_format(odd_denses[k], pictures), .weights = {}, .relu = relu});
      }
}

TEST_CASE("Weights may have the format of another batch, or none in particular") {
  onednn::context c(1);
  for (std::size_t k = 1; k < odd_denses.size(); ++k) {
    CAPTURE(k);
    auto g = odd_denses[k];
    auto other = g;
    other.batch = 32;
    const memory_format usual = onednn::dense(c, other, {.x = x_format(other, true), .weights = {}}).weights();
    check_against_naive(c, g, {.x = x_format(g, true), .weights = usual});
    check_against_naive(c, g, {.x = x_format(g, true), .weights = usual.row_major()});
  }
}
