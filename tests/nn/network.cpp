#include <tutti/nn/network.hpp>

#include <doctest/doctest.h>

using namespace tutti;

namespace {
constexpr layer conv(std::size_t kernel, std::size_t stride = 1, std::size_t filters = 4) {
  window w{.size = kernel, .stride = stride};
  return {.kind = layer_kind::convolution, .label = "conv", .outputs = filters, .down = w, .across = w};
}
constexpr shape pictures{{"batch", 3}, {"channels", 2}, {"height", 5}, {"width", 7}};
constexpr shape vectors{{"batch", 3}, {"features", 6}};
}  // namespace

TEST_CASE("The compiler knows every shape of a network") {
  static_assert(shapes_of(lenet(), 9).back() == shape{{"batch", 9}, {"features", 10}});
  static_assert(shapes_of(lenet(), 9)[4] == shape{{"batch", 9}, {"channels", 32}, {"height", 10}, {"width", 10}});
  static_assert(shapes_of(lenet(), 0).back() == shape{{"batch", 0}, {"features", 10}});
  static_assert(shape_after(conv(3, 2), pictures) == shape{{"batch", 3}, {"channels", 4}, {"height", 2}, {"width", 3}});
  static_assert(shape_after({.kind = layer_kind::flatten}, pictures) == shape{{"batch", 3}, {"features", 70}});
  static_assert(shape_after({.kind = layer_kind::relu}, vectors) == vectors);
  CHECK(lenet() == lenet());
  network shorter = lenet();
  shorter.layers.pop_back();
  CHECK(!(shorter == lenet()));
}

TEST_CASE("A network that cannot be is refused in a sentence that names the layer") {
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
  CHECK(refusal(conv(3), vectors) ==
        "layer 'conv' needs pictures (batch, channels, height, width) and gets (batch 3, features 6)");
  CHECK(refusal({.kind = layer_kind::dense, .label = "d", .outputs = 3}, pictures) ==
        "layer 'd' needs (batch, features) and gets (batch 3, channels 2, height 5, width 7); flatten first");
  CHECK(refusal({.kind = layer_kind::dense, .label = "d"}, vectors) == "layer 'd' has no units");
  const window padded{.size = 2, .stride = 2, .pad_low = 2};
  CHECK(refusal({.kind = layer_kind::max_pool, .label = "p", .down = padded, .across = padded}, pictures) ==
        "layer 'p' pads the height by as much as its window is long, which would pool over padding only");
  CHECK_THROWS_WITH_AS((void)batch_of(network({{"rows", 2}, {"columns", 3}}), 1),
                       "a sample is (channels, height, width) or (features), and not (rows 2, columns 3)", error);
}
