#include <tutti/nn/model.hpp>

#include <cmath>

#include <doctest/doctest.h>

#include <tutti/kernel/naive_backend.hpp>
#include <tutti/kernel/onednn.hpp>
#include <tutti/nn/networks/lenet.hpp>
#include <tutti/nn/sharded_model.hpp>

#include "../comm/thread_ranks.hpp"
#include "../kernel/data.hpp"

using namespace tutti;

namespace {

/// Small whole numbers, most of them 0.
template <class T>
std::vector<T> whole_numbers(std::size_t count, std::uint64_t seed, std::uint64_t one_in, bool negative) {
  random_stream random{.seed = seed, .purpose = 3};
  std::vector<T> all(count, T{});
  for (std::size_t i = 0; i < count; ++i)
    if (random.below(2 * i, one_in) == 0) all[i] = static_cast<T>(negative && random.below(2 * i + 1, 2) ? -1 : 1);
  return all;
}

/// Output, then all gradients, row-major, of LeNet on `batch` samples; `magnitude`: of absolute values.
template <class Backend>
std::vector<double> everything(model<Backend>& m, std::size_t batch, bool magnitude) {
  using T = typename Backend::element;
  for (const parameter& p : m.parameters().parameters())
    m.write(p, whole_numbers<T>(p.dims.elements(), p.index, p.fan_in > 100 ? 16 : 3, !magnitude));
  auto& run = m.pass_for(batch, purpose::training);
  auto x = whole_numbers<T>(run.input().size(), 50, 2, !magnitude),
       dy = whole_numbers<T>(run.output().size(), 51, 1, !magnitude);
  for (std::size_t i = 0; i < x.size(); ++i) run.input()[i] = x[i];
  m.forward(run);
  std::vector<double> all(run.output().begin(), run.output().end());
  for (std::size_t i = 0; i < dy.size(); ++i) run.output_gradient()[i] = dy[i];
  m.backward(run, [](const parameter&, span<T>) {});
  for (const parameter& p : m.parameters().parameters())
    for (T v : m.read_gradient(p)) all.push_back(static_cast<double>(v));
  return all;
}

}  // namespace

TEST_CASE("On whole numbers LeNet by oneDNN is LeNet by the naive kernels, bit for bit") {
  for (std::size_t batch : {std::size_t{1}, std::size_t{5}, std::size_t{32}}) {
    CAPTURE(batch);
    naive_backend<double>::context plain;
    model<naive_backend<double>> exact(plain, lenet(), {.usual_batch = batch});
    // Where the sum of the absolute values stays below 2²⁴, every sum of a float is exact in any order.
    double greatest = 0;
    for (double v : everything(exact, batch, true)) greatest = std::max(greatest, v);
    REQUIRE(greatest < 0x1p24);
    const auto expected = everything(exact, batch, false);
    for (std::size_t usual : {batch, std::size_t{32}})
      for (int threads : {1, 2}) {
        onednn_backend::context c(threads);
        model<onednn_backend> fast(c, lenet(), {.usual_batch = usual});
        const auto got = everything(fast, batch, false);
        REQUIRE(got.size() == expected.size());
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < got.size(); ++i) wrong += got[i] != expected[i];
        CHECK(wrong == 0);
      }
  }
}

