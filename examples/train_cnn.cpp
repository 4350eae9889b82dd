// Trains a LeNet that a layout cuts over a mesh of ranks:
//
//     train_cnn --ranks 4 --mesh data=2,model=2 --layout "batch:data,conv*/filters:model,dense*/units:model"
//
// or by a layout's name: data, tensor, spatial, hybrid; auto searches one. --explain
// says what is moved, and why, --bill what is sent, --check what it changes beside one
// rank, and --picture draws it; they need no data, and train nothing.
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

#include <tutti/comm/neighbours.hpp>
#include <tutti/kernel/onednn.hpp>
#include <tutti/launch/arguments.hpp>
#include <tutti/mesh/explain.hpp>
#include <tutti/mesh/legal.hpp>
#include <tutti/mesh/picture.hpp>
#include <tutti/mesh/search.hpp>
#include <tutti/nn/networks.hpp>
#include <tutti/train/bucketed_all_reduce.hpp>
#include <tutti/train/check.hpp>
#include <tutti/train/mesh_trainer.hpp>
#include <tutti/train/sgd.hpp>
#include <tutti/train/step_bill.hpp>
#include <tutti/tutti.hpp>

namespace {

static_assert(tutti::legal_program<[] { return operations_of(tutti::lenet(), 64); },
                                   "batch:data,conv*/filters:model,dense*/units:model", "data=2,model=2">);

struct settings {
  std::string data, mesh, layout = "data";
  int epochs = 4;
  std::size_t batch = 64;
  std::uint64_t seed = 1;
  bool explain = false, bill = false, check = false;
  std::string picture;
};

/// The layouts that have names, on the one axis `ranks`; any other text is a layout.
std::string layout_called(const std::string& name, const tutti::operation_list& net, const tutti::mesh& shape) {
  if (name == "auto") return search_layout(net.all(), shape).rules;
  if (name == "data") return "batch:ranks";
  if (name == "tensor") return "conv*/filters:ranks,dense*/units:ranks";
  if (name == "spatial") return "conv*/height:ranks";
  // Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014.
  if (name == "hybrid") return "conv*/batch:ranks,dense*/units:ranks";
  return name;
}

/// What needs a step or a few, and no data.
void examine(tutti::process_mesh& mesh, const tutti::network& net, const tutti::operation_list& operations, const tutti::layout& rules,
             const settings& chosen) {
  tutti::communicator& world = mesh.all();
  tutti::onednn::context cpu(tutti::onednn::threads_per_rank(tutti::ranks_on_this_machine(world)));
  std::string said;
  bool passed = true;
  if (chosen.bill) {
    tutti::sharded_model<tutti::onednn_backend> model(cpu, mesh, net, rules, {.usual_batch = chosen.batch});
    const tutti::step_bill bill = bill_of(model, chosen.batch);
    std::vector<std::size_t> sent{bill.sent().bytes, count_step(model, chosen.batch)};
    all_reduce(world, sent, tutti::plus{});
    said += "rank 0 sends in a step\n" + bill_table(operations, mesh.shape(), bill) +
            tutti::format("its pass holds %zu B\nall ranks: %zu B billed, %zu B counted on the links\n",
                          model.pass_for(chosen.batch).bytes(), sent[0], sent[1]);
  }
  if (chosen.check) {
    const tutti::check_report found = tutti::check_against_one_rank<tutti::onednn_backend>(cpu, mesh, net, rules, {.batch = chosen.batch, .seed = chosen.seed});
    said += found.text();
    passed = found.passed();
  }
  if (world.rank() == 0) std::fputs(said.c_str(), stdout);
  if (!passed) throw tutti::error(tutti::errc::mismatch, "the check has failed");
}

void train(tutti::communicator& world, const settings& chosen) {
  const bool speaks = world.rank() == 0;
  const tutti::mesh shape = tutti::mesh::parse(chosen.mesh.empty() ? tutti::format("ranks=%d", world.size()) : chosen.mesh);
  const tutti::operation_list net = operations_of(tutti::lenet(), chosen.batch);
  const std::string text = layout_called(chosen.layout, net, shape);
  const tutti::layout rules{std::string_view(text)};
  tutti::process_mesh mesh(world, shape);
  if (chosen.explain) {
    if (speaks) std::printf("layout %s\n", text.c_str());
    if (speaks) std::fputs(explain(net, plan_network(net, rules, shape), shape, sizeof(float)).c_str(), stdout);
    return;
  }
  if (!chosen.picture.empty()) {
    const tutti::network_plan plan = plan_network(net, rules, shape);
    if (speaks) std::ofstream(chosen.picture) << picture(net, plan, shape, bill(net, plan, shape, {0}, sizeof(float), tutti::chosen_by_model{shape, {}}));
    return;
  }
  if (chosen.bill || chosen.check) return examine(mesh, tutti::lenet(), net, rules, chosen);

  const tutti::data_sets data = tutti::read_mnist(chosen.data.empty() ? TRAIN_CNN_DATA : chosen.data);
  tutti::onednn::context cpu(tutti::onednn::threads_per_rank(tutti::ranks_on_this_machine(world)));
  tutti::sharded_model<tutti::onednn_backend> model(cpu, mesh, tutti::lenet(), rules,
                                                    {.seed = chosen.seed, .usual_batch = chosen.batch});
  tutti::sgd<float> sgd(model.parameters(), {.learning_rate = 0.01, .momentum = 0.9, .weight_decay = 1e-3});
  tutti::bucketed_all_reduce policy(model);
  tutti::mesh_trainer trainer(model, policy, sgd, data.training, {.batch = chosen.batch, .seed = chosen.seed});
  for (int epoch = 0; epoch < chosen.epochs; ++epoch) {
    const tutti::epoch_report did = trainer.train_epoch(static_cast<std::size_t>(epoch));
    const tutti::evaluation_report test = trainer.evaluate(data.test);
    if (speaks)
      std::printf("epoch %d/%d on %s: loss %.6f, test accuracy %.2f %%, %.0f images/s\n", epoch + 1, chosen.epochs,
                  shape.text().c_str(), did.loss, 100 * test.accuracy, did.samples_per_second());
    std::fflush(stdout);
    sgd.options().learning_rate *= 0.8;
  }
}

}  // namespace

