// Trains a convolutional network that a layout cuts over a mesh of ranks:
//
//     train_cnn --ranks 4 --mesh data=2,model=2 --layout "batch:data,conv*/filters:model,dense*/units:model"
//
// or by a layout's name: data, tensor, spatial, hybrid; auto searches one. --explain
// says how layers are cut, what is moved, and why, and --picture draws it, on a mesh of
// any size; --bill says what is sent, --check what the layout changes beside one rank.
// These train nothing, and need no data: the network is as in its paper then.
#include <cstdio>
#include <optional>
#include <string>

#include <tutti/comm/neighbours.hpp>
#include <tutti/kernel/onednn.hpp>
#include <tutti/launch/arguments.hpp>
#include <tutti/mesh/legal.hpp>
#include <tutti/mesh/named_layout.hpp>
#include <tutti/nn/networks.hpp>
#include <tutti/train/bucketed_all_reduce.hpp>
#include <tutti/train/data_folder.hpp>
#include <tutti/tutti.hpp>

#include "train_cnn.hpp"

namespace {

static_assert(tutti::legal_program<[] { return operations_of(tutti::lenet(), 64); },
                                   "batch:data,conv*/filters:model,dense*/units:model", "data=2,model=2">);

void train(tutti::communicator& world, const settings& chosen) {
  if (chosen.what.any() && (chosen.device == "cuda" || chosen.precision != "float"))
    throw tutti::error(tutti::errc::invalid_argument, "--explain, --picture, --bill and --check run on the processor: leave out --device and --precision");
  const tutti::mesh shape = tutti::mesh::parse(chosen.mesh.empty() ? tutti::format("ranks=%d", world.size()) : chosen.mesh);
  const tutti::known_network& known = tutti::network_called(chosen.model);
  std::optional<tutti::data_sets> data;
  if (!chosen.what.any() || !chosen.data.empty()) data = tutti::read_data(chosen.data.empty() ? TRAIN_CNN_DATA : chosen.data);
  const tutti::dataset* of = data ? &data->training : nullptr;
  const tutti::network net =
      known.make(of ? tutti::pictures{.channels = of->channels, .height = of->height, .width = of->width, .classes = of->classes} : known.usual);
  const tutti::layout rules = layout_called(chosen.layout, operations_of(net, chosen.batch), shape);
  // What cannot be is refused before ranks have met for it.
  static_cast<void>(plan_network(operations_of(net, chosen.batch), rules, shape));
  const job what{.shape = shape, .net = net, .rules = rules, .data = data ? &*data : nullptr};
  if (chosen.device == "cuda") {
#if TRAIN_CNN_CUDA
    if (chosen.precision == "bf16") return train_on_cuda<tutti::bfloat16>(world, chosen, what);
    if (chosen.precision == "fp16") return train_on_cuda<tutti::half>(world, chosen, what);
    return train_on_cuda<float>(world, chosen, what);
#else
    throw tutti::error(tutti::errc::not_supported, "--device cuda: this program was built without it (-Dtrain_cuda=enabled builds it, with nvcc, cuDNN and cuBLAS)");
#endif
  }
  if (chosen.precision != "float") throw tutti::error(tutti::errc::invalid_argument, "--precision " + chosen.precision + " is for --device cuda");
  tutti::onednn::context cpu(tutti::onednn::threads_per_rank(tutti::ranks_on_this_machine(world)), {.winograd = chosen.winograd});
  if (tutti::examination asked = chosen.what; asked.any()) {
    asked.batch = chosen.batch, asked.seed = chosen.seed, asked.searched = chosen.layout == "auto";
    const tutti::examined found = tutti::examine<tutti::onednn_backend>(cpu, world, shape, net, rules, of, asked);
    std::fputs(found.text.c_str(), stdout);
    if (!found.passed) throw tutti::error(tutti::errc::mismatch, "the check has failed");
    return;
  }

  tutti::process_mesh mesh(world, shape);
  tutti::sharded_model<tutti::onednn_backend> model(cpu, mesh, net, rules, {.seed = chosen.seed, .usual_batch = chosen.batch});
  tutti::sgd<float> sgd(model.parameters(), descent);
  tutti::bucketed_all_reduce policy(model);
  tutti::trainer trainer(model, policy, sgd, *of, options_of(chosen, what));
  run_epochs(trainer, chosen, what, world.rank() == 0);
}

}  // namespace

int main(int argc, char** argv) {
  settings chosen;
  tutti::arguments line("train_cnn", "Trains a network on pictures, cut over a mesh by a layout.");
  line.value("--model", chosen.model, "NAME", "lenet, lenet5, alexnet, vgg16, resnet18, -34, -50, -101, -152 or voxnet");
  line.value("--data", chosen.data, "DIR", "MNIST's four IDX files, gzip or not, or CIFAR-10's binary ones; otherwise the digits that are shipped");
  line.value("--mesh", chosen.mesh, "AXES", "as in data=2,model=2; otherwise one axis, ranks");
  line.value("--layout", chosen.layout, "RULES", "data, tensor, spatial, hybrid, auto, or rules such as batch:data,conv*/filters:model");
  line.flag("--explain", chosen.what.explain, "say what is moved and why, and train nothing");
  line.value("--picture", chosen.what.picture, "FILE", "draw who holds what, and what is sent between layers, as SVG, and train nothing");
  line.flag("--bill", chosen.what.bill, "say what a step sends, layer by layer, beside what the links count, and the memory it needs");
  line.flag("--check", chosen.what.check, "run up to three steps beside one rank, on random pictures or on --data, and say the largest difference");
  line.value("--schedule", chosen.schedule, "HOW", "the learning rate falls: constant, steps (by a fifth after each epoch) or cosine");
  line.flag("--flip", chosen.flip, "mirror about half of the training pictures, anew in each epoch");
  line.value("--crop", chosen.crop, "PLACES", "move them by up to so many places each way", std::size_t{0}, std::size_t{32});
  line.flag("--winograd", chosen.winograd, "convolutions that multiply less and round more, where oneDNN has them");
  line.choice("--device", chosen.device, {"cpu", "cuda"}, "where: cuda by cuDNN, one device for each rank, or shared where there are fewer");
  line.choice("--precision", chosen.precision, {"float", "tf32", "bf16", "fp16"}, "of what is multiplied on cuda");
  line.value("--epochs", chosen.epochs, "E", "passes over the training pictures", 1, 10000);
  line.value("--batch", chosen.batch, "B", "pictures in a batch, of all ranks together", std::size_t{1}, std::size_t{60000});
  line.value("--seed", chosen.seed, "S", "of the first weights and of the pictures' order", std::uint64_t{0}, std::uint64_t{1} << 62);
  if (auto code = line.read(argc, argv)) return *code;
  return tutti::run(argc, argv, [&](tutti::communicator& world) { train(world, chosen); });
}
