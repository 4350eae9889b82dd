// Images a second of one training step after another, one thread a rank:
//
//     training --ranks 2 --model resnet18 --data ~/cifar10 --layout batch:ranks --samples 1024 --epochs 5
//
// Prints a line of JSON. --policy says when gradients are added up: as backward
// finds them, all at once behind it (serial), or never (none), which is what is
// left of a step without that communication.
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include <tutti/kernel/onednn.hpp>
#include <tutti/launch/arguments.hpp>
#include <tutti/nn/networks.hpp>
#include <tutti/train/bucketed_all_reduce.hpp>
#include <tutti/train/data_folder.hpp>
#include <tutti/train/trainer.hpp>
#include <tutti/train/sgd.hpp>
#include <tutti/tutti.hpp>

namespace {

struct settings {
  std::string data, model = "lenet", mesh, layout = "batch:ranks", policy = "buckets";
  std::size_t batch = 128, samples = 1024, bucket = tutti::bucket_options{}.bytes;
  int epochs = 5;
  bool winograd = false;
};

template <class Model, class Policy>
void measure(tutti::communicator& world, const settings& chosen, Model& model, Policy& policy, const tutti::dataset& data) {
  tutti::sgd<float> sgd(model.parameters(), {.learning_rate = 0.01, .momentum = 0.9, .weight_decay = 1e-3});
  tutti::trainer trainer(model, policy, sgd, data, {.batch = chosen.batch, .replicas_may_differ = chosen.policy == "none"});
  trainer.train_epoch(0);  // makes what is made once
  std::string speeds;
  tutti::communication_time communication;
  double seconds = 0, loss = 0;
  for (int epoch = 1; epoch <= chosen.epochs; ++epoch) {
    const tutti::epoch_report did = trainer.train_epoch(static_cast<std::size_t>(epoch));
    speeds += tutti::format("%s%.1f", epoch > 1 ? ", " : "", did.samples_per_second());
    communication.hidden += did.communication.hidden, communication.exposed += did.communication.exposed;
    seconds += did.seconds, loss = did.loss;
  }
  const double steps = static_cast<double>(chosen.epochs) * static_cast<double>((data.count + chosen.batch - 1) / chosen.batch);
  if (world.rank() == 0)
    std::printf("{\"library\": \"Tutti\", \"model\": \"%s\", \"layout\": \"%s\", \"policy\": \"%s\", \"ranks\": %d, \"batch\": %zu, "
                "\"images_per_second\": [%s], \"step_ms\": %.3f, \"hidden_ms\": %.3f, \"exposed_ms\": %.3f, \"loss\": %.4f}\n",
                chosen.model.c_str(), chosen.layout.c_str(), chosen.policy.c_str(), world.size(), chosen.batch, speeds.c_str(),
                1e3 * seconds / steps, 1e3 * communication.hidden / steps, 1e3 * communication.exposed / steps, loss);
}

void run(tutti::communicator& world, const settings& chosen) {
  tutti::dataset data = tutti::read_data(chosen.data).training;
  if (data.count > chosen.samples) data.count = chosen.samples;
  tutti::process_mesh mesh(world, tutti::mesh::parse(chosen.mesh.empty() ? tutti::format("ranks=%d", world.size()) : chosen.mesh));
  tutti::onednn::context cpu(1, {.winograd = chosen.winograd});
  const tutti::network net =
      tutti::network_called(chosen.model).make({.channels = data.channels, .height = data.height, .width = data.width, .classes = data.classes});
  tutti::sharded_model<tutti::onednn_backend> model(cpu, mesh, net, std::string_view(chosen.layout), {.usual_batch = chosen.batch});
  if (chosen.policy == "none") {
    tutti::local_gradients<float> policy(model.parameters());
    return measure(world, chosen, model, policy, data);
  }
  if (chosen.policy != "buckets" && chosen.policy != "serial")
    throw tutti::error(tutti::errc::invalid_argument, "--policy is buckets, serial or none, and not " + chosen.policy);
  tutti::bucketed_all_reduce policy(
      model, {.bytes = chosen.policy == "serial" ? std::numeric_limits<std::size_t>::max() / 2 : chosen.bucket});
  measure(world, chosen, model, policy, data);
}

}  // namespace

int main(int argc, char** argv) {
  settings chosen;
  tutti::arguments line("training", "Times training.");
  line.value("--data", chosen.data, "DIR", "MNIST's or CIFAR-10's files");
  line.value("--model", chosen.model, "NAME", "lenet, resnet18, ...");
  line.value("--mesh", chosen.mesh, "AXES", "as in data=2,model=2; otherwise one axis, ranks");
  line.value("--layout", chosen.layout, "RULES", "how the network is cut");
  line.value("--policy", chosen.policy, "WHEN", "gradients are added up: buckets, serial or none");
  line.value("--bucket", chosen.bucket, "BYTES", "in a bucket", std::size_t{1}, std::size_t{1} << 40);
  line.value("--batch", chosen.batch, "B", "pictures in a batch, of all ranks together", std::size_t{1}, std::size_t{60000});
  line.value("--samples", chosen.samples, "N", "pictures in an epoch", std::size_t{1}, std::size_t{60000});
  line.value("--epochs", chosen.epochs, "E", "that are timed, behind one that is not", 1, 10000);
  line.flag("--winograd", chosen.winograd, "convolutions that multiply less and round more, where oneDNN has them");
  if (auto code = line.read(argc, argv)) return *code;
  return tutti::run(argc, argv, [&](tutti::communicator& world) { run(world, chosen); });
}
