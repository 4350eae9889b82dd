#include <tutti/nn/sharded_model.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include <tutti/kernel/naive_backend.hpp>

#include "../comm/thread_ranks.hpp"
#include "../kernel/data.hpp"
#include "../mesh/interpret.hpp"

using namespace tutti;

namespace {

using backend = naive_backend<modular>;

network small() {
  network net({{"channels", 2}, {"height", 6}, {"width", 5}});
  net.convolution("a", {.filters = 4, .kernel = 3, .padding = 1}).max_pool("p").relu().flatten();
  return net.dense("b", {.units = 6}).relu().dense("c", {.units = 3});
}

}  // namespace

TEST_CASE("parameters are the same in every layout, and so are the gradients of a batch, added up") {
  const operation_list operations = operations_of(small(), 5);
  const std::vector<modular> input = some<modular>(operations.shape_of(0).elements(), 1), dy = some<modular>(15, 2);
  std::vector<std::vector<modular>> values, gradients;  // by the rules, without a mesh
  std::vector<std::vector<interpret::values>> by_operation;
  for (const parameter& p : parameters_of(small())) values.push_back(initial_values<modular>(p, 3));
  for (const tensor_operation& o : operations.all()) {
    by_operation.emplace_back();
    for (std::size_t n = 0; n < o.parameters.size(); ++n) by_operation.back().push_back(values[gradients.size()]), gradients.emplace_back();
  }
  gradients.clear();
  const mesh alone;
  const network_plan plan = plan_network(operations, std::string_view(""), alone);
  const interpret::trained by_rules = interpret::network(operations, plan, alone, {}, interpret::bend::relu).run(input, by_operation, dy);
  for (const interpret::worlds_of& of : by_rules.parameter_gradients)
    for (const world_tensor& gradient : of) gradients.push_back(gradient.ranks[0]);
  const struct {
    const char* on;
    const char* rules;
  } layouts[] = {{"", ""},
                 {"data=3", "batch:data"},
                 {"model=2", "a/filters:model,b/units:model,c/features:model"},
                 {"data=2,model=2", "batch:data,a/filters:model,b/units:model"},
                 {"p=4", "a/height:p,b/units:p"},
                 {"p=4", "a/batch:p,b/units:p"}};
  for (const auto& one : layouts) {
    const mesh m = mesh::parse(one.on);
    CAPTURE(std::string(one.rules));
    int wrong = 0;
    thread_ranks::run(m.size(), [&](communicator& world) {
      backend::context mine;
      process_mesh on(world, m);
      sharded_model<backend> cut(mine, on, small(), one.rules, {.seed = 3});
      int different = 0;
      for (std::size_t i = 0; i < values.size(); ++i) different += cut.read(i) != values[i];
      auto& p = cut.pass_for(5);
      auto fill = [&](const block& held, const shape& all, const std::vector<modular>& from, span<modular> into) {
        copy_block(held, block(all), from.data(), held, into.data());
      };
      fill(p.input_block(), {{"n", 5}, {"c", 2}, {"h", 6}, {"w", 5}}, input, p.input());
      std::size_t next = 0;
      cut.forward(p, [&](const parameter& w) { different += w.index != next++; });
      different += next != gradients.size();
      fill(p.output_block(), {{"n", 5}, {"u", 3}}, dy, p.output_gradient());
      cut.backward(p, [&](const parameter& w, span<modular> gradient) {
        different += w.index != --next;
        const unsigned axes = cut.sums()[w.index];
        if (axes != 0) all_reduce(on.over(axes), gradient, plus{});
      });
      different += next != 0;
      for (std::size_t i = 0; i < gradients.size(); ++i) {
        const block held = cut.held_of(i);
        std::vector<modular> expected(held.elements());
        fill(held, cut.whole()[i].dims, gradients[i], expected);
        const span<modular> found = cut.parameters().gradient(cut.parameters().parameters()[i]);
        different += std::vector<modular>(found.begin(), found.end()) != expected;
      }
      all_reduce(world, span<int>(&different, 1), plus{});
      if (world.rank() == 0) wrong = different;
    });
    CHECK(wrong == 0);
  }
}

