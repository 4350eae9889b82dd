// Law 3, of whole steps: what every rank's links take is what the bill says, gradients in
// buckets included.
#include <tutti/train/model_bill.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <string>
#include <vector>

#include <tutti/kernel/naive_backend.hpp>
#include <tutti/mesh/named_layout.hpp>
#include <tutti/nn/networks.hpp>

#include "../comm/thread_ranks.hpp"
#include "stripes.hpp"

using namespace tutti;

namespace {

using backend = naive_backend<float>;

struct totals {
  std::atomic<int> wrong{0};
  std::atomic<std::uint64_t> sent{0};
};

/// One step; `look(bill)` says whether the bill of this rank is as it should be.
template <class Look>
void count(const network& net, const mesh& m, const std::string& rules, std::size_t batch, const bucket_options& buckets, totals& all, Look look) {
  const layout cut = layout_called(rules, operations_of(net, batch), m);
  thread_ranks::run(m.size(), [&](communicator& world) {
    backend::context c;
    process_mesh on(world, m);
    sharded_model<backend> model(c, on, net, cut, {.usual_batch = batch});
    const std::uint64_t counted = count_step(model, batch, buckets);
    const step_bill says = bill_of(model, batch, buckets);
    all.wrong += counted != says.sent().bytes;
    all.wrong += says.memory.tensors != model.pass_for(batch).bytes();
    all.wrong += says.memory.parameters != 2 * sizeof(float) * model.parameters().values().size();
    all.wrong += !look(says);
    all.sent += counted;
  });
}
void count(const network& net, const char* on, const std::string& rules, std::size_t batch, totals& all, const bucket_options& buckets = {}) {
  count(net, mesh::parse(on), rules, batch, buckets, all, [](const step_bill&) { return true; });
}

/// The same network with a part of the filters and units, but for the classes.
network thin(network net, std::size_t divisor) {
  for (layer& o : net.layers)
    if (o.has_weights() && &o != &net.layers.back()) o.outputs /= divisor;
  return net;
}

/// Every operation: groups, dilation, padding on both sides of an average, dropout, a sum.
network every_operation() {
  network net({{"channels", 2}, {"height", 12}, {"width", 9}});
  net.convolution("conv1", {.filters = 4, .kernel = 3, .padding = 2, .dilation = 2, .groups = 2}).relu("relu1");
  net.max_pool("pool1", {.kernel = 3, .stride = 1, .padding = 1});
  net.convolution("conv2", {.filters = 4, .kernel = 3, .padding = 1, .bias = false}).batch_norm("norm2");
  net.sum("sum", "relu1").relu("relu2").average_pool("pool2", {.kernel = 3, .stride = 2, .padding = 1}).dropout(0.25);
  net.flatten().dense("dense1", {.units = 8}).batch_norm("norm3").relu("relu3").dropout(0.5);
  return net.dense("dense2", {.units = 5});
}

}  // namespace

TEST_CASE("a step of training sends what its bill says, however small the buckets") {
  for (const auto& [on, rules] : {std::array{"data=3", "batch:data"}, std::array{"p=4", "a/height:p,b/units:p,c/units:p"},
                                  std::array{"data=2,model=2", "batch:data,a/filters:model,b/units:model"},
                                  std::array{"p=3", "a/batch:p,b/units:p,c/units:p"}})
    for (std::size_t bytes : {64u, 1u << 20}) {
      CAPTURE(std::string(rules));
      totals all;
      count(stripes::small_network(), on, rules, 8, all, {.bytes = bytes});
      CHECK(all.wrong == 0);
      CHECK(all.sent > 0);
    }
}

TEST_CASE("every network sends what its bill says, and allocates it, under every layout that has a name") {
  const struct {
    const char* label;
    network net;
  } networks[] = {{"every operation", every_operation()},
                  {"lenet", thin(lenet(), 4)},
                  {"alexnet", thin(alexnet({.height = 67, .width = 67, .classes = 6}), 16)},
                  {"vgg16", thin(vgg16({.classes = 6}), 32)},
                  {"resnet18", thin(resnet18({.height = 16, .width = 16}), 32)},
                  {"resnet50", thin(resnet50({.height = 16, .width = 16}), 32)},
                  {"voxnet", thin(voxnet(), 8)},
                  {"resnet152", thin(resnet152({.height = 8, .width = 8}), 32)}};
  for (const auto& [label, net] : networks)
    for (const char* on : {"ranks=2", "ranks=4", "data=2,model=2"})
      for (const char* rules : {"data", "tensor", "spatial", "hybrid", "auto"}) {
        CAPTURE(std::string(label));
        CAPTURE(std::string(on));
        CAPTURE(std::string(rules));
        totals all;
        count(net, on, rules, 4, all);
        CHECK(all.wrong == 0);
        CHECK(all.sent > 0);
      }
}

