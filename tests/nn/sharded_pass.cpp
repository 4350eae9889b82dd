#include <tutti/nn/sharded_pass.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <vector>

#include <tutti/kernel/naive_backend.hpp>
#include <tutti/mesh/named_layout.hpp>
#include <tutti/nn/operations.hpp>

#include "../comm/thread_ranks.hpp"
#include "../kernel/data.hpp"
#include "../mesh/interpret.hpp"
#include "../mesh/worlds.hpp"

using namespace tutti;

namespace {

using backend = naive_backend<modular>;

constexpr window three{.size = 3, .pad_low = 1, .pad_high = 1};

/// What a rank has of the output and of each parameter's gradient, added up over
/// the axes on which it is a sum.
struct found {
  std::vector<block> blocks;
  std::vector<std::vector<modular>> values;
};

std::vector<modular> part_of(const block& part, const shape& whole, const std::vector<modular>& values) {
  std::vector<modular> got(part.elements());
  copy_block(part, block(whole), values.data(), part, got.data());
  return got;
}

/// `nudged`: the operation to whose weights something is added. `overlap`: as for models.
found train(communicator& world, const mesh& m, const operation_list& net, const std::string& rules, std::size_t nudged = 99, bool overlap = false) {
  backend::context c;
  process_mesh on(world, m);
  const network_plan plan = plan_network(net, std::string_view(rules), m);
  sharded_pass<backend>::formats stored;
  pass_state<backend> state{.seed = 3};
  sharded_pass<backend> pass(c, on, net, plan, purpose::training, stored, state, overlap);
  std::vector<std::vector<backend::tensor>> values(net.all().size()), gradients(net.all().size());
  std::uint64_t seed = 1;
  for (std::size_t i = 0; i < net.all().size(); ++i)
    for (std::size_t n = 0; n < net.all()[i].parameters.size(); ++n) {
      const shape& dims = net.all()[i].parameters[n];
      values[i].emplace_back(c, *stored[i][n]);
      gradients[i].emplace_back(c, *stored[i][n]);
      const block held = block_of(dims, plan.operations[i].parameters[n].at, m, on.rank());
      const std::vector<modular> mine = part_of(held, dims, some<modular>(dims.elements(), ++seed));
      std::copy(mine.begin(), mine.end(), values[i].back().stored().begin());
      if (i == nudged && n == 0) {
        const std::vector<modular> more = part_of(held, dims, some<modular>(dims.elements(), 500));
        for (std::size_t e = 0; e < more.size(); ++e) values[i].back().stored()[e] = values[i].back().stored()[e] + more[e];
      }
    }
  const shape& last = net.shape_of(net.all().size());
  found all;
  for (std::uint64_t other : {1000u, 0u}) {  // the second time in memory that holds something else
    const auto input = part_of(pass.input_block(), net.shape_of(0), some<modular>(net.shape_of(0).elements(), 1 + other));
    std::copy(input.begin(), input.end(), pass.input().begin());
    pass.forward(values);
    const auto dy = part_of(pass.output_block(), last, some<modular>(last.elements(), 99 + other));
    std::copy(dy.begin(), dy.end(), pass.output_gradient().begin());
    pass.backward(values, gradients, [](std::size_t) {});
  }
  all.blocks.push_back(pass.output_block());
  all.values.emplace_back(pass.output().begin(), pass.output().end());
  for (std::size_t i = 0; i < net.all().size(); ++i)
    for (std::size_t n = 0; n < gradients[i].size(); ++n) {
      const parameter_plan& w = plan.operations[i].parameters[n];
      std::vector<modular> sum(gradients[i][n].stored().begin(), gradients[i][n].stored().end());
      for (int axis = 0; axis < m.axes(); ++axis)
        if (w.gradient.partial_on(axis)) all_reduce(on.along(axis), sum, plus{});
      all.blocks.push_back(block_of(w.dims, w.at, m, on.rank()));
      all.values.push_back(sum);
    }
  for (const auto& [i, running] : state.norms)
    for (const buffer<modular>* each : {&running.mean, &running.variance}) {
      const parameter_plan& w = plan.operations[i].parameters[0];
      all.blocks.push_back(block_of(w.dims, w.at, m, on.rank()));
      all.values.emplace_back(each->begin(), each->end());
    }
  return all;
}

void check(const operation_list& net, const mesh& m, const std::string& rules, const found& whole, bool overlap = false) {
  CAPTURE(rules);
  CAPTURE(m.text());
  CAPTURE(overlap);
  std::atomic<int> wrong{0};
  thread_ranks::run(m.size(), [&](communicator& world) {
    const found mine = train(world, m, net, rules, 99, overlap);
    for (std::size_t i = 0; i < mine.values.size(); ++i) {
      std::vector<modular> expected(mine.blocks[i].elements());
      copy_block(mine.blocks[i], whole.blocks[i], whole.values[i].data(), mine.blocks[i], expected.data());
      wrong += mine.values[i] != expected;
    }
  });
  CHECK(wrong == 0);
}

found on_one_rank(const operation_list& net, std::size_t nudged = 99) {
  found whole;
  thread_ranks::run(1, [&](communicator& world) { whole = train(world, mesh{}, net, "", nudged); });
  return whole;
}

/// The output and all gradients by the rules themselves: an interpreter that gives
/// every tensor and every gradient memory of its own, and fuses nothing.
std::vector<std::vector<modular>> by_the_rules(const operation_list& net) {
  std::vector<std::vector<interpret::values>> parameters;
  std::uint64_t seed = 1;
  for (const tensor_operation& o : net.all()) {
    parameters.emplace_back();
    for (const shape& dims : o.parameters) parameters.back().push_back(some<modular>(dims.elements(), ++seed));
  }
  const network_plan plan = plan_network(net, std::string_view(""), mesh{});
  const mesh alone;
  interpret::network rules(net, plan, alone, {}, interpret::bend::relu);
  const interpret::trained found =
      rules.run(some<modular>(net.shape_of(0).elements(), 1), parameters, some<modular>(net.shape_of(net.all().size()).elements(), 99));
  std::vector<std::vector<modular>> all{found.tensors.back().ranks[0]};
  for (const interpret::worlds_of& of : found.parameter_gradients)
    for (const world_tensor& gradient : of) all.push_back(gradient.ranks[0]);
  return all;
}

/// What a pass found beside that, running statistics left out.
std::vector<std::vector<modular>> without_statistics(const found& all, std::size_t count) { return {all.values.begin(), all.values.begin() + static_cast<std::ptrdiff_t>(count)}; }

/// Operations of pictures that stay as large, on what any two before have made, and
/// some that nobody uses.
operation_list any_network(const random_stream& random, std::uint64_t& next) {
  operation_list net({{"batch", 2}, {"channels", 2}, {"height", 4}, {"width", 3}});
  constexpr window same{.size = 3, .pad_low = 1, .pad_high = 1};
  net.convolution("first", 2, same, {});
  for (std::size_t made = 1; made < 9; ++made) {
    const name label(std::string_view(std::to_string(made)));
    // Mostly of what is new, or chains would be short.
    auto any = [&] { return random.below(next++, 2) == 0 ? made : 1 + random.below(next++, made); };
    switch (random.below(next++, 8)) {
      case 0:
      case 1: net.convolution(label, 2, {}, same, any(), {.bias = made % 2 == 0}); break;
      case 2:
      case 3: net.pointwise(label, any()); break;
      case 4: net.sum(label, any(), any()); break;
      case 5: net.batch_norm(label, any()); break;
      case 6: net.dropout(label, 0.5, any()); break;
      default: net.pool(label, same, {}, any());
    }
  }
  if (random.below(next++, 2) == 0) return net;
  net.flatten("flatten");
  net.dense("dense", 3);
  return net;
}

/// Of all operations, each dimension cut at random.
std::string any_cuts(const operation_list& net, const mesh& m, const random_stream& random, std::uint64_t& next) {
  std::string rules;
  for (const tensor_operation& o : net.all()) {
    if (o.what == operation_kind::flatten || (!contracts(o.what) && random.below(next++, 3) != 0)) continue;
    const shape over = o.over();
    std::vector<std::string> cuts(over.rank());
    for (int axis = 0; axis < m.axes(); ++axis) {
      const std::size_t d = random.below(next++, over.rank() + 1);
      // Filters in two groups fall into two pieces only.
      if (d < over.rank() && (o.groups == 1 || d != 1 || (m[axis].size == 2 && cuts[d].empty())))
        cuts[d] += (cuts[d].empty() ? "" : "+") + m[axis].what.text();
    }
    for (std::size_t d = 0; d < over.rank(); ++d)
      rules += (rules.empty() ? "" : ",") + o.label.text() + "/" + over[d].what.text() + ":" + cuts[d];
  }
  return rules;
}

network residual_blocks() {
  network net({{"channels", 2}, {"height", 7}, {"width", 5}});
  net.convolution("conv1", {.filters = 4, .kernel = 3, .padding = 1, .bias = false}).batch_norm("norm1").relu();
  net.convolution("conv2", {.filters = 4, .kernel = 3, .padding = 1, .groups = 2, .bias = false}).batch_norm("norm2");
  net.sum("sum1", "relu1").relu();
  net.convolution("conv3s", {.filters = 6, .stride = 2, .bias = false}).batch_norm("norm3s");
  net.from("relu2").convolution("conv3", {.filters = 6, .kernel = 3, .stride = 2, .padding = 1}).batch_norm("norm3");
  return net.sum("sum2", "norm3s").relu().dropout(0.5).global_average_pool("pool").flatten().dense("dense", {.units = 3});
}

}  // namespace

