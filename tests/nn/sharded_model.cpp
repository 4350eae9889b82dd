#include <tutti/nn/sharded_model.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <tutti/kernel/naive_backend.hpp>

#include "../comm/thread_ranks.hpp"
#include "../kernel/data.hpp"

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
  std::vector<std::vector<modular>> values, gradients;  // as one model on one rank has them
  backend::context c;
  model<backend> whole(c, small(), {.seed = 3});
  auto& pass = whole.pass_for(5, purpose::training);
  const std::vector<modular> input = some<modular>(pass.input().size(), 1), dy = some<modular>(pass.output().size(), 2);
  std::copy(input.begin(), input.end(), pass.input().begin());
  whole.forward(pass);
  std::copy(dy.begin(), dy.end(), pass.output_gradient().begin());
  whole.backward(pass, [](const parameter&, span<modular>) {});
  for (const parameter& p : whole.parameters().parameters()) {
    values.push_back(whole.read(p));
    gradients.push_back(whole.read_gradient(p));
  }
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
      cut.forward(p);
      fill(p.output_block(), {{"n", 5}, {"u", 3}}, dy, p.output_gradient());
      std::size_t next = gradients.size();
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
