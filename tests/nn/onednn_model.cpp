#include <tutti/nn/sharded_model.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <type_traits>
#include <vector>

#include <tutti/kernel/naive_backend.hpp>
#include <tutti/kernel/onednn.hpp>
#include <tutti/mesh/named_layout.hpp>
#include <tutti/nn/networks/lenet.hpp>

#include "../comm/thread_ranks.hpp"
#include "../kernel/data.hpp"

using namespace tutti;

namespace {

using exact_backend = naive_backend<double>;

/// Small whole numbers, most of them 0.
template <class T>
std::vector<T> whole_numbers(std::size_t count, std::uint64_t seed, std::uint64_t one_in, bool negative) {
  random_stream random{.seed = seed, .purpose = 3};
  std::vector<T> all(count, T{});
  for (std::size_t i = 0; i < count; ++i)
    if (random.below(2 * i, one_in) == 0) all[i] = static_cast<T>(negative && random.below(2 * i + 1, 2) ? -1 : 1);
  return all;
}

/// What a rank has of the output, or of a parameter's gradient, added up.
struct part {
  block held;
  std::vector<double> values;
};

struct run_options {
  std::size_t batch = 5, usual = 5;
  int threads = 1;
  bool overlap = false;    ///< of halos and what needs none
  bool magnitude = false;  ///< nothing is negative: what comes out bounds the sums of absolute values
};

/// A step on whole numbers: of every rank the output, then each parameter's gradient.
/// Evaluation gives the same output.
template <class Backend>
std::vector<std::vector<part>> everything(const network& net, const mesh& m, const layout& rules, const run_options& o) {
  using T = typename Backend::element;
  std::vector<std::vector<part>> all(static_cast<std::size_t>(m.size()));
  thread_ranks::run(m.size(), [&](communicator& world) {
    typename Backend::context c = [&] {
      if constexpr (std::is_constructible_v<typename Backend::context, int>) return typename Backend::context(o.threads);
      else return typename Backend::context();
    }();
    process_mesh on(world, m);
    sharded_model<Backend> model(c, on, net, rules, {.usual_batch = o.usual, .overlap_halo = o.overlap});
    for (const parameter& p : model.whole())
      model.write(p.index, whole_numbers<T>(p.dims.elements(), p.index, p.fan_in > 100 ? 16 : 3, !o.magnitude));
    auto fill = [&](const block& held, const shape& whole, std::uint64_t seed, std::uint64_t one_in, span<T> into) {
      const std::vector<T> values = whole_numbers<T>(whole.elements(), seed, one_in, !o.magnitude);
      copy_block(held, block(whole), values.data(), held, into.data());
    };
    std::vector<part>& mine = all[static_cast<std::size_t>(world.rank())];
    auto add = [&](const block& held, const auto& values) { mine.push_back({held, {values.begin(), values.end()}}); };
    const shape in = batch_of(net, o.batch), out = shapes_of(net, o.batch).back();
    for (purpose why : {purpose::evaluation, purpose::training}) {
      auto& pass = model.pass_for(o.batch, why);
      fill(pass.input_block(), in, 50, 2, pass.input());
      model.forward(pass);
      add(pass.output_block(), pass.output());
    }
    auto& pass = model.pass_for(o.batch);
    fill(pass.output_block(), out, 51, 1, pass.output_gradient());
    model.backward(pass, [&](const parameter& p, span<T> gradient) {
      if (model.sums()[p.index] != 0) all_reduce(on.over(model.sums()[p.index]), gradient, plus{});
    });
    for (const parameter& p : model.whole()) add(model.held_of(p.index), model.read_gradient(p.index));
  });
  return all;
}

/// On one rank, exactly. Where sums of absolute values stay below 2²⁴ of the smallest
/// digit that there is, every sum of a float is exact in any order.
std::vector<part> exact(const network& net, std::size_t batch, double digit = 1) {
  double greatest = 0;
  const std::vector<part> sizes = everything<exact_backend>(net, mesh{}, layout(), {.batch = batch, .usual = batch, .magnitude = true})[0];
  for (const part& each : sizes)
    for (double v : each.values) greatest = std::max(greatest, v);
  CAPTURE(greatest);
  REQUIRE(greatest < 0x1p24 * digit);
  return everything<exact_backend>(net, mesh{}, layout(), {.batch = batch, .usual = batch})[0];
}

std::size_t different(const std::vector<std::vector<part>>& found, const std::vector<part>& whole) {
  std::size_t wrong = 0;
  for (const std::vector<part>& mine : found) {
    REQUIRE(mine.size() == whole.size());
    for (std::size_t k = 0; k < mine.size(); ++k) {
      std::vector<double> expected(mine[k].held.elements());
      copy_block(mine[k].held, whole[k].held, whole[k].values.data(), mine[k].held, expected.data());
      wrong += mine[k].values != expected;
    }
  }
  return wrong;
}

/// No norms: skips with and without a projection, groups, averages, a sum of a
/// convolution's blocked channels with pictures as they come in.
network residual_network() {
  network net({{"channels", 16}, {"height", 8}, {"width", 8}});
  net.relu("in").convolution("a", {.filters = 16, .kernel = 3, .padding = 1}).sum("early", "in").relu("r1");
  net.convolution("b", {.filters = 16, .kernel = 3, .padding = 1, .groups = 2, .bias = false}).sum("late", "r1").relu("r2");
  net.convolution("s", {.filters = 32, .stride = 2, .bias = false});
  net.from("r2").convolution("c", {.filters = 32, .kernel = 3, .stride = 2, .padding = 1}).sum("projected", "s").relu("r3");
  return net.average_pool("p", {.kernel = 2, .stride = 2}).max_pool("q").flatten().dense("d", {.units = 6});
}

}  // namespace