TEST_CASE("a pass is its operations, one after the other: every gradient, whatever memory is shared and whatever is fused") {
  for (const operation_list& net : {worlds::small_network(), worlds::normalised_network(), worlds::deep_network(), operations_of(residual_blocks(), 3)}) {
    const auto expected = by_the_rules(net);
    CHECK(without_statistics(on_one_rank(net), expected.size()) == expected);
  }
}

TEST_CASE("random networks are their operations too, and on a mesh what they are on one rank") {
  const random_stream random{.seed = 71};
  std::uint64_t next = 0;
  const std::vector<mesh> meshes = worlds::meshes();
  for (std::size_t round = 0; round < 60; ++round) {
    const operation_list net = any_network(random, next);
    CAPTURE(round);
    const auto expected = by_the_rules(net);
    const found whole = on_one_rank(net);
    CHECK(without_statistics(whole, expected.size()) == expected);
    const mesh& m = meshes[random.below(next++, meshes.size())];
    if (round % 4 == 0) check(net, m, any_cuts(net, m, random, next), whole, round % 8 == 0);
  }
  MESSAGE("networks, seed 71: 60");
}

TEST_CASE("where nothing is bent, gradients say exactly what a change of the weights does, also where paths fork and join") {
  operation_list net({{"batch", 2}, {"channels", 2}, {"height", 5}, {"width", 4}});
  const std::size_t fork = net.convolution("a", 3, three, three);
  const std::size_t one = net.convolution("b", 3, three, three), other = net.convolution("c", 3, three, three, fork);
  net.sum("join", one, other);
  net.flatten("flatten");
  net.dense("d", 2);
  const found before = on_one_rank(net);
  const shape& last = net.shape_of(net.all().size());
  const std::vector<modular> dy = some<modular>(last.elements(), 99);
  std::size_t parameter = 1;
  for (std::size_t i = 0; i < net.all().size(); ++i) {
    if (!contracts(net.all()[i].what)) continue;
    const found after = on_one_rank(net, i);
    const std::vector<modular> change = some<modular>(net.all()[i].parameters[0].elements(), 500);
    CHECK(inner_product(after.values[0], dy) == inner_product(before.values[0], dy) + inner_product(before.values[parameter], change));
    parameter += 2;
  }
}

