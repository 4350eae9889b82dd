// Law 3: what the bill says that each rank sends over each set of axes is what the
// links took, forward, in the loss, and backward. Gradients' sums: train/model_bill.cpp.
#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <vector>

#include <tutti/kernel/naive_backend.hpp>
#include <tutti/mesh/bill.hpp>
#include <tutti/nn/networks.hpp>
#include <tutti/nn/sharded_loss.hpp>
#include <tutti/nn/sharded_model.hpp>

#include "../comm/thread_ranks.hpp"

using namespace tutti;

namespace {

using backend = naive_backend<float>;

struct layout_case {
  const char* on;
  const char* rules;
  bool overlap = false;  ///< of halos and what needs none
};

/// By set of axes.
using sent_over = std::vector<std::uint64_t>;

sent_over counted(process_mesh& on) {
  sent_over all;
  for (unsigned axes = 1; axes < 1u << on.shape().axes(); ++axes) all.push_back(on.over(axes).counters().sent().bytes + on.behind(axes).counters().sent().bytes);
  return all;
}
sent_over operator-(sent_over a, const sent_over& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] -= b[i];
  return a;
}

bool passes_back(const bill_item& item) { return is_backward(item.what.why) && item.what.why != cause::parameter_gradient; }

template <class Counts>
sent_over billed(const step_bill& b, const mesh& on, Counts counts) {
  sent_over all;
  for (unsigned axes = 1; axes < 1u << on.axes(); ++axes)
    all.push_back(b.sent([&](const bill_item& item) { return item.what.axes == axes && counts(item); }).bytes);
  return all;
}

struct totals {
  std::atomic<int> wrong{0};
  std::atomic<std::uint64_t> bytes{0};
};

void check(const network& net, std::size_t batch, const layout_case& one, totals& all) {
  const mesh m = mesh::parse(one.on);
  thread_ranks::run(m.size(), [&](communicator& world) {
    backend::context c;
    process_mesh on(world, m);
    sharded_model<backend> model(c, on, net, one.rules, {.usual_batch = batch, .overlap_halo = one.overlap});
    auto& pass = model.pass_for(batch);
    const step_bill says = bill(operations_of(net, batch), model.plan_for(batch), m, on.rank(), sizeof(float), chosen_by_ranks{&on});
    counted(on);  // makes the communicators of all sets of axes
    barrier(world);

    const sent_over first = counted(on);
    model.forward(pass);
    const sent_over forward = counted(on);
    const block& held = pass.output_block();
    const std::vector<std::uint8_t> labels(held[0].count);
    sharded_cross_entropy<float>(on, model.plan_for(batch).tensors.back().lies, held, pass.output(), labels, 1, pass.output_gradient());
    const sent_over lost = counted(on);
    // A layer's gradients are there when all behind it is through.
    std::size_t operation = model.plan_for(batch).operations.size(), left = 0;
    model.backward(pass, [&](const parameter&, span<float>) {
      if (left == 0) {
        do --operation;
        while (model.plan_for(batch).operations[operation].parameters.empty());
        left = model.plan_for(batch).operations[operation].parameters.size();
        all.wrong += counted(on) - lost != billed(says, m, [&](const bill_item& item) { return passes_back(item) && item.what.operation >= operation; });
      }
      --left;
    });
    const sent_over last = counted(on);

    auto is = [&](const sent_over& found, auto counts) {
      all.wrong += found != billed(says, m, counts);
      for (std::uint64_t bytes : found) all.bytes += bytes;
    };
    is(forward - first, [](const bill_item& item) { return !is_backward(item.what.why) && item.what.why != cause::loss; });
    is(lost - forward, [](const bill_item& item) { return item.what.why == cause::loss; });
    is(last - lost, passes_back);
    all.wrong += says.memory.tensors != pass.bytes();
    all.wrong += says.memory.parameters != 2 * sizeof(float) * model.parameters().values().size();
  });
}

}  // namespace

/// A skip that is projected, a window that leaves some rows out, and uneven pieces.
network residual() {
  network net({{"channels", 3}, {"height", 11}, {"width", 7}});
  net.convolution("conv1", {.filters = 6, .kernel = 3, .padding = 1}).batch_norm("norm1").relu("relu1");
  net.convolution("conv2s", {.filters = 5, .stride = 2}).from("relu1");
  net.convolution("conv2a", {.filters = 6, .kernel = 3, .stride = 2, .padding = 1}).relu("relu2");
  net.convolution("conv2b", {.filters = 5, .kernel = 3, .padding = 1}).batch_norm("norm2b");
  return net.sum("sum2", "conv2s").relu("relu3").flatten().dense("dense", {.units = 4});
}

TEST_CASE("the bill of pictures with depth is what links count, and halos have corners") {
  const network net = voxnet({.channels = 1, .depth = 14, .height = 13, .width = 12, .classes = 5});
  totals all;
  for (const layout_case& one : {layout_case{"ranks=2", "conv*/depth:ranks"}, {"a=2,b=2", "conv*/depth:a,conv*/width:b", true}}) check(net, 3, one, all);
  CHECK(all.wrong == 0);
  CHECK(all.bytes > 0);
}

TEST_CASE("the bill of a network's step is what its links count, for every layout and rank") {
  const layout_case layouts[] = {{"ranks=3", "batch:ranks"},
                                 {"ranks=2", "conv*/filters:ranks,dense*/units:ranks"},
                                 {"ranks=3", "conv*/filters:ranks,dense*/units:ranks"},
                                 {"ranks=4", "conv*/height:ranks"},
                                 {"ranks=4", "conv*/height:ranks", true},
                                 {"ranks=3", "conv*/batch:ranks,dense*/units:ranks"},
                                 {"ranks=3", "conv*/channels:ranks,dense*/features:ranks"},
                                 {"data=2,model=2", "batch:data,conv*/filters:model,dense*/units:model"},
                                 {"data=2,model=2", "batch:data,conv*.output/height:model"},
                                 {"rows=2,columns=2", "conv*/height:rows,conv*/width:columns,dense*/units:rows+columns"}};
  for (const layout_case& one : layouts) {
    CAPTURE(std::string(one.rules));
    totals all;
    check(lenet(), 5, one, all);
    CHECK(all.wrong == 0);
    check(residual(), 5, one, all);
    CHECK(all.wrong == 0);
    CHECK((all.bytes > 0 || one.rules == std::string("batch:ranks")));
  }
}
