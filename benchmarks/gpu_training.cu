// Images per second of training steps on one GPU, whose memory the pictures are in
// already; the step is replayed from a graph.
//
//     gpu-training resnet50|resnet18 BATCH [STEPS]
//
// ResNet-50 takes 224×224, ResNet-18 CIFAR-10's 32×32; in bfloat16. Without a device it
// says so and exits 77. benchmarks/pytorch_gpu.py measures the same by PyTorch.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <tutti/base/clock.hpp>
#include <tutti/kernel/cudnn.cuh>
#include <tutti/kernel/random.hpp>
#include <tutti/launch/threads.hpp>
#include <tutti/nn/networks/resnet.hpp>
#include <tutti/train/device_sgd.hpp>
#include <tutti/transport/loopback.hpp>

namespace {

using backend = tutti::cudnn_backend<tutti::bfloat16>;
using tutti::cuda;

void measure(tutti::communicator& world, const std::string& model_name, std::size_t batch, int steps) {
  const tutti::pictures of = model_name == "resnet50" ? tutti::imagenet_pictures : tutti::cifar_pictures;
  tutti::cudnn::context c({.measure = true, .workspace_bytes = std::size_t{1} << 30});
  tutti::process_mesh on(world, tutti::mesh{});
  tutti::sharded_model<backend> model(c, on, model_name == "resnet50" ? tutti::resnet50(of) : tutti::resnet18(of), tutti::layout(), {.usual_batch = batch});
  tutti::device_sgd<backend> sgd(model, {.learning_rate = 0.01, .weight_decay = 1e-4});
  tutti::local_gradients<float, cuda> policy(model.parameters());
  tutti::sharded_pass<backend>& pass = model.pass_for(batch);

  const tutti::random_stream random{.seed = 20261122};
  std::vector<float> pictures(pass.input_block().elements());
  std::vector<std::uint8_t> labels(batch);
  for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i] = static_cast<float>(2 * random.uniform(i) - 1);
  for (std::size_t i = 0; i < batch; ++i) labels[i] = static_cast<std::uint8_t>(i % 10);
  backend::bring(c, tutti::span<const float>(pictures), pass.input_tensor());
  backend::losses losses(c, batch);
  c.device().copy(losses.labels().data(), labels.data(), batch, c.order());
  tutti::buffer<tutti::loss_figures, cuda> figures(1);
  auto step = [&] {
    model.forward(pass);
    losses(pass.output_tensor(), 1 / static_cast<float>(batch), sgd.loss_factor(), &pass.output_gradient_tensor(), true, figures);
    model.backward(pass, [](const tutti::parameter&, auto) {});
    policy.finish(sgd);
  };
  auto seconds = [&](auto run) {
    for (int k = 0; k < 5; ++k) run();
    backend::fill(c, tutti::span<tutti::loss_figures, cuda>(figures), tutti::loss_figures{});
    c.wait();
    const double begin = tutti::now();
    for (int k = 0; k < steps; ++k) run();
    c.wait();
    return (tutti::now() - begin) / steps;
  };
  auto line = [&](const char* how, double time) {
    tutti::loss_figures seen;
    backend::fetch(c, tutti::span<const tutti::loss_figures, cuda>(figures), tutti::span<tutti::loss_figures>(&seen, 1));
    if (!std::isfinite(seen.loss.sum) || seen.samples != batch * static_cast<std::size_t>(steps)) throw tutti::error(tutti::errc::device, "the steps computed no losses");
    std::printf("tutti %s %s, batch %zu: %.0f images/s, loss %.3f\n", model_name.c_str(), how, batch, static_cast<double>(batch) / time, seen.mean());
  };
  line("launched", seconds(step));
  tutti::recorded_work<tutti::cudnn::machine> work;
  work.record(c, step);
  line("replayed", seconds([&] { work.replay(c); }));
}

}  // namespace

int main(int argc, char** argv) {
  if (const std::string why = tutti::why_no_device(); !why.empty()) {
    std::printf("gpu-training: skipped: %s\n", why.c_str());
    return 77;
  }
  const std::string model = argc > 1 ? argv[1] : "";
  if (argc < 3 || (model != "resnet50" && model != "resnet18")) {
    std::fprintf(stderr, "gpu-training resnet50|resnet18 BATCH [STEPS]\n");
    return 2;
  }
  try {
    tutti::loopback_fabric::world shared{};
    tutti::run_threads(1, [&](auto& ranks) {
      tutti::session s(ranks, shared);
      tutti::communicator world(s);
      measure(world, model, std::strtoull(argv[2], nullptr, 10), argc > 3 ? std::atoi(argv[3]) : 50);
    });
  } catch (const std::exception& e) {
    std::fprintf(stderr, "gpu-training: %s\n", e.what());
    return 1;
  }
  return 0;
}
