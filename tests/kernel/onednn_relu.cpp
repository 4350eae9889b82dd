#include <tutti/kernel/onednn_relu.hpp>

#include <doctest/doctest.h>

#include <tutti/kernel/naive_relu.hpp>

#include "onednn_tools.hpp"

using namespace tutti;

TEST_CASE("oneDNN's ReLU is the naive one, in place, in every format") {
  onednn::context c(2);
  for (std::size_t channels : {std::size_t{1}, std::size_t{16}, std::size_t{19}}) {
    const auto plain = onednn::memory_format::row_major({{"n", 3}, {"c", channels}, {"h", 5}, {"w", 7}});
    const onednn::memory_format blocked(
        dnnl::memory::desc(plain.sizes(), dnnl::memory::data_type::f32, dnnl::memory::format_tag::nChw16c));
    for (const auto& format : {plain, blocked}) {
      auto x = some<float>(3 * channels * 35, 1), dy = some<float>(x.size(), 2);
      x[0] = 0;
      onednn::relu layer(c, format);
      onednn::tensor t = filled(c, format, x), g = filled(c, format, dy);
      layer.forward(t);
      layer.backward(t, g);
      naive::relu<float>(x, x);
      naive::relu_backward<float>(x, dy, dy);
      CHECK(values_of(c, t, x.size()) == x);
      CHECK(values_of(c, g, x.size()) == dy);
    }
  }
}
