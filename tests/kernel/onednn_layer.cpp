#include <tutti/kernel/onednn_layer.hpp>

#include <type_traits>

#include <doctest/doctest.h>

#include <tutti/kernel/onednn_dense.hpp>

#include "onednn_tools.hpp"

using namespace tutti;
using onednn::memory_format;
using onednn::tensor;

TEST_CASE("A format that a primitive does not take is changed for it, and that is counted") {
  onednn::context c(1);
  // Column-major inputs: no layer before would give them.
  const memory_format odd(dnnl::memory::desc({5, 3}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::ba));
  std::vector<float> x{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  std::vector<std::vector<float>> ys;
  for (const auto& format : {odd.row_major(), odd}) {
    onednn::dense layer(c, {.batch = 5, .channels = 3, .units = 2}, {.x = format, .weights = {}, .train = false});
    tensor y(c, layer.y());
    layer.forward(filled(c, format, x), filled(c, layer.weights(), {1, 0, 0, 1, 1, 1}),
                  filled(c, memory_format::row_major({{"u", 2}}), {0, 0}), y);
    ys.push_back(values_of(c, y, 10));
  }
  CHECK(ys[0] == std::vector<float>{1, 6, 4, 15, 7, 24, 10, 33, 13, 42});
  CHECK(ys[1] == ys[0]);
}
