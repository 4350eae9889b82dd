// One training under several layouts beside one rank: is it the same?
//
//     same_training --ranks 2 --data ~/cifar10 --layouts "data tensor spatial hybrid auto"
//
// Prints the loss of the first batch, the mean of each epoch, and that of all pictures
// afterwards. Every layout's figures may be off one rank's by four times what other orders of
// the samples inside each batch change there: rounding explains no more. Ends in an
// error where one is further off, or where the loss has not halved.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <tutti/kernel/onednn.hpp>
#include <tutti/launch/arguments.hpp>
#include <tutti/mesh/named_layout.hpp>
#include <tutti/nn/networks.hpp>
#include <tutti/train/bucketed_all_reduce.hpp>
#include <tutti/train/data_folder.hpp>
#include <tutti/train/sgd.hpp>
#include <tutti/train/trainer.hpp>
#include <tutti/tutti.hpp>

namespace {

struct settings {
  std::string data, model = "resnet18", mesh, layouts = "data tensor spatial hybrid auto";
  std::size_t pictures = 2048, batch = 16, warm_up = 16;
  std::uint64_t seed = 1;
  int epochs = 3, orders = 5;
  double rate = 0.01, momentum = 0.9, decay = 5e-4;
};

/// The first batch's loss, each epoch's, and that of all pictures in the end.
using losses = std::vector<double>;

void say(const std::string& what, const losses& found) {
  std::string line = what + ":";
  for (double loss : found) line += tutti::format(" %.6f", loss);
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

losses train(tutti::process_mesh& mesh, const tutti::dataset& data, const settings& chosen, const std::string& rules, std::uint64_t inner_seed) {
  const tutti::network net =
      tutti::network_called(chosen.model).make({.channels = data.channels, .height = data.height, .width = data.width, .classes = data.classes});
  const tutti::layout cut = layout_called(rules, operations_of(net, chosen.batch), mesh.shape());
  tutti::onednn::context cpu(1);
  tutti::sharded_model<tutti::onednn_backend> model(cpu, mesh, net, cut, {.seed = chosen.seed, .usual_batch = chosen.batch});
  tutti::sgd<float> sgd(model.parameters(), {.momentum = chosen.momentum, .weight_decay = chosen.decay});
  tutti::bucketed_all_reduce policy(model);
  const std::size_t steps = (data.count + chosen.batch - 1) / chosen.batch * static_cast<std::size_t>(chosen.epochs);
  tutti::trainer trainer(model, policy, sgd, data,
                         {.batch = chosen.batch,
                          .seed = chosen.seed,
                          .inner_seed = inner_seed,
                          .rate = tutti::learning_rate{.base = chosen.rate,
                                                       .decay = tutti::rate_decay::cosine,
                                                       .period = std::max(steps, chosen.warm_up + 1) - chosen.warm_up,
                                                       .warm_up = chosen.warm_up}});
  losses found{0};
  std::vector<double> first{0, 0};  // of the ranks that count samples: how many there are, and their means
  for (int epoch = 0; epoch < chosen.epochs; ++epoch) {
    const tutti::epoch_report did = trainer.train_epoch(static_cast<std::size_t>(epoch), [&](std::size_t done, std::size_t, double mean) {
      if (epoch == 0 && done == 1 && mean > 0) first = {1, mean};
    });
    found.push_back(did.loss);
    if (mesh.rank() == tutti::rank{0})
      std::fprintf(stderr, "  %s, order %llu, epoch %d: %.6f, %.0f s\n", rules.c_str(), static_cast<unsigned long long>(inner_seed), epoch + 1, did.loss, did.seconds);
  }
  all_reduce(mesh.all(), first, tutti::plus{});
  found[0] = first[1] / first[0];
  found.push_back(trainer.evaluate(data).loss);
  return found;
}

/// Whether every figure is off by four times the spread at most.
bool within(const losses& found, const losses& one, const losses& spread) {
  for (std::size_t i = 0; i < found.size(); ++i)
    if (!(std::abs(found[i] - one[i]) <= 4 * spread[i])) return false;
  return true;
}

void run(tutti::communicator& world, const settings& chosen) {
  tutti::dataset data = tutti::read_data(chosen.data).training;
  data.count = std::min(data.count, chosen.pictures);
  tutti::process_mesh mesh(world, tutti::mesh::parse(chosen.mesh.empty() ? tutti::format("ranks=%d", world.size()) : chosen.mesh));
  std::optional<tutti::communicator> self = world.split(world.rank());
  tutti::process_mesh alone(*self, tutti::mesh{});
  const bool speaks = world.rank() == 0;
  if (speaks)
    std::printf("%s, %zu pictures, batches of %zu, rate %g after %zu steps, cosine, momentum %g, decay %g, seed %llu; mesh %s\n",
                chosen.model.c_str(), data.count, chosen.batch, chosen.rate, chosen.warm_up, chosen.momentum, chosen.decay,
                static_cast<unsigned long long>(chosen.seed), mesh.shape().text().c_str());

  // Runs on one rank are shared out: every rank does some.
  losses one, spread;
  for (int first = 0; first <= chosen.orders; first += world.size()) {
    losses mine(static_cast<std::size_t>(chosen.epochs) + 2);
    if (const int order = first + world.rank(); order <= chosen.orders)
      say(tutti::format("one rank, order %d", order), mine = train(alone, data, chosen, "data", static_cast<std::uint64_t>(order)));
    losses all(mine.size() * static_cast<std::size_t>(world.size()));
    all_gather(world, mine, all);
    for (int order = first; order <= chosen.orders && order < first + world.size(); ++order) {
      const losses found(all.begin() + (order - first) * static_cast<std::ptrdiff_t>(mine.size()),
                         all.begin() + (order - first + 1) * static_cast<std::ptrdiff_t>(mine.size()));
      if (order == 0) one = found, spread = losses(found.size());
      for (std::size_t i = 0; i < found.size(); ++i) spread[i] = std::max(spread[i], std::abs(found[i] - one[i]));
    }
  }
  if (speaks) say("spread by the order of samples", spread);

  bool same = true, halved = true;
  std::istringstream names(chosen.layouts);
  for (std::string name; names >> name;) {
    const losses found = train(mesh, data, chosen, name, 0);
    const bool law = within(found, one, spread), half = found[found.size() - 2] <= found[0] / 2;
    if (speaks) say(name + (law ? "" : ", FURTHER OFF than four times the spread") + (half ? "" : ", NOT halved"), found);
    same &= law;
    halved &= half;
  }
  if (!same) throw tutti::error(tutti::errc::mismatch, "a layout trains otherwise than one rank");
  if (!halved) throw tutti::error(tutti::errc::mismatch, "the loss has not halved");
}

}  // namespace

int main(int argc, char** argv) {
  settings chosen;
  tutti::arguments line("same_training", "Trains a network under several layouts and beside one rank, and compares the losses.");
  line.value("--data", chosen.data, "DIR", "MNIST's or CIFAR-10's files");
  line.value("--model", chosen.model, "NAME", "lenet, resnet18, ...");
  line.value("--mesh", chosen.mesh, "AXES", "as in data=2,model=2; otherwise one axis, ranks");
  line.value("--layouts", chosen.layouts, "NAMES", "with spaces between them");
  line.value("--pictures", chosen.pictures, "N", "the first of the training pictures", std::size_t{1}, std::size_t{60000});
  line.value("--epochs", chosen.epochs, "E", "passes over them", 1, 10000);
  line.value("--batch", chosen.batch, "B", "pictures in a batch, of all ranks together", std::size_t{1}, std::size_t{60000});
  line.value("--rate", chosen.rate, "R", "the learning rate, which falls as a cosine does");
  line.value("--warm-up", chosen.warm_up, "S", "steps in which it grows before that");
  line.value("--momentum", chosen.momentum, "M", "of the gradients");
  line.value("--decay", chosen.decay, "D", "of the weights");
  line.value("--orders", chosen.orders, "N", "other orders of samples inside the batches, on one rank", 0, 1000);
  line.value("--seed", chosen.seed, "S", "of the first weights and of the pictures' order");
  if (auto code = line.read(argc, argv)) return *code;
  return tutti::run(argc, argv, [&](tutti::communicator& world) { run(world, chosen); });
}
