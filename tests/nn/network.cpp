#include <tutti/nn/network.hpp>

#include <doctest/doctest.h>

using namespace tutti;

namespace {

constexpr network residual() {
  network net({{"channels", 2}, {"height", 6}, {"width", 5}});
  net.convolution("conv1", {.filters = 4, .kernel = 3, .padding = 1, .bias = false}).batch_norm("norm1").relu();
  net.from("input").convolution("skip", {.filters = 4}).sum("sum", "relu1").relu();
  return net.average_pool("pool").dropout(0.25).flatten().dense("dense", {.units = 3});
}

std::string refusal(const network& net) {
  try {
    (void)shapes_of(net, 2);
  } catch (const error& e) {
    CHECK(e.code() == errc::invalid_argument);
    return e.what();
  }
  return "accepted";
}

network pictures() { return network({{"channels", 2}, {"height", 6}, {"width", 5}}); }

}  // namespace

TEST_CASE("The compiler knows what every layer takes and makes") {
  static_assert(shapes_of(residual(), 9).size() == 11);
  static_assert(shapes_of(residual(), 9)[4] == shape{{"batch", 9}, {"channels", 4}, {"height", 6}, {"width", 5}});
  static_assert(shapes_of(residual(), 9)[7] == shape{{"batch", 9}, {"channels", 4}, {"height", 3}, {"width", 2}});
  static_assert(shapes_of(residual(), 0).back() == shape{{"batch", 0}, {"features", 3}});
  static_assert(operands_of(residual())[3] == layer_operands{.x = 0});
  static_assert(operands_of(residual())[4] == layer_operands{.x = 4, .other = 3});
  static_assert(residual().layers[5].label == name("relu2"));
  CHECK(residual() == residual());
  network shorter = residual();
  shorter.layers.pop_back();
  CHECK(!(shorter == residual()));
}

TEST_CASE("A network that cannot be is refused in a sentence that names the layer") {
  CHECK(refusal(residual()) == "accepted");
  CHECK(refusal(pictures().relu("a").relu("a")) == "layer 'a' has the name of another layer");
  CHECK(refusal(pictures().relu("input")) == "layer 'input' has the name of the network's sample");
  CHECK(refusal(pictures().relu("a").add({.kind = layer_kind::relu})) == "layer number 2 has no name");
  CHECK(refusal(pictures().relu("a").from("c").relu("b").relu("c")) ==
        "layer 'b' takes what 'c' makes, and no layer before it has that name");
  CHECK(refusal(pictures().relu("a").sum("b", "c")) ==
        "layer 'b' takes what 'c' makes, and no layer before it has that name");
  CHECK(refusal(pictures().relu("a").sum("b", "b")) ==
        "layer 'b' takes what 'b' makes, and no layer before it has that name");
  CHECK(refusal(pictures().convolution("a", {.filters = 3}).sum("b", "input")) ==
        "layer 'b' adds (batch 2, channels 3, height 6, width 5) and (batch 2, channels 2, height 6, width 5)");
  CHECK(refusal(pictures().relu("a").from("input")) == "no layer takes what is to come from 'input'");
  CHECK_THROWS_WITH_AS((void)batch_of(network({{"rows", 2}, {"columns", 3}}), 1),
                       "a sample is (channels, height, width) or (features), and not (rows 2, columns 3)", error);
}