TEST_CASE("a layout that cannot be is refused, by whichever rank comes to it first") {
  std::string said;
  try {
    thread_ranks::run(2, [](communicator& world) {
      backend::context c;
      process_mesh on(world, {{"data", 2}});
      sharded_model<backend> cut(c, on, small(), "batch:data,a/filters:data");
    });
  } catch (const error& e) {
    said = e.what();
  }
  CHECK(said.find("layer 'a': the axis 'data' cannot cut both 'batch' and 'filters'") != std::string::npos);
}

TEST_CASE("ranks that say different things about halos are all told who says what") {
  std::vector<std::string> said(3);
  thread_ranks::run(3, [&](communicator& world) {
    backend::context c;
    process_mesh on(world, {{"p", 3}});
    const std::optional<bool> says[] = {std::nullopt, std::nullopt, true};
    const auto me = static_cast<std::size_t>(world.rank());
    try {
      sharded_model<backend> cut(c, on, small(), "a/height:p", {.overlap_halo = says[me]});
    } catch (const error& e) {
      said[me] = e.what();
    }
  });
  for (const std::string& s : said) CHECK(s == "the ranks disagree on overlap_halo: rank 0 says nothing, rank 2 says true");
}

TEST_CASE("a seed makes the same model whatever batch is usual, with a pass of its own for each batch and purpose") {
  thread_ranks::run(1, [](communicator& world) {
    backend::context c;
    process_mesh on(world, mesh{});
    const layout whole;
    sharded_model<backend> a(c, on, small(), whole, {.seed = 3, .usual_batch = 1}), b(c, on, small(), whole, {.seed = 3, .usual_batch = 7}),
        other(c, on, small(), whole, {.seed = 4});
    for (const parameter& p : a.whole()) {
      CHECK(a.read(p.index) == b.read(p.index));
      if (p.fan_in > 0) CHECK(a.read(p.index) != other.read(p.index));
    }
    auto& pass = a.pass_for(3);
    CHECK(&pass == &a.pass_for(3));
    CHECK(&pass != &a.pass_for(3, purpose::evaluation));
    CHECK(&pass != &a.pass_for(2));
    CHECK(pass.input().size() == 3 * 60);
    CHECK(pass.output().size() == 3 * 3);
  });
}

TEST_CASE("a parameter is asked for just before its first use: those before it have been used by then") {
  thread_ranks::run(1, [](communicator& world) {
    backend::context c;
    process_mesh on(world, mesh{});
    sharded_model<backend> m(c, on, small(), layout(), {.seed = 3});
    auto& pass = m.pass_for(2);
    for (modular& value : pass.input()) value = modular(7);
    m.forward(pass);
    const std::vector<modular> expected(pass.output().begin(), pass.output().end());
    m.forward(pass, [&](const parameter& w) {
      if (w.label == name("b.weights")) m.write(0, std::vector<modular>(m.whole()[0].dims.elements()));
    });
    CHECK(std::vector<modular>(pass.output().begin(), pass.output().end()) == expected);
  });
}

TEST_CASE("what is written is read, and a wrong number of elements is refused") {
  thread_ranks::run(2, [](communicator& world) {
    backend::context c;
    process_mesh on(world, {{"p", 2}});
    sharded_model<backend> m(c, on, small(), "a/filters:p,b/units:p");
    const std::vector<modular> weights = some<modular>(4 * 2 * 9, 5);
    m.write(0, weights);
    if (m.read(0) != weights) throw std::logic_error("not what was written");
    try {
      m.write(0, std::vector<modular>(3));
      throw std::logic_error("not refused");
    } catch (const error& e) {
      if (std::string(e.what()) != "parameter 'a.weights' has 72 elements, not 3") throw;
    }
  });
}
