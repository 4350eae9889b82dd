// What layers cost that are cut over ranks, forward and backward, as ratios in one run:
// over the same layer on one rank's part alone, nothing sent, the two in turns; one
// thread a rank. In front of each stands the thinnest layer that learns, of one channel
// or feature, so that gradients go back through what is measured; it counts in both.
// Gradients' sums are not among it: benchmarks/training has those.
//
//     layers --ranks 2 [ROUNDS]
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tutti/kernel/onednn.hpp>
#include <tutti/mesh/bill.hpp>
#include <tutti/nn/sharded_loss.hpp>
#include <tutti/nn/sharded_model.hpp>

#include "ways.hpp"

namespace {

using namespace tutti;
using benchmarks::measure_in_turns, benchmarks::print_ratio;

struct sizes {
  std::size_t batch = 16, channels = 64, height = 32, width = 32, filters = 64, depth = 1;
};

// How a layer is cut, and what that leaves smaller on a rank: rows and columns of ranks are r and c.
struct cut {
  const char* what;
  const char* rules;
  std::vector<std::size_t sizes::*> parts;  // by r, then by c; of one, by both
};

struct measured_layer {
  const char* what;
  network (*make)(const sizes&);
  sizes whole{};
  std::vector<cut> cuts{};
};

network pictures(const sizes& s) {
  network net({{"channels", 1}, {"height", s.height}, {"width", s.width}});
  net.convolution("first", {.filters = s.channels, .bias = false});
  return net;
}
network volumes(const sizes& s) {
  network net({{"channels", 1}, {"depth", s.depth}, {"height", s.height}, {"width", s.width}});
  net.convolution("first", {.filters = s.channels, .bias = false});
  return net;
}
network features(const sizes& s) {
  network net(shape{{"features", 1}});
  net.dense("first", {.units = s.channels});
  return net;
}

const std::vector<cut> of_pictures = {{"batch", "batch:r+c", {&sizes::batch}},
                                      {"channels", "first/filters:r+c", {&sizes::channels}},
                                      {"height", "height:r+c", {&sizes::height}},
                                      {"width", "width:r+c", {&sizes::width}},
                                      {"height x width", "height:r,width:c", {&sizes::height, &sizes::width}}};

const measured_layer layers[] = {
    {"convolution 3 x 3",
     [](const sizes& s) { return pictures(s).convolution("conv", {.filters = s.filters, .kernel = 3, .padding = 1}); },
     {},
     {{"batch", "batch:r+c", {&sizes::batch}},
      {"filters", "conv/filters:r+c", {&sizes::filters}},
      {"channels", "first/filters:r+c,conv/channels:r+c", {&sizes::channels}},
      {"height", "height:r+c", {&sizes::height}},
      {"width", "width:r+c", {&sizes::width}},
      {"height x width", "height:r,width:c", {&sizes::height, &sizes::width}},
      {"batch x filters", "batch:r,conv/filters:c", {&sizes::batch, &sizes::filters}},
      {"batch x height", "batch:r,height:c", {&sizes::batch, &sizes::height}}}},
    {"convolution 5 x 5, stride 2",
     [](const sizes& s) { return pictures(s).convolution("conv", {.filters = s.filters, .kernel = 5, .stride = 2, .padding = 2}); },
     {},
     {{"batch", "batch:r+c", {&sizes::batch}}, {"filters", "conv/filters:r+c", {&sizes::filters}}, {"height", "height:r+c", {&sizes::height}}}},
    {"convolution 3 x 3, dilation 2",
     [](const sizes& s) { return pictures(s).convolution("conv", {.filters = s.filters, .kernel = 3, .padding = 2, .dilation = 2}); },
     {},
     {{"batch", "batch:r+c", {&sizes::batch}}, {"filters", "conv/filters:r+c", {&sizes::filters}}, {"height", "height:r+c", {&sizes::height}}}},
    // Channels and filters are cut by whole groups, which have 8 of each.
    {"convolution 3 x 3, groups",
     [](const sizes& s) { return pictures(s).convolution("conv", {.filters = s.channels, .kernel = 3, .padding = 1, .groups = s.channels / 8}); },
     {},
     {{"batch", "batch:r+c", {&sizes::batch}}, {"filters", "first/filters:r+c,conv/filters:r+c", {&sizes::channels}}, {"height", "height:r+c", {&sizes::height}}}},
    {"convolution 3 x 3 x 3",
     [](const sizes& s) { return volumes(s).convolution("conv", {.filters = s.filters, .kernel = 3, .padding = 1}); },
     {.batch = 8, .channels = 32, .height = 16, .width = 16, .filters = 32, .depth = 16},
     {{"batch", "batch:r+c", {&sizes::batch}}, {"filters", "conv/filters:r+c", {&sizes::filters}}, {"depth", "depth:r+c", {&sizes::depth}}, {"height", "height:r+c", {&sizes::height}}}},
    {"max pool 3 x 3, stride 2", [](const sizes& s) { return pictures(s).max_pool("pool", {.kernel = 3, .stride = 2, .padding = 1}); }, {}, of_pictures},
    {"average pool 3 x 3, stride 2",
     [](const sizes& s) { return pictures(s).average_pool("pool", {.kernel = 3, .stride = 2, .padding = 1}); },
     {},
     of_pictures},
    {"batch norm", [](const sizes& s) { return pictures(s).batch_norm("norm"); }, {}, of_pictures},
    {"dropout", [](const sizes& s) { return pictures(s).dropout(0.5, "drop"); }, {}, of_pictures},
    {"residual sum",
     [](const sizes& s) { return pictures(s).from("input").convolution("skip", {.filters = s.channels, .bias = false}).sum("sum", "first"); },
     {},
     {{"batch", "batch:r+c", {&sizes::batch}},
      {"channels", "first/filters:r+c,skip/filters:r+c", {&sizes::channels}},
      {"height", "height:r+c", {&sizes::height}},
      {"channels and batch", "first/filters:r+c,skip/batch:r+c", {&sizes::batch}}}},
    {"flatten",
     [](const sizes& s) { return pictures(s).flatten("flat"); },
     {},
     {{"batch", "batch:r+c", {&sizes::batch}}, {"channels", "first/filters:r+c", {&sizes::channels}}, {"height", "first/height:r+c", {&sizes::height}}}},
    {"dense",
     [](const sizes& s) { return features(s).dense("dense", {.units = s.filters}); },
     {.batch = 256, .channels = 1024, .filters = 1024},
     {{"batch", "batch:r+c", {&sizes::batch}},
      {"units", "dense/units:r+c", {&sizes::filters}},
      {"features", "first/units:r+c,dense/features:r+c", {&sizes::channels}},
      {"batch x units", "batch:r,dense/units:c", {&sizes::batch, &sizes::filters}}}},
};

std::size_t part_of(std::size_t whole, int ranks) { return (whole + static_cast<std::size_t>(ranks) - 1) / static_cast<std::size_t>(ranks); }

// Of one model, on one batch, until its gradients are there.
class step {
 public:
  step(onednn::context& cpu, process_mesh& on, const network& net, std::string_view rules, std::size_t batch)
      : model_(cpu, on, net, rules, {.usual_batch = batch}), pass_(&model_.pass_for(batch)), plan_(&model_.plan_for(batch)) {
    std::fill(pass_->input().begin(), pass_->input().end(), 0.5f);
  }
  void operator()() {
    model_.forward(*pass_);
    std::fill(pass_->output_gradient().begin(), pass_->output_gradient().end(), 1.0f);
    model_.backward(*pass_, [](const parameter&, span<float>) {});
  }
  const network_plan& plan() const { return *plan_; }

