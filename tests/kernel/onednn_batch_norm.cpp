#include <tutti/kernel/onednn_batch_norm.hpp>

#include <doctest/doctest.h>

#include "onednn_tools.hpp"

using namespace tutti;
using onednn::memory_format;
using onednn::tensor;

TEST_CASE("In every format that it knows a batch norm gives the same, but for the order of sums, and others are refused") {
  using tag = dnnl::memory::format_tag;
  onednn::context c(1);
  const norm_geometry g{.batch = 3, .channels = 19, .places = 5 * 7};
  const dnnl::memory::dims sizes{3, 19, 5, 7}, deep{3, 19, 1, 5, 7};
  const std::size_t count = 3 * 19 * 35;
  const auto x = some<float>(count, 1), dy = some<float>(count, 2), scale = some<float>(19, 3), shift = some<float>(19, 4);
  std::vector<std::vector<float>> ys, dxs;
  for (tag each : {tag::nchw, tag::nhwc, tag::nChw8c, tag::nChw16c, tag::ncdhw, tag::ndhwc, tag::nCdhw8c, tag::nCdhw16c}) {
    const memory_format f(dnnl::memory::desc(ys.size() < 4 ? sizes : deep, dnnl::memory::data_type::f32, each));
    tensor tx = filled(c, f, x), tdy = filled(c, f, dy), ty(c, f), tdx(c, f);
    std::vector<float> dscale(19), dshift(19);
    onednn::batch_norm norm(c, g, f, true, 1e-5);
    norm.sum(tx.stored());
    norm.normalise(tx.stored(), scale, shift, ty.stored());
    norm.sum_gradients(tx.stored(), tdy.stored());
    norm.backward(tx.stored(), tdy.stored(), tdx.stored(), dscale, dshift);
    ys.push_back(values_of(c, ty, count));
    dxs.push_back(values_of(c, tdx, count));
    // The sums are in double, and floats of them the same but for one rounding: of numbers below 4, which meet in three terms.
    for (std::size_t i = 0; i < count; ++i) {
      REQUIRE(std::abs(ys.back()[i] - ys.front()[i]) <= 3 * 0x1p-22);
      REQUIRE(std::abs(dxs.back()[i] - dxs.front()[i]) <= 3 * 0x1p-22);
    }
  }
  const memory_format strange(dnnl::memory::desc(sizes, dnnl::memory::data_type::f32, tag::nChw4c));
  CHECK_THROWS_WITH_AS(onednn::batch_norm(c, g, strange, false, 0),
                       "a batch norm of a format other than row-major, channels last, or channels in blocks of 8 or 16", error);
}
