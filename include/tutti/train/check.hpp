#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tutti/comm/collectives.hpp>
#include <tutti/train/bucketed_all_reduce.hpp>
#include <tutti/train/trainer.hpp>
#include <tutti/train/random_pictures.hpp>
#include <tutti/train/sgd.hpp>

namespace tutti {

struct check_options {
  std::size_t batch = 64;
  std::size_t steps = 3;
  std::uint64_t seed = 1;    ///< of the pictures and of the first weights
  int permutations = 4;      ///< of the samples of each batch, on one rank
  double learning_rate = 0.01;
};

/// The largest differences between two runs.
struct run_difference {
  double loss = 0, outputs = 0, parameters = 0;
  std::string parameter = {};  ///< in which it is
};

/// A run on a mesh beside one on one rank, and how far the order of samples leads there.
struct check_report {
  run_difference found{}, spread{};
  std::size_t steps = 0;

  /// How far rounding may move the loss on one rank: by twice what it moves the logits
  /// at most, which the order of samples may show only in these.
  double loss_spread() const { return std::max(spread.loss, 2 * spread.outputs); }

  /// Law 1: no more than four times the spread.
  bool passed() const {
    return found.loss <= 4 * loss_spread() && found.outputs <= 4 * spread.outputs && found.parameters <= 4 * spread.parameters;
  }
  std::string text() const {
    std::string all = format("%zu steps beside one rank, the largest differences (other orders of samples on one rank: up to):\n", steps);
    auto say = [&](const char* what, double difference, double bound, const std::string& where) {
      all += format("  %s %.3g (%.3g)%s%s\n", what, difference, bound, where.empty() ? "" : (", in " + where).c_str(),
                    difference <= 4 * bound ? "" : ": more than four times that");
    };
    say("loss", found.loss, loss_spread(), "");
    say("outputs", found.outputs, spread.outputs, "");
    say("parameters", found.parameters, spread.parameters, found.parameter);
    return all + (passed() ? "PASS\n" : "FAIL\n");
  }
};

namespace detail {

/// What a run comes to, one behind the other: the loss, the outputs of the first
/// batch afterwards, and all parameters.
template <class Backend>
std::vector<double> trained_values(typename Backend::context& c, process_mesh& on, const network& net, const layout& rules, const dataset& data,
                                   const check_options& o, std::uint64_t inner_seed) {
  using element = typename Backend::element;
  sharded_model<Backend> model(c, on, net, rules, {.seed = o.seed, .usual_batch = o.batch});
  sgd<element> optimiser(model.parameters(), {.learning_rate = o.learning_rate, .momentum = 0.9});
  bucketed_all_reduce policy(model);
  trainer trainer(model, policy, optimiser, data, {.batch = o.batch, .seed = o.seed, .inner_seed = inner_seed});
  std::vector<double> all{trainer.train_epoch(0).loss};

  auto& pass = model.pass_for(o.batch);
  const sample_reader reader(data);
  const shape whole = batch_of(net, o.batch);
  std::vector<element> pictures(whole.elements());
  std::vector<std::uint8_t> labels(o.batch);
  reader.read([](std::size_t i) { return i; }, pictures, labels);
  copy_block(pass.input_block(), block(whole), pictures.data(), pass.input_block(), pass.input().data());
  model.forward(pass);
  const shape made = shapes_of(net, o.batch).back();
  std::vector<element> outputs(made.elements());
  resharding<element> together(on, made, model.plan_for(o.batch).tensors.back().lies, placement{});
  const span<element> mine = pass.output();
  together(span<const element>(mine.data(), mine.size()), outputs);
  all.insert(all.end(), outputs.begin(), outputs.end());
  for (std::size_t i = 0; i < model.whole().size(); ++i)
    for (element value : model.read(i)) all.push_back(static_cast<double>(value));
  return all;
}

inline run_difference difference(const std::vector<double>& a, const std::vector<double>& b, const network& net, std::size_t batch) {
  run_difference d{.loss = std::abs(a[0] - b[0])};
  std::size_t at = 1;
  auto largest = [&](std::size_t count) {
    double most = 0;
    for (const std::size_t end = at + count; at < end; ++at) {
      const double here = std::abs(a[at] - b[at]);
      if (!std::isnan(most) && !(here <= most)) most = here;  // what is no number differs most
    }
    return most;
  };
  d.outputs = largest(shapes_of(net, batch).back().elements());
  for (const parameter& p : parameters_of(net)) {
    const double here = largest(p.dims.elements());
    if (here <= d.parameters || std::isnan(d.parameters)) continue;
    d.parameters = here;
    d.parameter = p.label.text();
  }
  return d;
}

}  // namespace detail

/// Trains a few steps on random pictures, on the mesh and on one rank, where other
/// orders of the samples in each batch show how far rounding leads. Collective; the same
/// report on every rank. Cost: the runs on one rank are shared out among the ranks.
template <class Backend>
check_report check_against_one_rank(typename Backend::context& c, process_mesh& on, const network& net, const layout& rules,
                                    const check_options& o = {}) {
  const dataset data = random_pictures(net, o.steps * o.batch, o.seed);
  const std::vector<double> here = detail::trained_values<Backend>(c, on, net, rules, data, o, 0);
  communicator& world = on.all();
  std::optional<communicator> self = world.split(world.rank());
  process_mesh alone(*self, mesh{});
  check_report report{.steps = o.steps};
  std::vector<double> one(here.size()), other(here.size());
  std::vector<std::vector<double>> mine;
  for (int run = world.rank(); run <= o.permutations; run += world.size())
    mine.push_back(detail::trained_values<Backend>(c, alone, net, layout(), data, o, static_cast<std::uint64_t>(run)));
  for (int run = 0; run <= o.permutations; ++run) {
    std::vector<double>& into = run == 0 ? one : other;
    const int owner = run % world.size();
    if (owner == world.rank()) into = mine[static_cast<std::size_t>(run / world.size())];
    broadcast(world, into, owner);
    if (run == 0) {
      report.found = detail::difference(one, here, net, o.batch);
      continue;
    }
    const run_difference d = detail::difference(one, other, net, o.batch);
    report.spread.loss = std::max(report.spread.loss, d.loss);
    report.spread.outputs = std::max(report.spread.outputs, d.outputs);
    report.spread.parameters = std::max(report.spread.parameters, d.parameters);
  }
  return report;
}

}  // namespace tutti
