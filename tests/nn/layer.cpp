#include <tutti/nn/layer.hpp>

#include <doctest/doctest.h>

using namespace tutti;

namespace {
constexpr layer conv(std::size_t kernel, std::size_t stride = 1, std::size_t filters = 4, std::size_t groups = 1) {
  window w{.size = kernel, .stride = stride};
  return {.kind = layer_kind::convolution, .label = "conv", .outputs = filters, .down = w, .across = w, .groups = groups};
}
constexpr shape pictures{{"batch", 3}, {"channels", 2}, {"height", 5}, {"width", 7}};
constexpr shape vectors{{"batch", 3}, {"features", 6}};
}  // namespace

TEST_CASE("The compiler knows what a layer makes") {
  static_assert(shape_after(conv(3, 2), pictures) == shape{{"batch", 3}, {"channels", 4}, {"height", 2}, {"width", 3}});
  static_assert(shape_after({.kind = layer_kind::flatten}, pictures) == shape{{"batch", 3}, {"features", 70}});
  static_assert(shape_after({.kind = layer_kind::relu}, vectors) == vectors);
  static_assert(shape_after({.kind = layer_kind::batch_norm}, pictures) == pictures);
  static_assert(shape_after({.kind = layer_kind::dropout, .rate = 0.5}, vectors) == vectors);
  static_assert(shape_after({.kind = layer_kind::global_average_pool}, pictures) ==
                shape{{"batch", 3}, {"channels", 2}, {"height", 1}, {"width", 1}});
}

TEST_CASE("A layer that cannot be is refused in a sentence that names it") {
  auto refusal = [](const layer& l, const shape& x) {
    try {
      (void)shape_after(l, x);
    } catch (const error& e) {
      CHECK(e.code() == errc::invalid_argument);
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  CHECK(refusal(conv(6), pictures) == "layer 'conv' reads 6 places along a height of 5 with padding");
  CHECK(refusal(conv(0), pictures) == "layer 'conv' has a kernel, stride or dilation of 0 along its height");
  CHECK(refusal(conv(1, 0), pictures) == "layer 'conv' has a kernel, stride or dilation of 0 along its height");
  CHECK(refusal(conv(1, 1, 0), pictures) == "layer 'conv' has no filters");
  CHECK(refusal(conv(1, 1, 3, 2), pictures) ==
        "layer 'conv' has 2 groups, which must divide its 2 channels and its 3 filters");
  CHECK(refusal(conv(1, 1, 4, 4), pictures) ==
        "layer 'conv' has 4 groups, which must divide its 2 channels and its 4 filters");
  CHECK(refusal(conv(3), vectors) ==
        "layer 'conv' needs pictures (batch, channels, height, width) and gets (batch 3, features 6)");
  CHECK(refusal({.kind = layer_kind::dense, .label = "d", .outputs = 3}, pictures) ==
        "layer 'd' needs (batch, features) and gets (batch 3, channels 2, height 5, width 7); flatten first");
  CHECK(refusal({.kind = layer_kind::dense, .label = "d"}, vectors) == "layer 'd' has no units");
  CHECK(refusal({.kind = layer_kind::dropout, .label = "d", .rate = 1}, vectors) ==
        "layer 'd' drops 1 of its elements; from 0 to below 1 can be");
  const window padded{.size = 2, .stride = 2, .pad_low = 2};
  for (layer_kind kind : {layer_kind::max_pool, layer_kind::average_pool})
    CHECK(refusal({.kind = kind, .label = "p", .down = padded, .across = padded}, pictures) ==
          "layer 'p' pads the height by as much as its window is long, which would pool over padding only");
}