TEST_CASE("On whole numbers LeNet by oneDNN is LeNet by the naive kernels, bit for bit") {
  for (std::size_t batch : {std::size_t{1}, std::size_t{5}, std::size_t{32}}) {
    CAPTURE(batch);
    const std::vector<part> expected = exact(lenet(), batch);
    for (std::size_t usual : {batch, std::size_t{32}})
      for (int threads : {1, 2})
        CHECK(different(everything<onednn_backend>(lenet(), mesh{}, layout(), {.batch = batch, .usual = usual, .threads = threads}), expected) == 0);
  }
}

TEST_CASE("Cut over a mesh, LeNet by oneDNN is still that, bit for bit, whatever formats its ranks would choose") {
  const std::vector<part> expected = exact(lenet(), 5);
  const struct {
    const char* on;
    const char* rules;
    std::size_t usual;
  } layouts[] = {{"data=2", "batch:data", 5},
                 {"data=2", "batch:data", 1},  // of which the second rank gets nothing, and would keep weights row-major
                 {"model=2", "conv*/filters:model,dense*/units:model", 5},
                 {"rows=3", "conv*/height:rows", 5},
                 {"p=2", "conv*/batch:p,dense*/units:p", 5}};
  for (const auto& one : layouts) {
    CAPTURE(std::string(one.rules));
    CHECK(different(everything<onednn_backend>(lenet(), mesh::parse(one.on), std::string_view(one.rules), {.usual = one.usual}), expected) == 0);
  }
  // A step in which the second rank has no sample.
  CHECK(different(everything<onednn_backend>(lenet(), mesh{{"data", 2}}, "batch:data", {.batch = 1}), exact(lenet(), 1)) == 0);
}

