// train_cnn on CUDA devices, by cuDNN and cuBLAS: compiled by nvcc, once for each type of
// elements since that takes long (TRAIN_CNN_ELEMENT), and called by train_cnn.cpp.
#include <tutti/kernel/cudnn.cuh>
#include <tutti/train/device_sgd.hpp>
#include <tutti/train/device_trainer.hpp>
#include <tutti/train/streamed_all_reduce.hpp>

#include "train_cnn.hpp"

namespace {

/// This rank's number among the ranks of its host, which share its devices.
int number_on_host(const tutti::communicator& world) {
  int number = 0;
  for (int r = 0; r < world.rank(); ++r) number += world.all().same_host(tutti::rank{r}, tutti::rank{world.rank()});
  return number;
}

}  // namespace

template <class T>
void train_on_cuda(tutti::communicator& world, const settings& chosen, const job& what) {
  using backend = tutti::cudnn_backend<T>;
  const int devices = tutti::device_count();
  tutti::cudnn::context gpu({.device = number_on_host(world) % devices, .tf32 = chosen.precision == "tf32"});
  tutti::process_mesh mesh(world, what.shape);
  tutti::sharded_model<backend> model(gpu, mesh, what.net, what.rules, {.seed = chosen.what.seed, .usual_batch = chosen.what.batch});
  tutti::device_sgd<backend> sgd(model, descent);
  tutti::streamed_all_reduce<backend> policy(model);
  tutti::device_trainer trainer(model, policy, sgd, what.data->training, options_of(chosen, what));
  run_epochs(trainer, chosen, what, world.rank() == 0);
  if (world.rank() == 0)
    std::printf("steps are %s\n", trainer.step().why_no_graph().empty() ? "replayed from graphs" : ("no graph: " + trainer.step().why_no_graph()).c_str());
  policy.close();
}

template void train_on_cuda<TRAIN_CNN_ELEMENT>(tutti::communicator&, const settings&, const job&);
