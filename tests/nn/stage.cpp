#include <tutti/nn/stage.hpp>

#include <doctest/doctest.h>

#include <tutti/kernel/naive_backend.hpp>

#include "../comm/thread_ranks.hpp"

using namespace tutti;
using backend = naive_backend<double>;

TEST_CASE("a stage computes where its operand lies if nobody else needs that, and a tensor added to itself has twice the gradient") {
  operation_list net({{"batch", 1}, {"features", 2}});
  const std::size_t d = net.dense("d", 2), bent = net.pointwise("relu");
  net.sum("twice", bent, bent);
  const network_plan plan = plan_network(net, std::string_view(""), mesh{});
  thread_ranks::run(1, [&](communicator& world) {
    backend::context c;
    process_mesh on(world, mesh{});
    workspace<backend> memory(c, on);
    std::vector<held_tensor> tensors(4);
    for (std::size_t t = 1; t < 4; ++t) tensors[t].wanted = true;
    tensors[0].held = block(net.shape_of(0)), tensors[0].dims = net.shape_of(0), tensors[0].value = memory.add(tensors[0].held);
    std::vector<stage<backend>> stages;
    pass_state<backend> state;
    for (std::size_t i = 0; i < 3; ++i) {
      stages.emplace_back(c, memory, on, net, plan, i, i, purpose::training, stage<backend>::formats{}, state, tensors);
      tensors[i + 1].spare &= i == 0;
    }
    CHECK(tensors[bent].value == tensors[d].value);
    CHECK(tensors[3].value != tensors[bent].value);
    tensors[3].gradient = memory.add(tensors[3].held);
    for (std::size_t s = 3; s-- > 0;) stages[s].make_way_back(memory, on, net, plan, s > 0 ? &stages[s - 1] : nullptr, tensors);
    CHECK(tensors[d].gradient == tensors[3].gradient);
    memory.make();
    std::vector<backend::tensor> none, w, dw;
    for (std::size_t n : {4u, 2u}) w.emplace_back(c, backend::format::row_major({{"n", n}})), dw.emplace_back(c, backend::format::row_major({{"n", n}}));
    for (double& value : w[0].stored()) value = 1;
    w[1].stored()[0] = 0, w[1].stored()[1] = -50;
    memory.elements(tensors[0].value)[0] = 3, memory.elements(tensors[0].value)[1] = 4;
    stages[0].forward(memory, w), stages[1].forward(memory, none), stages[2].forward(memory, none);
    CHECK(memory.elements(tensors[3].value)[0] == 14);
    CHECK(memory.elements(tensors[3].value)[1] == 0);
    for (double& value : memory.elements(tensors[3].gradient)) value = 5;
    stages[2].backward(memory, none, none), stages[1].backward(memory, none, none), stages[0].backward(memory, w, dw);
    CHECK(dw[1].stored()[0] == 10);
    CHECK(dw[1].stored()[1] == 0);
  });
}
