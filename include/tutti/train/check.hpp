#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tutti/comm/collectives.hpp>
#include <tutti/train/bucketed_all_reduce.hpp>
#include <tutti/train/random_pictures.hpp>
#include <tutti/train/sgd.hpp>
#include <tutti/train/trainer.hpp>

namespace tutti {

struct check_options {
  std::size_t batch = 64;
  std::size_t steps = 3;
  std::uint64_t seed = 1;    ///< of the pictures and of the first weights
  int permutations = 8;      ///< of the samples of each batch, on one rank; so many or a few more
  double learning_rate = 0.01;
  std::function<void(const std::string&)> progress = {};  ///< is told on rank 0 which runs begin
};

/// The largest differences between two runs: of the loss, of a logit, of an element of a parameter.
struct run_difference {
  double loss = 0, outputs = 0, parameters = 0;
  std::string parameter = {};  ///< in which it is
};

/// A run on a mesh beside one on one rank, and how far the order of samples leads there.
struct check_report {
  run_difference found{}, spread{};
  std::size_t steps = 0;
  double largest_output = 0;     ///< of the run on one rank, without its sign
  bool without_dropout = false;  ///< the network drops elements, and was checked without

  /// How far rounding may move the loss on one rank: by twice what it moves the logits
  /// at most, which the order of samples may show only in these.
  double loss_spread() const { return std::max(spread.loss, 2 * spread.outputs); }