TEST_CASE("a network on a mesh, its ranks exchanging what is planned, equals one rank: data, tensor, spatial and mixed") {
  const operation_list net = worlds::small_network();
  const found whole = on_one_rank(net);
  const struct {
    const char* on;
    const char* rules;
  } cases[] = {
      {"data=3", "batch:data"},
      {"model=2", "conv*/filters:model,dense*/units:model"},
      {"model=2", "conv*/channels:model,dense*/features:model"},
      {"rows=4", "conv*/height:rows"},
      {"rows=2,columns=2", "conv*/height:rows,conv*/width:columns"},
      {"data=2,model=2", "batch:data,conv*/filters:model,dense*/units:model"},
      {"data=2,model=3", "conv*/batch:data,conv2/channels:model,relu1/height:model,dense1/features:data+model"},
      {"p=4", "conv*/batch:p,dense*/units:p"},
      {"p=5", "conv*/width:p,dense*/units:p"},
      {"data=2,model=3", "batch:data,conv2/channels:model,conv*.output/height:model,dense1.output/units:model"},
  };
  for (const auto& one : cases)
    for (bool overlap : {false, true}) check(net, mesh::parse(one.on), one.rules, whole, overlap);
}

TEST_CASE("pictures with depth on a mesh equal one rank, cut along depth, height, width and all at once, and under every layout that has a name") {
  const operation_list net = worlds::deep_network();
  const found whole = on_one_rank(net);
  const struct {
    const char* on;
    const char* rules;
  } cases[] = {
      {"a=3", "conv*/depth:a"},
      {"a=2,b=2", "depth:a,height:b"},
      {"a=2,b=3", "conv*/depth:b,conv*/width:a"},
      {"a=2,b=2", "conv*/height:b,conv*/width:a,conv2/depth:a,conv2/width:"},
      {"a=2,b=2,c=2", "depth:a,height:b,width:c"},
  };
  for (const auto& one : cases)
    for (bool overlap : {false, true}) check(net, mesh::parse(one.on), one.rules, whole, overlap);
  for (const mesh& m : {mesh{{"ranks", 2}}, mesh{{"data", 2}, {"model", 2}}})
    for (const char* each : {"data", "tensor", "spatial", "hybrid", "auto"}) check(net, m, layout_called(each, net, m).text(), whole);
}

TEST_CASE("layers cut at random equal one rank") {
  const random_stream random{.seed = 70};
  std::uint64_t next = 0;
  std::size_t cases = 0;
  for (const operation_list& net : {worlds::small_network(), worlds::normalised_network()}) {
    const found whole = on_one_rank(net);
    for (const mesh& m : worlds::meshes())
      for (int round = 0; round < 3; ++round) {
        check(net, m, any_cuts(net, m, random, next), whole, round > 0);
        ++cases;
      }
  }
  MESSAGE("layouts, seed 70: " << cases);
}

TEST_CASE("residual blocks under every layout that has a name equal one rank, with more ranks than rows too") {
  const operation_list operations = operations_of(residual_blocks(), 3);
  const found whole = on_one_rank(operations);
  for (const mesh& m : {mesh{{"ranks", 2}}, mesh{{"ranks", 5}}, mesh{{"data", 2}, {"model", 2}}, mesh{{"rows", 2}, {"columns", 2}}})
    for (const char* each : {"data", "tensor", "spatial", "hybrid", "auto"})
      check(operations, m, layout_called(each, operations, m).text(), whole, true);
}