 private:
  sharded_model<onednn_backend> model_;
  sharded_pass<onednn_backend>* pass_;
  const network_plan* plan_;
};

void measure(process_mesh& on, process_mesh& alone, onednn::context& cpu, const measured_layer& layer, int rounds) {
  const mesh& grid = on.shape();
  for (const cut& by : layer.cuts) {
    if (by.parts.size() > 1 && (grid[0].size == 1 || grid[1].size == 1)) continue;
    sizes mine = layer.whole;
    if (by.parts.size() == 1) mine.*by.parts[0] = part_of(mine.*by.parts[0], grid.size());
    else
      for (int axis = 0; axis < 2; ++axis) mine.*by.parts[static_cast<std::size_t>(axis)] = part_of(mine.*by.parts[static_cast<std::size_t>(axis)], grid[axis].size);
    const network whole = layer.make(layer.whole);
    step sharded(cpu, on, whole, by.rules, layer.whole.batch), part(cpu, alone, layer.make(mine), "", mine.batch);
    const step_bill says = bill(operations_of(whole, layer.whole.batch), sharded.plan(), grid, {0}, sizeof(float), chosen_by_model{grid, {}});
    const std::size_t bytes = says.sent([](const bill_item& x) { return x.what.why != cause::parameter_gradient && x.what.why != cause::loss; }).bytes;
    const auto t = measure_in_turns(on.all(), rounds, {{"", [&] { sharded(); }}, {"", [&] { part(); }}});
    print_ratio(on.all(), format("%s, %s", layer.what, by.what), bytes, t[0], t[0].median / t[1].median, "its part alone");
  }
}

// Softmax and cross-entropy with their gradient.
void loss(process_mesh& on, int rounds) {
  const shape whole{{"batch", 256}, {"classes", 1024}};
  const placement samples = placement{}.sharded(0, 0).sharded(0, 1), classes = placement{}.sharded(1, 0).sharded(1, 1);
  for (const placement& at : {samples, classes}) {
    const block held = block_of(whole, at, on.shape(), on.rank());
    std::vector<float> logits(held.elements()), gradient(held.elements());
    for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i % 7);
    std::vector<std::uint8_t> labels(held[0].count), here(held[0].count);
    for (std::size_t n = 0; n < labels.size(); ++n) labels[n] = static_cast<std::uint8_t>(n), here[n] = static_cast<std::uint8_t>(n % std::max<std::size_t>(held[1].count, 1));
    const bool cut = !at.axes_of(1).empty();
    std::size_t bytes = 0;
    for (const std::size_t each : {sizeof(indexed<float>), 2 * sizeof(float)})
      if (cut) bytes += on.over(3).plan_for({.what = collective::all_reduce, .count = labels.size() * each / sizeof(float), .element = sizeof(float)}).bytes_sent;
    const auto t = measure_in_turns(
        on.all(), rounds,
        {{"", [&] { sharded_cross_entropy<float>(on, at, held, logits, labels, 1, gradient); }},
         {"", [&] { if (!logits.empty()) naive::softmax_cross_entropy<float>(held[1].count, logits, here, 1, gradient); }}});
    print_ratio(on.all(), cut ? "softmax cross-entropy, classes" : "softmax cross-entropy, batch", bytes, t[0], t[0].median / t[1].median, "its part alone");
  }
}

}  // namespace

int main(int argc, char** argv) {
  return tutti::run(argc, argv, [&](tutti::communicator& world) {
    const int rounds = benchmarks::rounds_of(argc, argv, "layers", 20);
    benchmarks::print_head(world, "layers", rounds);
    int r = 1;
    for (int d = 2; d * d <= world.size(); ++d)
      if (world.size() % d == 0) r = d;
    process_mesh on(world, {{"r", r}, {"c", world.size() / r}});
    std::optional<communicator> self = world.split(world.rank());
    process_mesh alone(*self, mesh{});
    onednn::context cpu(1);
    for (const measured_layer& layer : layers) measure(on, alone, cpu, layer, rounds);
    loss(on, rounds);
  });
}
