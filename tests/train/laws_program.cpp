// Trains what the example trains, as it does by default, for one epoch, and
// prints what it came to, to the last bit: `laws_program DATA [INNER_SEED]
// [--ranks N]`.
#include <cstdio>
#include <cstdlib>

#include <tutti/kernel/onednn.hpp>
#include <tutti/nn/networks/lenet.hpp>
#include <tutti/train/bucketed_all_reduce.hpp>
#include <tutti/train/sgd.hpp>
#include <tutti/train/trainer.hpp>
#include <tutti/tutti.hpp>

int main(int argc, char** argv) {
  return tutti::run(argc, argv, [&](tutti::communicator& world) {
    const tutti::data_sets data = tutti::read_mnist(argv[1]);
    tutti::onednn::context cpu(1);  // ranks share the cores of whoever runs the tests
    tutti::model<tutti::onednn_backend> model(cpu, tutti::lenet(),
                                              {.usual_batch = tutti::usual_batch(64, world.size())});
    tutti::process_mesh mesh(world, {{"ranks", world.size()}});
    tutti::bucketed_all_reduce<float> policy(mesh, model.parameters(), std::vector<unsigned>(model.parameters().parameters().size(), 1));
    tutti::sgd<float> sgd(model.parameters(), {.learning_rate = 0.01, .momentum = 0.9, .weight_decay = 1e-3});
    tutti::trainer trainer(world, model, policy, sgd, data.training,
                           {.batch = 64, .inner_seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0});
    const tutti::epoch_report did = trainer.train_epoch(0);
    std::uint64_t hash = 14695981039346656037u;
    for (const tutti::parameter& p : model.parameters().parameters())
      for (float v : model.read(p)) hash = (hash ^ std::bit_cast<std::uint32_t>(v)) * 1099511628211u;
    if (world.rank() == 0)
      std::printf("%a %016llx %zu\n", did.loss, static_cast<unsigned long long>(hash), did.samples);
  });
}
