// Trains a LeNet on MNIST, on as many ranks as there are:
//
//     train_mnist --ranks 2 --data ~/mnist --epochs 3
//
// Without --data it takes the 10,000 + 2,000 digits that come with Tutti. Runs
// under mpirun (where it was built with PMIx), srun and torchrun's environment too.
#include <cstdio>
#include <string>

#include <unistd.h>

#include <tutti/kernel/onednn.hpp>
#include <tutti/launch/arguments.hpp>
#include <tutti/nn/networks/lenet.hpp>
#include <tutti/train/bucketed_all_reduce.hpp>
#include <tutti/comm/neighbours.hpp>
#include <tutti/train/progress.hpp>
#include <tutti/train/sgd.hpp>
#include <tutti/train/trainer.hpp>
#include <tutti/tutti.hpp>
#if TRAIN_MNIST_PMIX
#include <tutti/launch/pmix.hpp>  // to be started by mpirun
#endif

namespace {

struct settings {
  std::string data;
  int epochs = 8;
  std::size_t batch = 64;
  std::uint64_t seed = 1;
};

/// Where the shipped digits are: in the source tree, or beside the program.
std::string shipped_data() {
  char program[4096] = {};
  std::string folder = "data";
  if (::readlink("/proc/self/exe", program, sizeof program - 1) > 0) {
    std::string path = program;
    folder = path.substr(0, path.rfind('/')) + "/data";
  }
#ifdef TRAIN_MNIST_DATA
  if (::access(TRAIN_MNIST_DATA, R_OK) == 0) return TRAIN_MNIST_DATA;
#endif
  return folder;
}

void train(tutti::communicator& world, const settings& chosen) {
  const tutti::data_sets data = tutti::read_mnist(chosen.data.empty() ? shipped_data() : chosen.data);
  const bool speaks = world.rank() == 0;

  const int here = tutti::ranks_on_this_machine(world);
  tutti::onednn::context cpu(tutti::onednn::threads_per_rank(here));
  tutti::model<tutti::onednn_backend> model(
      cpu, tutti::lenet(), {.seed = chosen.seed, .usual_batch = tutti::usual_batch(chosen.batch, world.size())});
  tutti::process_mesh mesh(world, {{"ranks", world.size()}});
  tutti::bucketed_all_reduce<float> policy(mesh, model.parameters(), std::vector<unsigned>(model.parameters().parameters().size(), 1));
  tutti::sgd<float> sgd(model.parameters(), {.learning_rate = 0.01, .momentum = 0.9, .weight_decay = 1e-3});
  tutti::trainer trainer(world, model, policy, sgd, data.training, {.batch = chosen.batch, .seed = chosen.seed});

  if (speaks)
    std::printf("%zu + %zu digits, %d ranks, %d threads each, batches of %zu\n", data.training.count, data.test.count,
                world.size(), tutti::onednn::threads_per_rank(here), chosen.batch);
  for (int epoch = 0; epoch < chosen.epochs; ++epoch) {
    tutti::progress_bar bar(tutti::format("epoch %d/%d", epoch + 1, chosen.epochs), speaks);
    const tutti::epoch_report did = trainer.train_epoch(static_cast<std::size_t>(epoch), bar);
    const tutti::evaluation_report test = trainer.evaluate(data.test);
    bar.clear();
    if (speaks)
      std::printf(
          "epoch %d/%d: loss %.6f, test accuracy %.2f %%, %.0f images/s, communication %.3f s hidden + %.3f s "
          "exposed\n",
          epoch + 1, chosen.epochs, did.loss, 100 * test.accuracy, did.samples_per_second(), did.communication.hidden,
          did.communication.exposed);
    std::fflush(stdout);
    sgd.options().learning_rate *= 0.8;
  }
}

}  // namespace

int main(int argc, char** argv) {
  settings chosen;
  tutti::arguments line("train_mnist", "Trains a LeNet on handwritten digits.");
  line.value("--data", chosen.data, "DIR", "MNIST's four IDX files, gzip or not; otherwise the subset that is shipped");
  line.value("--epochs", chosen.epochs, "E", "passes over the training digits", 1, 10000);
  line.value("--batch", chosen.batch, "B", "digits in a batch, of all ranks together", std::size_t{1},
             std::size_t{60000});
  line.value("--seed", chosen.seed, "S", "of the first weights and of the digits' order", std::uint64_t{0},
             std::uint64_t{1} << 62);
  if (auto code = line.read(argc, argv)) return *code;
  return tutti::run(argc, argv, [&](tutti::communicator& world) { train(world, chosen); });
}
