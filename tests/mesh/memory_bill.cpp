#include <tutti/mesh/memory_bill.hpp>

#include <doctest/doctest.h>

using namespace tutti;

namespace {

constexpr window three{.size = 3, .pad_low = 1, .pad_high = 1};

constexpr operation_list convolutions(int count) {
  operation_list net({{"batch", 8}, {"channels", 4}, {"height", 12}, {"width", 6}});
  for (int i = 1; i <= count; ++i) net.convolution(name("conv") + static_cast<std::size_t>(i), i < count ? 4 : 8, three, three);
  return net;
}
constexpr memory_bill of(int count, const char* rules, const mesh& on, rank me) {
  const operation_list net = convolutions(count);
  return memory_of(net, plan_network(net, rules, on), on, me, 4);
}

constexpr std::size_t row = 8 * 4 * 6, pictures = 12 * row, result = 2 * pictures, parameters = 8 * 4 * 9 + 16;

// Pictures, result and its gradient, all of them kept.
static_assert(of(1, "", mesh{}, {0}).tensors == 4 * (pictures + 2 * result));
static_assert(of(1, "", mesh{}, {0}).parameters == 4 * 2 * parameters);  // the bias in a line of its own
static_assert(of(1, "", mesh{}, {0}).packed == 0);

}  // namespace

TEST_CASE("memory is counted by what a rank has of each tensor, and of what its windows read") {
  const memory_bill one = of(1, "", mesh{}, {0}), cut = of(1, "height:p", mesh{{"p", 4}}, {1});
  CHECK(cut.tensors == one.tensors / 4 + 4 * 5 * row);
  CHECK(cut.parameters == one.parameters);
  CHECK(cut.packed == 4 * (2 * row + 2 * row));  // what is sent and what comes
  CHECK(cut.total() == cut.tensors + cut.parameters + cut.packed);
}

TEST_CASE("what is needed at different times is counted once") {
  // Every convolution's result is there until its weights' gradient is made, and of the
  // gradients two at a time.
  const std::size_t three_deep = of(3, "", mesh{}, {0}).tensors, four_deep = of(4, "", mesh{}, {0}).tensors;
  CHECK(three_deep == 4 * (pictures + 2 * pictures + 2 * result + pictures));
  CHECK(four_deep == three_deep + 4 * pictures);
}
