#include <tutti/nn/edge.hpp>

#include <doctest/doctest.h>

#include <tutti/kernel/naive_backend.hpp>

#include "../comm/thread_ranks.hpp"

using namespace tutti;
using backend = naive_backend<double>;

/// What operation 0 makes, where it lies on this rank.
struct lying_tensor {
  lying_tensor(communicator& world, const mesh& m, const operation_list& net, const network_plan& plan)
      : on(world, m), memory(c, on), x{.held = block_of(net.shape_of(1), plan.tensors[1].lies, m, on.rank())} {
    x.value = memory.add(x.held);
  }
  backend::context c{};
  process_mesh on;
  workspace<backend> memory;
  held_tensor x;
};

TEST_CASE("an operand is brought with its halo, and gradients come back to be added where the tensor lies") {
  // Six rows, cut over batch's axis before and over rows in the convolution: an all-to-all, then a halo.
  operation_list net({{"batch", 2}, {"channels", 1}, {"height", 6}, {"width", 1}});
  net.pointwise("before");
  net.convolution("c", 1, {.size = 3, .pad_low = 1, .pad_high = 1}, {});
  const mesh m{{"p", 2}};
  const network_plan plan = plan_network(net, std::string_view("before/batch:p,c/height:p"), m);
  thread_ranks::run(2, [&](communicator& world) {
    lying_tensor there(world, m, net, plan);
    auto& [c, on, memory, x] = there;
    edge<backend> bringing(memory, on, net, plan, 1, 0, x), again(memory, on, net, plan, 1, 0, x);
    CHECK(bringing.brings());
    const workspace_place dx = memory.add(bringing.read());
    bringing.make_way_back(memory, dx, false, x);
    again.make_way_back(memory, dx, false, x);
    memory.make();
    const double me = world.rank();
    for (std::size_t row = 0; row < 6; ++row) memory.elements(x.value)[row] = 10 * me + static_cast<double>(row);
    bringing.start(memory), bringing.finish(memory);
    const span<double> read = memory.elements(bringing.value());  // (2, 1, 4, 1)
    CHECK(std::vector<double>(read.begin(), read.end()) ==
          (me == 0 ? std::vector<double>{0, 1, 2, 3, 10, 11, 12, 13} : std::vector<double>{2, 3, 4, 5, 12, 13, 14, 15}));
    for (double& value : memory.elements(dx)) value = 1;
    for (double& value : memory.elements(x.gradient)) value = 100;
    bringing.start_back(memory), bringing.finish_back(memory);
    again.start_back(memory), again.finish_back(memory);
    const span<double> got = memory.elements(x.gradient);  // (1, 1, 6, 1): rows 2 and 3 were read twice
    CHECK(std::vector<double>(got.begin(), got.end()) == std::vector<double>{2, 2, 4, 4, 2, 2});
  });
}

TEST_CASE("an operand goes the way that the plan says, be there a shorter one") {
  operation_list net({{"batch", 4}, {"features", 4}});
  net.pointwise("before");
  net.pointwise("after");
  const mesh m{{"p", 2}};
  network_plan plan = plan_network(net, std::string_view("before/batch:p,after/features:p"), m);
  operand_plan& operand = plan.operations[1].operands[0];
  REQUIRE(operand.forward == std::vector<move>{{.what = move_kind::all_to_all, .axis = 0, .from = 0, .to = 1}});
  operand.forward = {{.what = move_kind::all_gather, .axis = 0, .from = 0}, {.what = move_kind::slice, .axis = 0, .to = 1}};
  thread_ranks::run(2, [&](communicator& world) {
    lying_tensor there(world, m, net, plan);
    auto& [c, on, memory, x] = there;
    edge<backend> bringing(memory, on, net, plan, 1, 0, x);
    memory.make();
    for (std::size_t i = 0; i < 8; ++i) memory.elements(x.value)[i] = static_cast<double>(8 * on.rank().value) + static_cast<double>(i);
    const std::size_t before = on.along(0).counters().sent().bytes;
    bringing.start(memory), bringing.finish(memory);
    CHECK(on.along(0).counters().sent().bytes - before == 8 * sizeof(double));  // its half, not its quarter
    const span<double> got = memory.elements(bringing.value());                  // (4, 2)
    const double first = 2 * on.rank().value;
    CHECK(std::vector<double>(got.begin(), got.end()) ==
          std::vector<double>{first, first + 1, first + 4, first + 5, first + 8, first + 9, first + 12, first + 13});
  });
}

TEST_CASE("where no axis cuts a picture its operand stays as it lies, though windows leave rows out") {
  operation_list net({{"batch", 2}, {"channels", 1}, {"height", 6}, {"width", 5}});
  net.pointwise("before");
  net.convolution("c", 1, {.stride = 2}, {.stride = 2});
  const mesh m{{"p", 2}};
  const network_plan plan = plan_network(net, std::string_view("before/batch:p,c/batch:p"), m);
  thread_ranks::run(2, [&](communicator& world) {
    lying_tensor there(world, m, net, plan);
    auto& [c, on, memory, x] = there;
    const edge<backend> whole(memory, on, net, plan, 1, 0, x);
    CHECK_FALSE(whole.brings());
    CHECK(whole.read() == x.held);
  });
}