TEST_CASE("A rank that has nothing to do keeps a convolution's weights as the others like them") {
  network net({{"channels", 3}, {"height", 2}, {"width", 8}});
  net.convolution("a", {.filters = 17, .kernel = 3, .padding = 1}).relu().convolution("b", {.filters = 19, .kernel = 3, .padding = 1});
  auto stored = [&](const mesh& m, const layout& rules) {
    std::vector<std::vector<std::size_t>> all(static_cast<std::size_t>(m.size()));
    thread_ranks::run(m.size(), [&](communicator& world) {
      onednn_backend::context c(1);
      process_mesh on(world, m);
      sharded_model<onednn_backend> model(c, on, net, rules, {.usual_batch = 1});
      for (const parameter& p : model.parameters().parameters()) all[static_cast<std::size_t>(world.rank())].push_back(p.stored);
    });
    return all;
  };
  const std::vector<std::size_t> alone = stored(mesh{}, "")[0];
  for (const auto& of : stored(mesh{{"r", 2}}, "batch:r")) CHECK(of == alone);
  for (const auto& of : stored(mesh{{"r", 3}}, "a/height:r,b/height:r")) CHECK(of == alone);
}

TEST_CASE("Residual blocks, groups and averages by oneDNN are the naive ones, bit for bit, in every layout that has a name") {
  const network net = residual_network();
  const std::vector<part> expected = exact(net, 5, 0.25);
  CHECK(different(everything<onednn_backend>(net, mesh{}, layout(), {.threads = 2}), expected) == 0);
  for (const mesh& m : {mesh{{"ranks", 2}}, mesh{{"ranks", 3}}, mesh{{"data", 2}, {"model", 2}}})
    for (const char* each : {"data", "tensor", "spatial", "hybrid"}) {
      CAPTURE(each);
      CAPTURE(m.text());
      CHECK(different(everything<onednn_backend>(net, m, layout_called(each, operations_of(net, 5), m), {.overlap = m.axes() == 1}), expected) == 0);
    }
}

TEST_CASE("A pass that only evaluates takes less memory, and one that trains less than all tensors and gradients") {
  thread_ranks::run(1, [](communicator& world) {
    onednn_backend::context c(1);
    process_mesh on(world, mesh{});
    sharded_model<onednn_backend> m(c, on, lenet(), std::string_view(""), {.usual_batch = 32});
    auto& training = m.pass_for(32);
    std::size_t all = 0;
    for (const shape& s : shapes_of(lenet(), 32)) all += s.elements() * sizeof(float);
    MESSAGE("bytes of a pass over 32 digits: ", training.bytes(), " to train, ", m.pass_for(32, purpose::evaluation).bytes(), " to evaluate, ",
            all, " of all tensors");
    CHECK(m.pass_for(32, purpose::evaluation).bytes() < training.bytes());
    CHECK(training.bytes() < 2 * all);
    m.forward(training);
    m.backward(training, [](const parameter&, span<float>) {});
    const std::size_t before = c.reorders();
    m.forward(training);
    m.backward(training, [](const parameter&, span<float>) {});
    CHECK(c.reorders() - before <= 4);  // of weights, for a convolution's input gradient
  });
}

TEST_CASE("The same step twice gives the same bits") {
  std::vector<std::vector<float>> results;
  for (int time = 0; time < 2; ++time)
    thread_ranks::run(1, [&](communicator& world) {
      onednn_backend::context c(2);
      process_mesh on(world, mesh{});
      sharded_model<onednn_backend> m(c, on, lenet(), layout(), {.seed = 5, .usual_batch = 19});
      auto& run = m.pass_for(19);
      const auto x = some<float>(run.input().size(), 1), dy = some<float>(run.output().size(), 2);
      std::copy(x.begin(), x.end(), run.input().begin());
      m.forward(run);
      std::copy(dy.begin(), dy.end(), run.output_gradient().begin());
      m.backward(run, [](const parameter&, span<float>) {});
      results.emplace_back(m.parameters().gradients().begin(), m.parameters().gradients().end());
    });
  CHECK(results[0] == results[1]);
}

TEST_CASE("Networks may end in pictures, begin with a ReLU, and end flat") {
  network net({{"channels", 3}, {"height", 6}, {"width", 5}});
  net.relu("r").convolution("a", {.filters = 17, .kernel = 3}).flatten();
  CHECK(shapes_of(net, 2).back().elements() == 2 * 17 * 4 * 3);
  CHECK(different(everything<onednn_backend>(net, mesh{}, layout(), {.batch = 2, .usual = 2}), exact(net, 2)) == 0);
}
