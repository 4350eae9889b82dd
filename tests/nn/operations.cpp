#include <tutti/nn/operations.hpp>

#include <doctest/doctest.h>

#include <tutti/nn/networks/lenet.hpp>

using namespace tutti;

namespace {

constexpr network flat() { return network({{"channels", 2}, {"height", 6}, {"width", 5}}); }
constexpr network deep() { return network({{"channels", 2}, {"depth", 4}, {"height", 6}, {"width", 5}}); }

constexpr network residual() {
  network net = flat();
  net.convolution("conv1", {.filters = 4, .kernel = 3, .padding = 1, .bias = false}).batch_norm("norm1").relu();
  net.from("input").convolution("skip", {.filters = 4}).sum("sum", "relu1").relu();
  return net.average_pool("pool").dropout(0.25).flatten().dense("dense", {.units = 3});
}

std::string refusal(const network& net) {
  try {
    (void)operations_of(net, 3);
  } catch (const error& e) {
    CHECK(e.code() == errc::invalid_argument);
    return e.what();
  }
  return "accepted";
}

network conv(std::size_t kernel, std::size_t stride = 1, std::size_t filters = 4, std::size_t groups = 1) {
  return flat().convolution("conv", {.filters = filters, .kernel = kernel, .stride = stride, .groups = groups});
}

}  // namespace

TEST_CASE("the compiler knows what every layer takes and makes") {
  static_assert(shapes_of(residual(), 9).size() == 11);
  static_assert(shapes_of(residual(), 9)[4] == shape{{"batch", 9}, {"channels", 4}, {"height", 6}, {"width", 5}});
  static_assert(shapes_of(residual(), 9)[7] == shape{{"batch", 9}, {"channels", 4}, {"height", 3}, {"width", 2}});
  static_assert(shapes_of(residual(), 0).back() == shape{{"batch", 0}, {"features", 3}});
  const operation_list all = operations_of(residual(), 9);
  CHECK(all.all()[3].inputs == std::vector<std::size_t>{0});
  CHECK(all.all()[4].inputs == std::vector<std::size_t>{4, 3});
  CHECK(operations_of(lenet(), 4).all()[0].parameters[0] == shape{{"filters", 16}, {"channels", 1}, {"down", 5}, {"across", 5}});
}

TEST_CASE("pictures with depth have windows along it, as long as the others unless a layer says otherwise") {
  network net = deep();
  net.convolution("conv", {.filters = 3, .kernel = 3, .padding = 1});
  net.add({.kind = layer_kind::max_pool, .label = "pool", .down = {.size = 2, .stride = 2}, .across = {.size = 2, .stride = 2}});
  net.average_pool("half").global_average_pool("all").flatten();
  const operation_list all = operations_of(net, 7);
  CHECK(all.all()[0].parameters[0] == shape{{"filters", 3}, {"channels", 2}, {"through", 3}, {"down", 3}, {"across", 3}});
  CHECK(all.seen(1) == shape{{"batch", 7}, {"channels", 3}, {"depth", 4}, {"height", 6}, {"width", 5}});
  CHECK(all.seen(2) == shape{{"batch", 7}, {"channels", 3}, {"depth", 4}, {"height", 3}, {"width", 2}});
  CHECK(all.seen(3) == shape{{"batch", 7}, {"channels", 3}, {"depth", 2}, {"height", 1}, {"width", 1}});
  CHECK(all.all()[3].windows[0].size == 2);
  CHECK(all.seen(5) == shape{{"batch", 7}, {"features", 3}});
}

TEST_CASE("a network that cannot be is refused in a sentence that names the layer") {
  CHECK(refusal(residual()) == "accepted");
  CHECK(refusal(flat().relu("a").relu("a")) == "layer 'a' has the name of another layer");
  CHECK(refusal(flat().relu("input")) == "layer 'input' has the name of the network's sample");
  CHECK(refusal(flat().relu("a").add({.kind = layer_kind::relu})) == "layer number 2 has no name");
  CHECK(refusal(flat().relu("a").from("c").relu("b").relu("c")) ==
        "layer 'b' takes what 'c' makes, and no layer before it has that name");
  CHECK(refusal(flat().relu("a").sum("b", "c")) == "layer 'b' takes what 'c' makes, and no layer before it has that name");
  CHECK(refusal(flat().relu("a").sum("b", "b")) == "layer 'b' takes what 'b' makes, and no layer before it has that name");
  CHECK(refusal(flat().convolution("a", {.filters = 3}).sum("b", "input")) ==
        "layer 'b' adds (batch 3, channels 3, height 6, width 5) and (batch 3, channels 2, height 6, width 5), which 'a' and the input make: they must be alike");
  CHECK(refusal(flat().relu("a").from("input")) == "no layer takes what is to come from 'input'");
  CHECK(refusal(network({{"rows", 2}, {"columns", 3}})) ==
        "a sample is (channels, [depth,] height, width) or (features), and not (rows 2, columns 3)");
  CHECK(refusal(conv(7)) == "layer 'conv' reads 7 places along a height of 6 with padding; up to here pictures need a height of 7 or more");
  CHECK(refusal(deep().convolution("conv", {.kernel = 5})) == "layer 'conv' reads 5 places along a depth of 4 with padding; up to here pictures need a depth of 5 or more");
  CHECK(refusal(conv(0)) == "layer 'conv' has a kernel, stride or dilation of 0 along its height");
  CHECK(refusal(conv(1, 0)) == "layer 'conv' has a kernel, stride or dilation of 0 along its height");
  CHECK(refusal(conv(1, 1, 0)) == "layer 'conv' has no filters");
  CHECK(refusal(conv(1, 1, 3, 2)) == "layer 'conv' has 2 groups, which must divide its 2 channels and its 3 filters");
  CHECK(refusal(conv(1, 1, 4, 4)) == "layer 'conv' has 4 groups, which must divide its 2 channels and its 4 filters");
  CHECK(refusal(conv(1, 1, 4, 0)) == "layer 'conv' has 0 groups, which must divide its 2 channels and its 4 filters");
  CHECK(refusal(flat().flatten().max_pool("p")) ==
        "layer 'p' needs pictures (batch, channels, [depth,] height, width) and gets (batch 3, features 60)");
  CHECK(refusal(flat().dense("d", {.units = 3})) ==
        "layer 'd' needs (batch, features) and gets (batch 3, channels 2, height 6, width 5); flatten first");
  CHECK(refusal(flat().flatten().dense("d", {.units = 0})) == "layer 'd' has no units");
  CHECK(refusal(flat().dropout(1, "d")) == "layer 'd' drops 1 of its elements; a part is at least 0 and below 1");
  CHECK(refusal(flat().flatten().dense("abcdefghijklmnopqrstuvwxyz", {.units = 3})) ==
        "layer 'abcdefghijklmnopqrstuvwxyz' has too long a name for its parameters'");
  CHECK(refusal(flat().max_pool("p", {.padding = 2})) ==
        "layer 'p' pads the height by as much as its window is long, which would pool over padding only");
  CHECK(refusal(flat().average_pool("p", {.padding = 2})) ==
        "layer 'p' pads the height by as much as its window is long, which would pool over padding only");
  auto dilated = [](std::size_t d) {
    return flat().add({.kind = layer_kind::average_pool, .label = "p", .across = {.size = 2, .pad_low = 1, .pad_high = 1, .dilation = d}});
  };
  CHECK(refusal(dilated(6)) == "layer 'p' has a dilation of 6 along a width of 5, which would pool over padding only");
  CHECK(refusal(dilated(5)) == "accepted");
}