int main(int argc, char** argv) {
  settings chosen;
  tutti::arguments line("train_cnn", "Trains a LeNet on handwritten digits, cut over a mesh by a layout.");
  line.value("--data", chosen.data, "DIR", "MNIST's four IDX files, gzip or not; otherwise the subset that is shipped");
  line.value("--mesh", chosen.mesh, "AXES", "as in data=2,model=2; otherwise one axis, ranks");
  line.value("--layout", chosen.layout, "RULES", "data, tensor, spatial, hybrid, auto, or rules such as batch:data,conv*/filters:model");
  line.flag("--explain", chosen.explain, "say what is moved and why, and train nothing");
  line.flag("--bill", chosen.bill, "say what a step sends, layer by layer, beside what the links count, and the memory it needs");
  line.flag("--check", chosen.check, "run three steps on random pictures beside one rank, and say the largest difference");
  line.value("--picture", chosen.picture, "FILE", "draw who holds what, and what is sent between layers, as SVG");
  line.value("--epochs", chosen.epochs, "E", "passes over the training digits", 1, 10000);
  line.value("--batch", chosen.batch, "B", "digits in a batch, of all ranks together", std::size_t{1}, std::size_t{60000});
  line.value("--seed", chosen.seed, "S", "of the first weights and of the digits' order", std::uint64_t{0}, std::uint64_t{1} << 62);
  if (auto code = line.read(argc, argv)) return *code;
  return tutti::run(argc, argv, [&](tutti::communicator& world) { train(world, chosen); });
}
