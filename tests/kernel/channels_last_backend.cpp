#include <tutti/kernel/channels_last_backend.hpp>

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include <tutti/kernel/naive_backend.hpp>
#include <tutti/nn/device_moves.hpp>
#include <tutti/nn/sharded_model.hpp>

#include "../comm/thread_ranks.hpp"
#include "data.hpp"
#include "far_machine.hpp"

using namespace tutti;

namespace {

network of_all_kinds(const shape& sample = {{"channels", 2}, {"height", 7}, {"width", 6}}) {
  network net(sample);
  net.convolution("a", {.filters = 4, .kernel = 3, .padding = 1, .bias = false}).batch_norm("na").relu("ra");
  net.convolution("b", {.filters = 4, .kernel = 3, .padding = 1, .groups = 2}).max_pool("p").relu("rb");
  net.from("ra").convolution("s", {.filters = 4, .kernel = 2, .stride = 2, .bias = false}).sum("sum", "rb").relu();
  net.average_pool("q", {.kernel = 2, .stride = 1, .padding = 1}).flatten().dropout(0.5);
  return net.dense("c", {.units = 6}).relu().batch_norm("nc").dropout(0.25).dense("d", {.units = 3});
}

/// After two steps of training: outputs, then gradients, as this rank has them.
template <class Backend>
std::vector<std::vector<modular>> after_steps(communicator& world, const mesh& m, const network& net, const std::string& rules) {
  typename Backend::context c;
  process_mesh on(world, m);
  sharded_model<Backend> model(c, on, net, std::string_view(rules), {.seed = 3});
  auto& pass = model.pass_for(5);
  const auto part = [&](const block& held, const shape& whole, std::uint64_t seed) {
    std::vector<modular> mine(held.elements());
    copy_block(held, block(whole), some<modular>(whole.elements(), seed).data(), held, mine.data());
    return mine;
  };
  std::vector<modular> x = part(pass.input_block(), batch_of(model.net(), 5), 1), dy = part(pass.output_block(), {{"n", 5}, {"u", 3}}, 2);
  std::vector<std::vector<modular>> all;
  for (int step = 0; step < 2; ++step) {
    const auto f = Backend::format::native(sizes_of(pass.input_block()));
    put_rows<Backend>(c, f, span<modular>(x), pass.input_tensor());
    model.forward(pass);
    all.emplace_back(pass.output_block().elements());
    fetch_rows<Backend>(c, pass.output_format(), pass.output_tensor(), span<modular>(all.back()));
    put_rows<Backend>(c, pass.output_format(), span<modular>(dy), pass.output_gradient_tensor());
    model.backward(pass, [](const parameter&, auto) {});
    for (const parameter& p : model.whole()) all.push_back(model.read_gradient(p.index));
  }
  barrier(world);
  return all;
}

}  // namespace

TEST_CASE("every kind of layer, forward and backward, is the naive one's equal in a memory that the host cannot touch, in every layout") {
  const network flat = of_all_kinds(), deep = of_all_kinds({{"channels", 2}, {"depth", 5}, {"height", 7}, {"width", 4}});
  const struct {
    const network* net;
    const char* on;
    const char* rules;
  } layouts[] = {{&flat, "", ""},
                 {&flat, "data=3", "batch:data"},
                 {&flat, "model=2", "a/filters:model,b/filters:model,s/filters:model,c/units:model,d/features:model"},
                 {&flat, "p=2", "a/height:p,b/height:p,s/height:p,p/height:p,q/height:p"},
                 {&flat, "data=2,model=2", "batch:data,a/filters:model,c/units:model,d/units:model"},
                 {&deep, "", ""},
                 {&deep, "model=2", "a/filters:model,b/filters:model,s/filters:model,c/units:model,d/features:model"},
                 {&deep, "p=2", "a/depth:p,b/depth:p,s/depth:p,p/depth:p,q/depth:p"},
                 {&deep, "p=2", "a/width:p,b/width:p,s/width:p"}};
  for (const auto& one : layouts) {
    CAPTURE(std::string(one.rules));
    const mesh m = mesh::parse(one.on);
    std::vector<int> wrong(static_cast<std::size_t>(m.size()), -1);
    thread_ranks::run(m.size(), [&](communicator& world) {
      const auto there = after_steps<far_machine::far_backend<modular>>(world, m, *one.net, one.rules),
                 here = after_steps<naive_backend<modular>>(world, m, *one.net, one.rules);
      int& mine = wrong[static_cast<std::size_t>(world.rank())] = there.size() != here.size();
      for (std::size_t i = 0; i < here.size(); ++i) mine += there[i] != here[i];
    });
    CHECK(wrong == std::vector<int>(wrong.size(), 0));
  }
}

TEST_CASE("what goes to the device and back takes memory once, and again where it is more") {
  using backend = far_machine::far_backend<modular>;
  backend::context c;
  backend::tensor few(c, backend::format({.batch = 2, .channels = 3, .height = 4, .width = 5}));
  backend::tensor many(c, backend::format({.batch = 3, .channels = 3, .height = 4, .width = 5}));
  const std::size_t before = far_machine::memory.takes();
  const auto there_and_back = [&](backend::tensor& through, std::size_t n) {
    const std::vector<modular> sent = some<modular>(n, n);
    std::vector<modular> got(n);
    backend::bring(c, span<const modular>(sent), through);
    backend::fetch(c, std::as_const(through), span<modular>(got));
    CHECK(got == sent);
  };
  there_and_back(few, 120);
  CHECK(far_machine::memory.takes() == before + 1);
  there_and_back(many, 180);
  CHECK(far_machine::memory.takes() == before + 2);
  there_and_back(few, 120);
  CHECK(far_machine::memory.takes() == before + 2);
}