  /// Law 1: no more than four times the spread.
  bool passed() const {
    return found.loss <= 4 * loss_spread() && found.outputs <= 4 * spread.outputs && found.parameters <= 4 * spread.parameters;
  }
  /// Whether it passes so much that it tells little: a hundredth of the largest output, or
  /// more. So it is of deep networks with batch norms of few samples, which enlarge rounding.
  bool weak() const { return largest_output > 0 && !(4 * spread.outputs < 0.01 * largest_output); }
  std::string text() const {
    std::string all = format("%zu steps beside one rank, the largest differences (other orders of samples on one rank: up to):\n", steps);
    auto say = [&](const char* what, double difference, double bound, const std::string& where) {
      all += format("  %s %.3g (%.3g)%s%s\n", what, difference, bound, where.empty() ? "" : (", in " + where).c_str(),
                    difference <= 4 * bound ? "" : ": more than four times that");
    };
    say("loss", found.loss, loss_spread(), "");
    say("outputs", found.outputs, spread.outputs, "");
    say("parameters", found.parameters, spread.parameters, found.parameter);
    if (weak())
      all += format("  weak: four times what other orders change is %.2g of the largest output, %.3g, and a smaller mistake passes; a larger batch may tell more\n",
                    4 * spread.outputs / largest_output, largest_output);
    if (without_dropout) all += "  nothing was dropped: what dropout drops goes by a sample's place in its batch\n";
    return all + (passed() ? "PASS\n" : "FAIL\n");
  }
};

namespace detail {

/// The greater of two differences; what is no number is greatest.
inline double greater_difference(double a, double b) { return std::isnan(a) || a >= b ? a : b; }

template <class T>
double largest_difference(const std::vector<T>& a, const std::vector<T>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    most = greater_difference(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return most;
}

/// A model that is trained for the check.
template <class Backend>
class checked_run {
 public:
  using element = typename Backend::element;

  /// Collective over the mesh, as all of it.
  checked_run(typename Backend::context& c, process_mesh& on, const network& net, const layout& rules, const check_options& o)
      : on_(&on), options_(o), model_(c, on, net, rules, {.seed = o.seed, .usual_batch = o.batch}) {}

  /// The mean loss.
  double train(const dataset& data, std::uint64_t inner_seed) {
    sgd<element> optimiser(model_.parameters(), {.learning_rate = options_.learning_rate, .momentum = 0.9});
    bucketed_all_reduce policy(model_);
    trainer trainer(model_, policy, optimiser, data, {.batch = options_.batch, .seed = options_.seed, .inner_seed = inner_seed});
    return trainer.train_epoch(0).loss;
  }

  /// What it makes of the first batch, whole on every rank.
  std::vector<element> outputs(const dataset& data) {
    auto& pass = model_.pass_for(options_.batch);
    const shape whole = batch_of(model_.net(), options_.batch);
    std::vector<element> pictures(whole.elements());
    std::vector<std::uint8_t> labels(options_.batch);
    sample_reader(data).read([](std::size_t i) { return i; }, pictures, labels);
    copy_block(pass.input_block(), block(whole), pictures.data(), pass.input_block(), pass.input().data());
    model_.forward(pass);
    const shape made = shapes_of(model_.net(), options_.batch).back();
    std::vector<element> all(made.elements());
    resharding<element> together(*on_, made, model_.plan_for(options_.batch).tensors.back().lies, placement{});
    const span<element> mine = pass.output();
    together(span<const element>(mine.data(), mine.size()), all);
    return all;
  }
  /// A parameter, whole on every rank.
  std::vector<element> parameter(std::size_t index) { return model_.read(index); }

 private:
  process_mesh* on_;
  check_options options_;
  sharded_model<Backend> model_;
};

/// All differences of a run beside another of which rank 0 has `loss` and `parts`: the
/// outputs, and every parameter. Collective, one part after the other, so that nobody
/// else needs room for all of them.
template <class Backend>
run_difference compare(communicator& world, checked_run<Backend>& run, const dataset& data, double run_loss, const network& net,
                       double loss, std::vector<std::vector<typename Backend::element>>& parts) {
  using element = typename Backend::element;
  run_difference d;
  std::vector<double> base{loss};
  broadcast(world, base, 0);
  d.loss = std::abs(run_loss - base[0]);
  const std::vector<tutti::parameter> parameters = parameters_of(net);
  for (std::size_t i = 0; i <= parameters.size(); ++i) {
    const std::vector<element> mine = i == 0 ? run.outputs(data) : run.parameter(i - 1);
    std::vector<element> kept(world.rank() == 0 ? 0 : mine.size());
    std::vector<element>& theirs = world.rank() == 0 ? parts[i] : kept;
    broadcast(world, theirs, 0);
    const double here = largest_difference(mine, theirs);
    if (i == 0) d.outputs = here;
    else if (greater_difference(d.parameters, here) != d.parameters && !std::isnan(d.parameters)) d.parameters = here, d.parameter = parameters[i - 1].label.text();
  }
  return d;
}

}  // namespace detail

/// Trains a few steps on `data`, whose first `steps` batches it takes, on one rank and on
/// the mesh, where other orders of the samples in each batch on one rank show how far
/// rounding leads. Without dropout, of which each order is another network. Collective; the
/// same report on every rank. Cost: every rank does runs on one rank at the same time as
/// the others, so that nobody waits for long; it keeps one of them, and rank 0 one set of
/// parameters besides. Throws `invalid_argument` before any of it where the layout cannot
/// be, or where the data are no whole batch.
template <class Backend>
check_report check_against_one_rank(typename Backend::context& c, process_mesh& on, network net, const layout& rules, dataset data,
                                    const check_options& o = {}) {
  using run = detail::checked_run<Backend>;
  communicator& world = on.all();
  check_report report{.steps = o.steps};
  for (layer& each : net.layers)
    if (each.kind == layer_kind::dropout) report.without_dropout = true, each.rate = 0;
  detail::need_batches(net, plan_network(operations_of(net, o.batch), rules, on.shape()), on.shape(), o.batch);
  detail::need_whole_batch(data, o.batch);
  data.count = std::min(data.count, o.steps * o.batch);
  report.steps = (data.count + o.batch - 1) / o.batch;
  std::optional<communicator> self = world.split(world.rank());
  process_mesh alone(*self, mesh{});
  double loss = 0;  // of the run with the samples in their order, which rank 0 keeps
  std::vector<std::vector<typename Backend::element>> parts;
  auto say = [&](const std::string& what) {
    if (o.progress && world.rank() == 0) o.progress(what);
  };
  for (int first = 0; first <= o.permutations; first += world.size()) {
    say(format("check: runs %d to %d of %zu steps on one rank", first + 1, first + world.size(), report.steps));
    run mine(c, alone, net, layout(), o);
    const double here = mine.train(data, static_cast<std::uint64_t>(first + world.rank()));
    if (first == 0 && world.rank() == 0) {
      loss = here;
      parts.push_back(mine.outputs(data));
      for (const auto& value : parts[0]) report.largest_output = detail::greater_difference(report.largest_output, std::abs(static_cast<double>(value)));
      for (std::size_t i = 0; i < parameters_of(net).size(); ++i) parts.push_back(mine.parameter(i));
    }
    const run_difference d = detail::compare<Backend>(world, mine, data, here, net, loss, parts);
    std::vector<double> one{d.loss, d.outputs, d.parameters}, all(one.size() * static_cast<std::size_t>(world.size()));
    all_gather(world, one, all);
    for (std::size_t i = 0; i < all.size(); ++i) {
      double& most = i % 3 == 0 ? report.spread.loss : i % 3 == 1 ? report.spread.outputs : report.spread.parameters;
      most = detail::greater_difference(most, all[i]);
    }
  }
  std::vector<double> largest{report.largest_output};
  broadcast(world, largest, 0);
  report.largest_output = largest[0];
  say("check: the run on " + on.shape().text());
  run cut(c, on, net, rules, o);
  const double here = cut.train(data, 0);
  report.found = detail::compare<Backend>(world, cut, data, here, net, loss, parts);
  return report;
}

/// The same on random pictures.
template <class Backend>
check_report check_against_one_rank(typename Backend::context& c, process_mesh& on, const network& net, const layout& rules,
                                    const check_options& o = {}) {
  return check_against_one_rank<Backend>(c, on, net, rules, random_pictures(net, o.steps * o.batch, o.seed), o);
}

}  // namespace tutti
