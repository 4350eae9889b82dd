#include <tutti/nn/layer.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("a layer is a value, and what sums with weights has them") {
  constexpr layer conv{.kind = layer_kind::convolution, .label = "conv", .outputs = 4, .down = {.size = 3}};
  static_assert(conv.has_weights() && layer{.kind = layer_kind::dense}.has_weights());
  static_assert(!layer{.kind = layer_kind::batch_norm}.has_weights());
  layer other = conv;
  CHECK(other == conv);
  other.through.stride = 2;
  CHECK(!(other == conv));
}