TEST_CASE("Cut over a mesh, LeNet by oneDNN is still that, bit for bit, whatever formats its ranks would choose") {
  const std::size_t batch = 5;
  naive_backend<double>::context plain;
  model<naive_backend<double>> exact(plain, lenet(), {.usual_batch = batch});
  const auto expected = everything(exact, batch, false);
  const struct {
    const char* on;
    const char* rules;
    std::size_t usual;
  } layouts[] = {{"", "", 5},
                 {"data=2", "batch:data", 5},
                 {"data=2", "batch:data", 1},  // of which the second rank gets nothing, and would keep weights row-major
                 {"model=2", "conv*/filters:model,dense*/units:model", 5},
                 {"rows=3", "conv*/height:rows", 5},
                 {"p=2", "conv*/batch:p,dense*/units:p", 5}};
  for (const auto& one : layouts) {
    CAPTURE(std::string(one.rules));
    const mesh m = mesh::parse(one.on);
    std::size_t wrong = 0;
    thread_ranks::run(m.size(), [&](communicator& world) {
      onednn_backend::context c(1);
      process_mesh on(world, m);
      sharded_model<onednn_backend> cut(c, on, lenet(), one.rules, {.usual_batch = one.usual});
      for (const parameter& p : cut.whole()) cut.write(p.index, whole_numbers<float>(p.dims.elements(), p.index, p.fan_in > 100 ? 16 : 3, true));
      auto fill = [](const block& held, const shape& all, const std::vector<float>& from, span<float> into) {
        copy_block(held, block(all), from.data(), held, into.data());
      };
      const shape in = batch_of(lenet(), batch), out{{"n", batch}, {"u", 10}};
      std::size_t different = 0, next = 0;
      auto compare = [&](const block& held, const shape& all, const std::vector<float>& found) {
        std::vector<float> whole(expected.begin() + static_cast<std::ptrdiff_t>(next), expected.begin() + static_cast<std::ptrdiff_t>(next + all.elements()));
        std::vector<float> mine(held.elements());
        fill(held, all, whole, mine);
        different += mine != found;
        next += all.elements();
      };
      for (purpose why : {purpose::evaluation, purpose::training}) {
        auto& run = cut.pass_for(batch, why);
        fill(run.input_block(), in, whole_numbers<float>(in.elements(), 50, 2, true), run.input());
        cut.forward(run);
        next = 0;
        compare(run.output_block(), out, {run.output().begin(), run.output().end()});
      }
      auto& run = cut.pass_for(batch);
      fill(run.output_block(), out, whole_numbers<float>(out.elements(), 51, 1, true), run.output_gradient());
      cut.backward(run);
      for (const parameter& p : cut.whole()) compare(cut.held_of(p.index), p.dims, cut.read_gradient(p.index));
      all_reduce(world, span<std::size_t>(&different, 1), plus{});
      if (world.rank() == 0) wrong = different;
    });
    CHECK(wrong == 0);
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
    m.backward(training);
    const std::size_t before = c.reorders();
    m.forward(training);
    m.backward(training);
    CHECK(c.reorders() - before <= 4);  // of weights, for a convolution's input gradient
  });
}

TEST_CASE("From step to step no picture changes its format, and at most each layer's weights do") {
  onednn_backend::context c(1);
  model<onednn_backend> m(c, lenet(), {.usual_batch = 32});
  auto& run = m.pass_for(32, purpose::training);
  m.forward(run);
  m.backward(run, [](const parameter&, span<float>) {});
  const std::size_t before = c.reorders();
  m.forward(run);
  m.backward(run, [](const parameter&, span<float>) {});
  const std::size_t a_step = c.reorders() - before;
  MESSAGE("reorders a step: ", a_step);
  CHECK(a_step <= 4);
  // The format of the parameters is the usual batch's, whatever is run.
  model<onednn_backend> same(c, lenet(), {.usual_batch = 32});
  same.pass_for(5, purpose::training);
  CHECK(same.format_fingerprint() == m.format_fingerprint());
}

TEST_CASE("The same step twice gives the same bits") {
  onednn_backend::context c(2);
  std::vector<std::vector<float>> results;
  for (int time = 0; time < 2; ++time) {
    model<onednn_backend> m(c, lenet(), {.seed = 5, .usual_batch = 19});
    auto& run = m.pass_for(19, purpose::training);
    auto x = some<float>(run.input().size(), 1), dy = some<float>(run.output().size(), 2);
    for (std::size_t i = 0; i < x.size(); ++i) run.input()[i] = x[i];
    m.forward(run);
    for (std::size_t i = 0; i < dy.size(); ++i) run.output_gradient()[i] = dy[i];
    m.backward(run, [](const parameter&, span<float>) {});
    results.emplace_back(m.parameters().gradients().begin(), m.parameters().gradients().end());
  }
  CHECK(results[0] == results[1]);
}

TEST_CASE("Networks may end in pictures, begin with a ReLU, and end flat") {
  network net({{"channels", 3}, {"height", 6}, {"width", 5}});
  net.relu("r").convolution("a", {.filters = 17, .kernel = 3}).flatten();
  naive_backend<double>::context plain;
  onednn_backend::context c(1);
  model<naive_backend<double>> exact(plain, net, {.usual_batch = 2});
  model<onednn_backend> fast(c, net, {.usual_batch = 2});
  CHECK(shapes_of(net, 2).back().elements() == 2 * 17 * 4 * 3);
  CHECK(everything(fast, 2, false) == everything(exact, 2, false));
}