TEST_CASE("every operation sends what its bill says, whichever of its dimensions is cut") {
  for (const char* dimension : {"batch", "channels", "filters", "height", "width", "features", "units"}) {
    CAPTURE(std::string(dimension));
    totals all;
    count(every_operation(), "p=2", std::string(dimension) + ":p", 5, all);
    CHECK(all.wrong == 0);
    CHECK(all.sent > 0);
  }
}

TEST_CASE("with rings and sizes that divide, what is counted is what the formulas say") {
  // Words per rank of Y[B,N] = X[B,K]·W[K,N], and of a convolution. An all-reduce is its two halves where X comes in
  // pieces of the batch, a gather forward and a scattered sum of dX.
  const std::size_t B = 8, K = 32, N = 16, C = 4, F = 16, H = 8, W = 4;
  network product({{"channels", 16}, {"height", 1}, {"width", 1}});
  product.flatten().dense("first", {.units = K}).dense("y", {.units = N}).relu("last");
  network pictures({{"channels", 4}, {"height", H}, {"width", W}});
  pictures.convolution("first", {.filters = C}).convolution("y", {.filters = F, .kernel = 3, .padding = 1}).relu("last").flatten();
  const std::size_t made = B * F * H * W, read = B * C * H * W, first = 16 * K + K, halo = B * C * W;
  struct expected {
    cause why;  // of y and its result, or all gradients of parameters
    std::size_t words;
  };
  const struct {
    const network& net;
    const char* on;
    const char* rules;
    std::vector<expected> all;
  } cases[] = {
      {product, "p=4", "batch:p",
       {{cause::operand, 0}, {cause::result, 0}, {cause::operand_gradient, 0}, {cause::parameter_gradient, 2 * (first + K * N + N) * 3 / 4}}},
      {product, "p=4", "first/batch:p,y/units:p",
       {{cause::operand, B * K * 3 / 4}, {cause::result, 0}, {cause::operand_gradient, B * K * 3 / 4}, {cause::parameter_gradient, 2 * first * 3 / 4}}},
      {product, "p=4", "y/features:p", {{cause::result, 2 * B * N * 3 / 4}, {cause::result_gradient, 0}, {cause::operand_gradient, 0}}},
      {product, "p=4", "y/features:p,last/batch:p", {{cause::result, B * N * 3 / 4}, {cause::result_gradient, B * N * 3 / 4}}},
      {product, "r=2,c=2", "first/batch:r+c,y/batch:r,y/units:c",
       {{cause::operand, B * K / 2 / 2}, {cause::result, 0}, {cause::operand_gradient, B * K / 2 / 2},
        {cause::parameter_gradient, 2 * (K * N + N) / 2 / 2 + 2 * first * 3 / 4}}},
      {pictures, "p=4", "batch:p", {{cause::operand, 0}, {cause::operand_gradient, 0}, {cause::parameter_gradient, 2 * (C * C + 16 + F * C * 9 + F) * 3 / 4}}},
      {pictures, "p=4", "first/batch:p,y/filters:p", {{cause::operand, read * 3 / 4}, {cause::operand_gradient, read * 3 / 4}}},
      {pictures, "p=4", "y/channels:p", {{cause::result, 2 * made * 3 / 4}, {cause::result_gradient, 0}, {cause::operand_gradient, 0}}},
      {pictures, "p=2", "first/height:p,y/height:p", {{cause::halo, halo}, {cause::halo_gradient, halo}, {cause::operand, 0}}},
  };
  ::setenv("TUTTI_ALGORITHM", "ring", 1);
  for (const auto& [net, on, rules, all] : cases) {
    CAPTURE(std::string(rules));
    std::size_t y = 0;
    while (net.layers[y].label != name("y")) ++y;
    totals found;
    count(net, mesh::parse(on), rules, B, {}, found, [&, &expects = all](const step_bill& says) {
      bool right = true;
      for (const expected& e : expects) {
        auto counts = [&](const step_exchange& x) {
          if (e.why == cause::parameter_gradient) return x.why == e.why;
          // What y makes may be moved where the next one takes it.
          const cause next = e.why == cause::result ? cause::operand : cause::operand_gradient;
          const bool made_here = e.why == cause::result || e.why == cause::result_gradient;
          return (x.operation == y && x.why == e.why) || (made_here && x.operation == y + 1 && x.why == next);
        };
        right &= says.sent([&](const bill_item& item) { return counts(item.what); }).bytes == e.words * sizeof(float);
      }
      return right;
    });
    CHECK(found.wrong == 0);
  }
  ::unsetenv("TUTTI_ALGORITHM");
}
