// Trains a convolutional network that a layout cuts over a mesh of ranks:
//
//     train_cnn --ranks 4 --mesh data=2,model=2 --layout "batch:data,conv*/filters:model,dense*/units:model"
//
// or by a layout's name: data, tensor, spatial, hybrid; auto searches one. --explain
// says how layers are cut, what is moved, and why, and --picture draws it, on a mesh of
// any size; --bill says what is sent, --check what the layout changes beside one rank.
// These train nothing, and need no data: the network is as in its paper then.
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include <tutti/comm/neighbours.hpp>
#include <tutti/kernel/onednn.hpp>
#include <tutti/launch/arguments.hpp>
#include <tutti/launch/environment.hpp>
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

/// What there is to do on so many ranks: nearly all that cannot be is refused here.
job prepare(const settings& chosen, int ranks) {
  const bool on_device = chosen.device == "cuda";
  if (chosen.what.any() && (on_device || chosen.precision != "float"))
    throw tutti::error(tutti::errc::invalid_argument, "--explain, --picture, --bill and --check run on the processor: leave out --device and --precision");
  if (on_device && !TRAIN_CNN_CUDA)
    throw tutti::error(tutti::errc::not_supported, "--device cuda: this program was built without it (-Dtrain_cuda=enabled builds it, with nvcc, cuDNN and cuBLAS)");
  if (!on_device && chosen.precision != "float")
    throw tutti::error(tutti::errc::invalid_argument, "--precision " + chosen.precision + " is for --device cuda");
  const tutti::mesh shape = tutti::mesh::parse(chosen.mesh.empty() ? tutti::format("ranks=%d", ranks) : chosen.mesh);
  if (chosen.what.needs_ranks() || !chosen.what.any()) need_accepted(why_not_ranks(shape, ranks));
  const tutti::known_network& known = tutti::network_called(chosen.model);
  std::optional<tutti::data_sets> data;
  if (!chosen.what.any() || !chosen.data.empty()) data = tutti::read_data(chosen.data.empty() ? TRAIN_CNN_DATA : chosen.data);
  const tutti::dataset* of = data ? &data->training : nullptr;
  const tutti::network net =
      known.make(of ? tutti::pictures{.channels = of->channels, .height = of->height, .width = of->width, .classes = of->classes} : known.usual);
  const tutti::operation_list operations = operations_of(net, chosen.what.batch);
  std::optional<tutti::found_layout> searched;
  if (chosen.layout == "auto") searched = search_layout(operations.all(), shape);
  const tutti::layout rules = searched ? searched->rules : layout_called(chosen.layout, operations, shape);
  need_possible(net, rules, shape, of, chosen.what);
  return {.shape = shape, .net = net, .rules = rules, .data = std::move(data), .searched = std::move(searched)};
}

void train(tutti::communicator& world, const settings& chosen, const job& what) {
#if TRAIN_CNN_CUDA
  if (chosen.device == "cuda") {
    if (chosen.precision == "bf16") return train_on_cuda<tutti::bfloat16>(world, chosen, what);
    if (chosen.precision == "fp16") return train_on_cuda<tutti::half>(world, chosen, what);
    return train_on_cuda<float>(world, chosen, what);
  }
#endif
  tutti::onednn::context cpu(tutti::onednn::threads_per_rank(tutti::ranks_on_this_machine(world)), {.winograd = chosen.winograd});
  if (tutti::examination asked = chosen.what; asked.any()) {
    asked.searched = what.searched;
    asked.progress = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
    const tutti::examined found = tutti::examine<tutti::onednn_backend>(cpu, world, what.shape, what.net, what.rules, what.data ? &what.data->training : nullptr, asked);
    std::fputs(found.text.c_str(), stdout);
    if (!found.passed) throw tutti::error(tutti::errc::mismatch, "the check has failed");
    return;
  }

  tutti::process_mesh mesh(world, what.shape);
  tutti::sharded_model<tutti::onednn_backend> model(cpu, mesh, what.net, what.rules, {.seed = chosen.what.seed, .usual_batch = chosen.what.batch});
  tutti::sgd<float> sgd(model.parameters(), descent);
  tutti::bucketed_all_reduce policy(model);
  tutti::trainer trainer(model, policy, sgd, what.data->training, options_of(chosen, what));
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
  line.choice("--schedule", chosen.schedule, {"constant", "steps", "cosine"}, "how the learning rate falls: steps by a fifth after each epoch");
  line.flag("--flip", chosen.flip, "mirror about half of the training pictures, anew in each epoch");
  line.value("--crop", chosen.crop, "PLACES", "move them by up to so many places each way", std::size_t{0}, std::size_t{32});
  line.flag("--winograd", chosen.winograd, "convolutions that multiply less and round more, where oneDNN has them");
  line.choice("--device", chosen.device, {"cpu", "cuda"}, "where: cuda by cuDNN, one device for each rank, or shared where there are fewer");
  line.choice("--precision", chosen.precision, {"float", "tf32", "bf16", "fp16"}, "of what is multiplied on cuda");
  line.value("--epochs", chosen.epochs, "E", "passes over the training pictures", 1, 10000);
  line.value("--batch", chosen.what.batch, "B", "pictures in a batch, of all ranks together", std::size_t{1}, std::size_t{60000});
  line.value("--seed", chosen.what.seed, "S", "of the first weights and of the pictures' order", std::uint64_t{0}, std::uint64_t{1} << 62);
  if (auto code = line.read(argc, argv)) return *code;
  try {
    // Before there are ranks, where they are started here: what is wrong is then said once,
    // and a layout searched once.
    std::optional<job> known;
    const int ranks = tutti::ranks_expected(argc, argv);
    if (ranks > 0) known = prepare(chosen, ranks);
    return tutti::run(argc, argv, [&](tutti::communicator& world) { train(world, chosen, known ? *known : prepare(chosen, world.size())); });
  } catch (const std::exception& refused) {
    std::fprintf(stderr, "train_cnn: %s\n", refused.what());
    return 2;
  }
}
