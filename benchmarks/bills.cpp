// What a step of every network sends by its bill, and what the links count, under every
// layout that has a name, each network as it is in its paper:
//
//     bills --ranks 4 [NETWORK...]
//
// Ends in an error where a rank's bill and its links differ by a byte. A table, not a
// timing: the batch is small, so that a step takes seconds.
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <tutti/kernel/onednn.hpp>
#include <tutti/mesh/named_layout.hpp>
#include <tutti/nn/networks.hpp>
#include <tutti/train/model_bill.hpp>
#include <tutti/tutti.hpp>

namespace {

using namespace tutti;

// What all ranks send together, in bytes, and how many of them send what is not billed.
struct outcome {
  std::uint64_t billed = 0, counted = 0, wrong = 0;
};

outcome one_step(onednn::context& cpu, process_mesh& on, const network& net, const layout& rules, std::size_t batch) {
  sharded_model<onednn_backend> model(cpu, on, net, rules, {.usual_batch = batch});
  const std::uint64_t says = bill_of(model, batch).sent().bytes, counted = count_step(model, batch);
  std::vector<std::uint64_t> all{says, counted, says != counted};
  all_reduce(on.all(), all, plus{});
  return {.billed = all[0], .counted = all[1], .wrong = all[2]};
}

std::uint64_t bills(communicator& world, const known_network& known) {
  const std::size_t batch = static_cast<std::size_t>(world.size());
  onednn::context cpu(1);
  const network net = known.make(known.usual);
  std::vector<mesh> meshes{{{"ranks", world.size()}}};
  if (world.size() > 2 && world.size() % 2 == 0) meshes.push_back({{"data", world.size() / 2}, {"model", 2}});
  std::uint64_t wrong = 0;
  for (const mesh& m : meshes) {
    process_mesh on(world, m);
    for (const char* named : {"data", "tensor", "spatial", "hybrid", "auto"}) {
      std::string why;
      outcome found;
      try {
        found = one_step(cpu, on, net, layout_called(named, operations_of(net, batch), m), batch);
      } catch (const error& e) {
        if (e.code() != errc::invalid_argument) throw;
        why = e.what();
      }
      wrong += found.wrong;
      if (world.rank() != 0) continue;
      std::printf("%-10s %-16s %-8s ", std::string(known.label).c_str(), m.text().c_str(), named);
      if (why.empty()) std::printf("%14llu B billed, %14llu B counted%s\n", static_cast<unsigned long long>(found.billed),
                                   static_cast<unsigned long long>(found.counted), found.wrong > 0 ? ", NOT THE SAME" : "");
      else std::printf("cannot be: %s\n", why.c_str());
      std::fflush(stdout);
    }
  }
  return wrong;
}

}  // namespace

int main(int argc, char** argv) {
  return tutti::run(argc, argv, [&](tutti::communicator& world) {
    std::vector<std::string> names(argv + 1, argv + argc);
    if (names.empty()) names = {"lenet5", "alexnet", "vgg16", "resnet18", "resnet50", "resnet152", "voxnet"};
    std::uint64_t wrong = 0;
    for (const std::string& label : names) wrong += bills(world, network_called(label));
    if (wrong > 0) throw tutti::error(tutti::errc::mismatch, tutti::format("%llu bills are not what the links counted", static_cast<unsigned long long>(wrong)));
  });
}
