// How much of the sums of gradients is hidden behind backward, in steps that take turns
// in one run: without sums, with all of them behind backward, and with buckets that leave
// while backward goes on.
//
//     overlap --ranks 2 --model resnet18 --batch 64
//
// With --halo: how much of the halos of two convolutions that are cut by height is hidden
// behind what needs none, in steps without halos (each rank on pictures of its own, as
// high as its parts), with halos that all waits for, and with ones that only rims wait for.
//
// Hidden is 1 − (T_overlapped − T_without) / (T_serial − T_without), of the medians of the
// differences within a round, each of which is three steps, every other time in reverse:
// what is slow for longer than a round slows all three. On windows that is; over a
// throttled cable by benchmarks/overlap.sh.
#include <algorithm>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <time.h>

#include <tutti/base/clock.hpp>
#include <tutti/kernel/onednn.hpp>
#include <tutti/launch/arguments.hpp>
#include <tutti/nn/networks.hpp>
#include <tutti/train/bucketed_all_reduce.hpp>
#include <tutti/train/random_pictures.hpp>
#include <tutti/train/sgd.hpp>
#include <tutti/train/trainer.hpp>
#include <tutti/tutti.hpp>

#include "samples.hpp"

namespace {

using tutti::now;

struct settings {
  std::string model = "resnet18";
  std::size_t batch = 64, bucket = tutti::bucket_options{}.bytes;
  int rounds = 9;
  bool winograd = false, halo = false;
};

// Seconds of each step of a kind.
struct records {
  std::vector<double> seconds{}, backward{};
  std::vector<double> waited{};     // for sums, behind backward
  std::vector<double> processor{};  // that threads beside this one had of it
};

double processor_seconds() {
  const auto of = [](clockid_t clock) {
    timespec t;
    ::clock_gettime(clock, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  };
  return of(CLOCK_PROCESS_CPUTIME_ID) - of(CLOCK_THREAD_CPUTIME_ID);
}

// A policy, and how long backward takes from the first gradient to the last.
template <class Policy>
class timed {
 public:
  explicit timed(Policy& p) : policy_(&p) {}
  void fetch(const tutti::parameter& p) { begun_ = 0, policy_->fetch(p); }
  void push(const tutti::parameter& p, tutti::span<float> gradient) {
    if (begun_ == 0) begun_ = now();
    policy_->push(p, gradient);
    ended_ = now();
  }
  template <class Optimiser>
  void finish(Optimiser& o) {
    policy_->finish(o);
  }
  double backward() const { return ended_ - begun_; }
  tutti::communication_time time() const {
    if constexpr (requires { policy_->time(); }) return policy_->time();
    else return {};
  }

 private:
  Policy* policy_;
  double begun_ = 0, ended_ = 0;
};

using model_type = tutti::sharded_model<tutti::onednn_backend>;

template <class Policy>
struct stepping {
  tutti::sgd<float> sgd;
  timed<Policy> policy;
  tutti::trainer<tutti::onednn_backend, timed<Policy>, tutti::sgd<float>> trainer;
  records of{};
  std::size_t epoch = 0;

  // Nothing is learned: where nobody sums, ranks stay alike.
  stepping(model_type& model, Policy& p, const tutti::dataset& data)
      : sgd(model.parameters(), {.learning_rate = 0}), policy(p), trainer(model, policy, sgd, data, {.batch = data.count}) {}
  void step() {
    const double before = processor_seconds();
    const tutti::epoch_report did = trainer.train_epoch(epoch++);
    of.seconds.push_back(did.seconds);
    of.backward.push_back(policy.backward());
    of.waited.push_back(did.communication.exposed);
    of.processor.push_back(processor_seconds() - before);
  }
};

// Steps of convolutions alone, all of whose parts begin together.
struct convolving {
  tutti::communicator& world;
  model_type model;
  std::size_t batch;
  records of{};

  void step() {
    auto& pass = model.pass_for(batch);
    barrier(world);
    const double begun = now(), before = processor_seconds();
    model.forward(pass);
    const double made = now();
    for (float& value : pass.output_gradient()) value = 1;
    model.backward(pass, [](const tutti::parameter&, tutti::span<float>) {});
    of.backward.push_back(now() - made);
    barrier(world);
    of.seconds.push_back(now() - begun);
    of.processor.push_back(processor_seconds() - before);
  }
};

// The first round makes what is made once, and is not counted.
template <class Without, class Serial, class Overlapped>
void take_turns(int rounds, Without& without, Serial& serial, Overlapped& overlapped) {
  for (int round = -1; round < rounds; ++round) {
    if (round % 2 == 0) without.step(), serial.step(), overlapped.step();
    else overlapped.step(), serial.step(), without.step();
    if (round < 0) without.of = serial.of = overlapped.of = {};
  }
}

// Of an even number the mean of the two in the middle.
double median(std::vector<double> of) {
  std::sort(of.begin(), of.end());
  return of.empty() ? 0 : (of[(of.size() - 1) / 2] + of[of.size() / 2]) / 2;
}
double quantile(std::vector<double> of, double q) {
  std::sort(of.begin(), of.end());
  return benchmarks::quantile(of, q);
}

// `a` without `b`, round by round.
std::vector<double> beyond(std::vector<double> a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] -= b[i];
  return a;
}

std::string json(const records& without, const records& serial, const records& overlapped) {
  const std::vector<double> left = beyond(overlapped.seconds, without.seconds), whole = beyond(serial.seconds, without.seconds);
  std::vector<double> hidden;  // by round
  for (std::size_t i = 0; i < left.size(); ++i) hidden.push_back(1 - left[i] / whole[i]);
  const double backward = median(without.backward);
  return tutti::format("\"rounds\": %zu, \"backward_ms\": %.1f, \"without_ms\": %.1f, \"serial_ms\": %.1f, \"overlapped_ms\": %.1f, "
                       "\"processor_ms\": %.1f, \"exposed_of_backward\": %.3f, \"quartiles\": [%.3f, %.3f], \"hidden\": %.3f",
                       left.size(), 1e3 * backward, 1e3 * median(without.seconds), 1e3 * median(serial.seconds), 1e3 * median(overlapped.seconds),
                       1e3 * median(overlapped.processor), median(whole) / backward,
                       quantile(hidden, 0.25), quantile(hidden, 0.75), 1 - median(left) / median(whole));
}

void run_halo(tutti::communicator& world, const settings& chosen) {
  const auto ranks = static_cast<std::size_t>(world.size());
  constexpr std::size_t side = 64;
  std::optional<tutti::communicator> self = world.split(world.rank());
  tutti::process_mesh all(world, tutti::mesh::parse(tutti::format("ranks=%d", world.size()))), alone(*self, {});
  tutti::onednn::context cpu(1, {.winograd = chosen.winograd});
  auto net = [](std::size_t rows) {
    tutti::network n({{"channels", 32}, {"height", rows}, {"width", side}});
    return n.convolution("a", {.filters = 32, .kernel = 3, .padding = 1}).convolution("b", {.filters = 32, .kernel = 3, .padding = 1});
  };
  auto cut = [&](bool overlap) {
    return convolving{.world = world, .model = {cpu, all, net(side), "height:ranks", {.usual_batch = chosen.batch, .overlap_halo = overlap}}, .batch = chosen.batch};
  };
  convolving without{.world = world, .model = {cpu, alone, net(side / ranks), "", {.usual_batch = chosen.batch}}, .batch = chosen.batch}, serial = cut(false), overlapped = cut(true);
  take_turns(chosen.rounds, without, serial, overlapped);
  const double bytes = static_cast<double>(all.over(1).counters().sent().bytes) / (chosen.rounds + 1);
  if (world.rank() != 0) return;
  std::printf("{\"halo\": \"two of 3 x 3, 32 channels, 64 x 64\", \"ranks\": %d, \"batch\": %zu, \"winograd\": %s, \"bytes\": %.0f, %s, \"overlapped_over_serial\": %.3f}\n",
              world.size(), chosen.batch, chosen.winograd ? "true" : "false", bytes, json(without.of, serial.of, overlapped.of).c_str(),
              median(overlapped.of.seconds) / median(serial.of.seconds));
}

void run(tutti::communicator& world, const settings& chosen) {
  if (chosen.halo) return run_halo(world, chosen);
  tutti::process_mesh mesh(world, tutti::mesh::parse(tutti::format("ranks=%d", world.size())));
  tutti::onednn::context cpu(1, {.winograd = chosen.winograd});
  const tutti::network net = tutti::network_called(chosen.model).make({.channels = 3, .height = 32, .width = 32, .classes = 10});
  const tutti::dataset data = tutti::random_pictures(net, chosen.batch, 1);
  model_type model(cpu, mesh, net, "batch:ranks", {.usual_batch = chosen.batch});
  tutti::local_gradients<float> no_sums(model.parameters());
  tutti::bucketed_all_reduce all_at_once(model, {.bytes = std::numeric_limits<std::size_t>::max() / 2});
  tutti::bucketed_all_reduce buckets(model, {.bytes = chosen.bucket});
  stepping without(model, no_sums, data);
  stepping serial(model, all_at_once, data);
  stepping overlapped(model, buckets, data);
  take_turns(chosen.rounds, without, serial, overlapped);
  if (world.rank() != 0) return;
  const double p = world.size(), bytes = 2 * (p - 1) / p * sizeof(float) * static_cast<double>(model.parameters().gradients().size());
  std::printf("{\"model\": \"%s\", \"ranks\": %d, \"batch\": %zu, \"bucket\": %zu, \"winograd\": %s, \"bytes\": %.0f, \"waited_ms\": %.1f, %s}\n",
              chosen.model.c_str(), world.size(), chosen.batch, chosen.bucket, chosen.winograd ? "true" : "false", bytes,
              1e3 * median(overlapped.of.waited), json(without.of, serial.of, overlapped.of).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  settings chosen;
  tutti::arguments line("overlap", "How much of the sums of gradients is hidden.");
  line.value("--model", chosen.model, "NAME", "resnet18, lenet, ...");
  line.value("--bucket", chosen.bucket, "BYTES", "in a bucket", std::size_t{1}, std::size_t{1} << 40);
  line.value("--batch", chosen.batch, "B", "pictures in a batch, of all ranks together", std::size_t{1}, std::size_t{60000});
  line.value("--rounds", chosen.rounds, "R", "that are timed, behind one that is not", 1, 10000);
  line.flag("--halo", chosen.halo, "of halos, and not of gradients");
  line.flag("--winograd", chosen.winograd, "convolutions that multiply less and round more, where oneDNN has them");
  if (auto code = line.read(argc, argv)) return *code;
  return tutti::run(argc, argv, [&](tutti::communicator& world) { run(world, chosen); });
}
