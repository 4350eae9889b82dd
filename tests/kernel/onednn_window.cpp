#include <tutti/kernel/onednn_window.hpp>

#include <doctest/doctest.h>

#include "onednn_tools.hpp"

using namespace tutti;

TEST_CASE("what slides has two directions, or three where pictures have depth") {
  using sizes = dnnl::memory::dims;
  pool_geometry g{.batch = 1, .channels = 1, .height = 4, .width = 6, .down = {.size = 3, .stride = 2, .pad_low = 1}, .across = {.dilation = 2}};
  const onednn::sliding flat(g, pictures_of(g));
  CHECK(flat.inputs == sizes{4, 6});
  CHECK(flat.outputs == sizes{2, 6});
  CHECK(flat.dilation == sizes{0, 1});
  g.depth = 5, g.through = {.size = 2};
  const onednn::sliding deep(g, pictures_of(g));
  CHECK(onednn::joined({7}, deep.outputs) == sizes{7, 4, 2, 6});
  CHECK(deep.low == sizes{0, 1, 0});
}
