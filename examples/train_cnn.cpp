// Trains a network that a layout cuts over a mesh of ranks:
//
//     train_cnn --model resnet18 --ranks 4 --mesh data=2,model=2 --layout "batch:data,conv*/filters:model,dense*/units:model"
//
// or by a layout's name: data, tensor, spatial, hybrid; auto searches one. --explain
// says how layers are cut, what is moved, and why, on a mesh of any size, and trains
// nothing.
#include <cstdio>
#include <string>

#include <unistd.h>

#include <tutti/comm/neighbours.hpp>
#include <tutti/kernel/onednn.hpp>
#include <tutti/launch/arguments.hpp>
#include <tutti/mesh/explain.hpp>
#include <tutti/mesh/named_layout.hpp>
#include <tutti/nn/networks.hpp>
#include <tutti/train/idx.hpp>
#include <tutti/train/mesh_trainer.hpp>
#include <tutti/train/sgd.hpp>
#include <tutti/tutti.hpp>

namespace {

struct settings {
  std::string model = "lenet", data, mesh, layout = "data";
  int epochs = 4;
  std::size_t batch = 64;
  std::uint64_t seed = 1;
  bool explain = false;
};

void train(tutti::communicator& world, const settings& chosen) {
  const bool speaks = world.rank() == 0;
  const tutti::mesh shape = tutti::mesh::parse(chosen.mesh.empty() ? tutti::format("ranks=%d", world.size()) : chosen.mesh);
  const tutti::known_network& known = tutti::network_called(chosen.model);
  if (chosen.explain) {  // on a mesh of any size
    const tutti::operation_list net = operations_of(known.make(known.usual), chosen.batch);
    const tutti::layout rules = layout_called(chosen.layout, net, shape);
    const tutti::network_plan plan = plan_network(net, rules, shape);
    if (!speaks) return;
    std::printf("layout %s\n%.3f s a step by the model\n", rules.text().c_str(), step_seconds(net.all(), plan, shape));
    std::fputs((cuts_text(net, plan, shape) + explain(net, plan, shape, sizeof(float))).c_str(), stdout);
    return;
  }

  tutti::process_mesh mesh(world, shape);
  const tutti::mnist data = tutti::read_mnist(chosen.data.empty() ? TRAIN_CNN_DATA : chosen.data);
  tutti::onednn::context cpu(tutti::onednn::threads_per_rank(tutti::ranks_on_this_machine(world)));
  const tutti::dataset& of = data.training;
  const tutti::network net = known.make({.channels = of.channels, .height = of.height, .width = of.width, .classes = of.classes});
  const tutti::layout rules = layout_called(chosen.layout, operations_of(net, chosen.batch), shape);
  tutti::sharded_model<tutti::onednn_backend> model(cpu, mesh, net, rules, {.seed = chosen.seed, .usual_batch = chosen.batch});
  tutti::sgd<float> sgd(model.parameters(), {.learning_rate = 0.01, .momentum = 0.9, .weight_decay = 1e-3});
  tutti::mesh_trainer trainer(model, sgd, data.training, {.batch = chosen.batch, .seed = chosen.seed});
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
  tutti::arguments line("train_cnn", "Trains a network on handwritten digits, cut over a mesh by a layout.");
  line.value("--model", chosen.model, "NAME", "lenet, alexnet, vgg16, resnet18, -34, -50, -101 or -152");
  line.value("--data", chosen.data, "DIR", "MNIST's four IDX files, gzip or not; otherwise the subset that is shipped");
  line.value("--mesh", chosen.mesh, "AXES", "as in data=2,model=2; otherwise one axis, ranks");
  line.value("--layout", chosen.layout, "RULES", "data, tensor, spatial, hybrid, auto, or rules such as batch:data,conv*/filters:model");
  line.flag("--explain", chosen.explain, "say what is moved and why, and train nothing");
  line.value("--epochs", chosen.epochs, "E", "passes over the training digits", 1, 10000);
  line.value("--batch", chosen.batch, "B", "digits in a batch, of all ranks together", std::size_t{1}, std::size_t{60000});
  line.value("--seed", chosen.seed, "S", "of the first weights and of the digits' order", std::uint64_t{0}, std::uint64_t{1} << 62);
  if (auto code = line.read(argc, argv)) return *code;
  return tutti::run(argc, argv, [&](tutti::communicator& world) { train(world, chosen); });
}
