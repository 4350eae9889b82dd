#include <tutti/train/trainer.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <tutti/kernel/naive_backend.hpp>
#include <tutti/nn/networks/lenet.hpp>
#include <tutti/train/bucketed_all_reduce.hpp>
#include <tutti/train/sgd.hpp>

#include "../comm/thread_ranks.hpp"
#include "../kernel/modular.hpp"
#include "stripes.hpp"

using namespace tutti;

namespace {

using backend = naive_backend<float>;

struct outcome {
  std::vector<epoch_report> epochs = {};
  evaluation_report test = {};
  std::vector<float> parameters = {};
};

/// Trains on threads; what each rank has in the end.
template <bool Local = false>
std::vector<outcome> train(const mesh& m, std::string_view rules, const trainer_options& options, std::size_t samples = 103, int epochs = 2,
                           const network& net = stripes::small_network()) {
  const dataset data = stripes::pictures(samples, 1), test = stripes::pictures(50, 2);
  std::vector<outcome> all(static_cast<std::size_t>(m.size()));
  thread_ranks::run(m.size(), [&](communicator& world) {
    backend::context c;
    process_mesh on(world, m);
    sharded_model<backend> model(c, on, net, rules, {.seed = 7, .usual_batch = options.batch});
    sgd<float> o(model.parameters(), {.learning_rate = 0.05});
    auto policy = [&] {
      if constexpr (Local) return local_gradients<float>(model.parameters());
      else return bucketed_all_reduce<float>(model, {.bytes = 256});
    }();
    trainer t(model, policy, o, data, options);
    outcome& mine = all[static_cast<std::size_t>(world.rank())];
    for (int e = 0; e < epochs; ++e) mine.epochs.push_back(t.train_epoch(static_cast<std::size_t>(e)));
    mine.test = t.evaluate(test);
    for (const parameter& p : model.whole())
      for (float value : model.read(p.index)) mine.parameters.push_back(value);
  });
  return all;
}

std::vector<outcome> train(int ranks, const trainer_options& options, std::size_t samples = 103, int epochs = 2) {
  return train({{"ranks", ranks}}, "batch:ranks", options, samples, epochs);
}

double distance(const outcome& a, const outcome& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.parameters.size(); ++i)
    most = std::max(most, std::abs(static_cast<double>(a.parameters[i]) - static_cast<double>(b.parameters[i])));
  for (std::size_t e = 0; e < a.epochs.size(); ++e) most = std::max(most, std::abs(a.epochs[e].loss - b.epochs[e].loss));
  return most;
}

}  // namespace

TEST_CASE("A network learns, and all ranks have the same one and the same figures") {
  for (int ranks : {1, 2, 3, 5}) {
    CAPTURE(ranks);
    const auto all = train(ranks, {.batch = 8, .evaluation_batch = 7}, 300, 6);
    for (const outcome& each : all) {
      CHECK(each.parameters == all[0].parameters);
      CHECK(each.epochs.back().loss == all[0].epochs.back().loss);
      CHECK(each.epochs.back().samples == 300);
      CHECK(each.test.samples == 50);
      CHECK(each.test.accuracy == all[0].test.accuracy);
    }
    CHECK(all[0].epochs.back().loss < 0.5 * all[0].epochs.front().loss);
    CHECK(all[0].test.accuracy > 0.8);
  }
}

TEST_CASE("The same run twice gives the same bits") {
  for (int ranks : {2, 3}) {
    const auto one = train(ranks, {.batch = 10, .seed = 3}), two = train(ranks, {.batch = 10, .seed = 3});
    CHECK(one[0].parameters == two[0].parameters);
    CHECK(one[0].epochs[1].loss == two[0].epochs[1].loss);
    CHECK(one[0].parameters != train(ranks, {.batch = 10, .seed = 4})[0].parameters);
  }
}

TEST_CASE("One rank is the same with and without a policy that communicates") {
  CHECK(train({}, "", {.batch = 10})[0].parameters == train<true>({}, "", {.batch = 10})[0].parameters);
}

TEST_CASE("A policy that adds nothing up is refused where gradients are sums over several ranks, unless replicas may differ") {
  const char* sentence =
      "the gradient of 'a.weights' is a sum over 'ranks', and the policy adds nothing up; take one that does, as bucketed_all_reduce, or set "
      "replicas_may_differ";
  CHECK_THROWS_WITH_AS(train<true>({{"ranks", 2}}, "batch:ranks", {.batch = 10}), doctest::Contains(sentence), error);
  const auto apart = train<true>({{"ranks", 2}}, "batch:ranks", {.batch = 10, .replicas_may_differ = true}, 20, 1);
  CHECK(apart[0].parameters != apart[1].parameters);
  CHECK(train<true>({{"ranks", 1}}, "batch:ranks", {.batch = 10}, 20, 1)[0].epochs[0].samples == 20);
}

TEST_CASE("A last batch smaller than its axis, and no data at all, are only small") {
  for (const outcome& each : train(5, {.batch = 5}, 7)) CHECK(each.epochs[0].samples == 7);
  for (const outcome& each : train(2, {.batch = 2}, 0)) {
    CHECK(each.epochs[0].samples == 0);
    CHECK(each.epochs[0].loss == 0);
  }
}

TEST_CASE("in every layout training gives what one rank's gives, within four times what another order of samples does there") {
  // Varied pictures, and a rate that changes from step to step, are the same everywhere too.
  const struct {
    const char* on;
    const char* rules;
  } plain[] = {{"data=3", "batch:data"},
               {"model=2", "a/filters:model,b/units:model,c/units:model"},
               {"rows=2,columns=2", "a/height:rows,a/width:columns,b/units:rows+columns"},
               {"data=2,model=2", "batch:data,a/filters:model,b/units:model"},
               {"p=4", "a/batch:p,b/units:p,c/units:p"}},
    residual[] = {{"data=3", "batch:data"},
                  {"model=2", "a/filters:model,b/filters:model,s/filters:model,c/units:model"},
                  {"p=2", "a/height:p,b/height:p,s/height:p"},
                  {"data=2,model=2", "batch:data,a/filters:model,c/units:model"}};
  auto check = [](const network& net, const auto& layouts) {
    auto in = [&](const char* on, const char* rules, std::uint64_t inner_seed = 0) {
      return train(mesh::parse(on), rules,
                   {.batch = 8, .inner_seed = inner_seed, .evaluation_batch = 20, .vary = {.flip = true, .crop = 1},
                    .rate = learning_rate{.base = 0.05, .decay = rate_decay::cosine, .period = 18, .warm_up = 3}}, 45, 3, net);
    };
    const outcome one = in("", "")[0];
    CHECK(one.epochs.back().samples == 45);
    CHECK(one.epochs.back().loss < one.epochs.front().loss);
    double spread = 0;
    for (std::uint64_t inner = 1; inner <= 4; ++inner) spread = std::max(spread, distance(one, in("", "", inner)[0]));
    CHECK(spread > 0);
    for (const auto& layout : layouts) {
      CAPTURE(std::string(layout.rules));
      const outcome cut = in(layout.on, layout.rules).back();
      CHECK(cut.epochs.back().samples == 45);
      CHECK(cut.test.samples == 50);
      CHECK(distance(one, cut) <= 4 * spread);
    }
    MESSAGE("spread on one rank: " << spread);
  };
  check(stripes::small_network(), plain);
  check(stripes::residual_network(), residual);
}

TEST_CASE("Evaluation says the same for any number of ranks and any batch") {
  // A sample's logits do not depend on its batch in the plain kernels; sums of 50 losses in another order differ
  // by 49 roundings of less than 2⁻⁵² of the sum.
  const auto one = train(1, {.batch = 10, .evaluation_batch = 50}, 103, 0)[0].test;
  for (int ranks : {2, 3, 4}) {
    const auto test = train(ranks, {.batch = 10, .evaluation_batch = 3}, 103, 0)[0].test;
    CHECK(test.accuracy == one.accuracy);
    CHECK(std::abs(test.loss - one.loss) <= 49 * 0x1p-52 * one.loss);
  }
}

TEST_CASE("The gradient of a batch is the same on any number of ranks, exactly, over a prime field") {
  network net({{"channels", 1}, {"height", 4}, {"width", 4}});
  net.convolution("a", {.filters = 2, .kernel = 3})
      .max_pool("p", {.kernel = 2, .stride = 1})
      .relu()
      .flatten()
      .dense("b", {.units = 3});
  using field = naive_backend<modular>;
  struct nothing {
    void update(std::size_t, std::size_t) {}
  };
  const random_stream x{.seed = 1, .purpose = 2}, dy{.seed = 1, .purpose = 3};
  for (std::size_t batch : {std::size_t{3}, std::size_t{11}}) {
    std::vector<modular> alone;
    for (int ranks = 1; ranks <= 5; ++ranks) {
      INFO("ranks ", ranks, ", batch ", batch);
      std::vector<std::vector<modular>> all(static_cast<std::size_t>(ranks));
      thread_ranks::run(ranks, [&](communicator& world) {
        field::context c;
        process_mesh on(world, {{"ranks", ranks}});
        sharded_model<field> m(c, on, net, "batch:ranks", {.usual_batch = batch});
        bucketed_all_reduce policy(m, {.bytes = 16});
        nothing o;
        auto& p = m.pass_for(batch);
        const std::size_t first = p.input_block()[0].first;
        for (std::size_t i = 0; i < p.input().size(); ++i) p.input()[i] = modular(x.at(first * 16 + i));
        m.forward(p);
        for (std::size_t i = 0; i < p.output().size(); ++i) p.output_gradient()[i] = modular(dy.at(first * 3 + i));
        m.backward(p, [&](const parameter& q, span<modular> g) { policy.push(q, g); });
        policy.finish(o);
        const span<modular> sums = m.parameters().gradients();
        all[static_cast<std::size_t>(world.rank())].assign(sums.begin(), sums.end());
      });
      if (ranks == 1) alone = all[0];
      for (const auto& each : all) CHECK(each == alone);
    }
  }
}

TEST_CASE("Ranks that would train different things are told so before the first step") {
  struct plan {
    trainer_options options{.batch = 8, .seed = 1};
    sgd_options optimiser = {};
    model_options model = {};
    dataset data = stripes::pictures(20, 1);
    bool changed_weights = false;
    std::string_view layout = "batch:ranks";
  };
  auto disagreement = [](auto change) {
    try {
      thread_ranks::run(2, [&](communicator& world) {
        plan mine;
        if (world.rank() == 1) change(mine);
        backend::context c;
        process_mesh on(world, {{"ranks", 2}});
        sharded_model<backend> m(c, on, stripes::small_network(), mine.layout, mine.model);
        if (mine.changed_weights) m.parameters().values()[3] += 1;
        bucketed_all_reduce policy(m);
        sgd<float> o(m.parameters(), mine.optimiser);
        trainer t(m, policy, o, mine.data, mine.options);
      });
    } catch (const error& e) {
      CHECK(e.code() == errc::mismatch);
      return std::string(e.what());
    }
    return std::string("none");
  };
  const std::string begin = "the ranks disagree on the ";
  // Whichever rank is seen to fail first is put before it.
  auto said = [&](auto change) {
    const std::string text = disagreement(change);
    const std::size_t at = text.find(begin);
    return at == std::string::npos ? text : text.substr(at + begin.size());
  };
  CHECK(said([](plan&) {}) == "none");
  CHECK(said([](plan& p) { p.options.evaluation_batch = 3; }) == "evaluation batch: rank 0 has 256, rank 1 has 3");
  CHECK(said([](plan& p) { p.options.vary.flip = true; }) == "flips of pictures: rank 0 has 0, rank 1 has 1");
  CHECK(said([](plan& p) { p.options.vary.crop = 4; }) == "crop of pictures: rank 0 has 0, rank 1 has 4");
  CHECK(said([](plan& p) { p.options.rate = learning_rate{.base = 0.5}; }) == "schedule's learning rate: rank 0 has -1, rank 1 has 0.5");
  CHECK(said([](plan& p) { p.data.scales[0].mean = 0.5f; }) == "normalisation of the data: rank 1 has other than rank 0");
  CHECK(said([](plan& p) { p.options.batch = 9; }) == "batch: rank 0 has 8, rank 1 has 9");
  CHECK(said([](plan& p) { p.options.seed = 2; }) == "seed: rank 0 has 1, rank 1 has 2");
  CHECK(said([](plan& p) { p.options.inner_seed = 2; }) == "inner seed: rank 0 has 0, rank 1 has 2");
  CHECK(said([](plan& p) { p.data = stripes::pictures(19, 1); }) == "number of training samples: rank 0 has 20, rank 1 has 19");
  CHECK(said([](plan& p) { p.optimiser.learning_rate = 0.5; }) ==
        "learning rate: rank 0 has 0.01, rank 1 has 0.5");
  CHECK(said([](plan& p) { p.optimiser.momentum = 0; }) == "momentum: rank 0 has 0.9, rank 1 has 0");
  CHECK(said([](plan& p) { p.optimiser.weight_decay = 0.5; }) == "weight decay: rank 0 has 0, rank 1 has 0.5");
  CHECK(said([](plan& p) { p.data.labels[19] = p.data.labels[19] == 0; }) ==
        "training labels: rank 1 has other than rank 0");
  CHECK(said([](plan& p) { p.data.pixels.back() ^= 1; }) == "training pictures: rank 1 has other than rank 0");
  CHECK(said([](plan& p) { p.model.seed = 2; }) == "initial parameters: rank 1 has other 'a.weights' than rank 0");
  CHECK(said([](plan& p) { p.changed_weights = true; }) == "initial parameters: rank 1 has other 'a.weights' than rank 0");
}

TEST_CASE("A network that does not fit the data is refused, and so is a batch smaller than its axis") {
  auto refusal = [&](const network& net, std::size_t batch = 8, std::size_t evaluation_batch = 256) {
    try {
      thread_ranks::run(3, [&](communicator& world) {
        backend::context c;
        process_mesh on(world, {{"data", 3}});
        const dataset data = stripes::pictures(9, 1);
        sharded_model<backend> m(c, on, net, "batch:data");
        bucketed_all_reduce policy(m);
        sgd<float> o(m.parameters(), {});
        trainer t(m, policy, o, data, {.batch = batch, .evaluation_batch = evaluation_batch});
      });
    } catch (const error& e) {
      const std::string text = e.what();
      return text.rfind("rank ", 0) == 0 ? text.substr(text.find(": ") + 2) : text;  // whichever comes to it first
    }
    return std::string("none");
  };
  CHECK(refusal(lenet()) == "the network takes (channels 1, height 28, width 28), and the data are 1×6×6");
  network two({{"channels", 1}, {"height", 6}, {"width", 6}});
  CHECK(refusal(two.flatten().dense("d", {.units = 2})) == "the network gives (batch 1, features 2), and the data have 3 classes");
  CHECK(refusal(stripes::small_network(), 2) ==
        "layer 'a' cuts the dimension 'batch', which is 2, over the axis 'data' of 3 ranks: a batch of 3 or more is needed, or a shorter axis");
  CHECK(refusal(stripes::small_network(), 3) == "none");
  CHECK(refusal(stripes::small_network(), 3, 0) == "an evaluation batch needs at least one sample");
}

TEST_CASE("Data that do not fit the network are refused, for training as for evaluation") {
  thread_ranks::run(1, [&](communicator& world) {
    backend::context c;
    process_mesh on(world, {});
    sharded_model<backend> m(c, on, stripes::small_network(), "");
    local_gradients<float> policy(m.parameters());
    sgd<float> o(m.parameters(), {});
    const dataset good = stripes::pictures(5, 1);
    trainer t(m, policy, o, good);
    auto refusals = [&](auto change) {
      dataset data = stripes::pictures(5, 2);
      change(data);
      std::vector<std::string> texts;
      for (bool training : {true, false}) try {
          if (training) trainer(m, policy, o, data);
          else t.evaluate(data);
          texts.push_back("none");
        } catch (const error& e) {
          CHECK(e.code() == errc::invalid_argument);
          texts.push_back(e.what());
        }
      CHECK(texts[0] == texts[1]);
      return texts[1];
    };
    CHECK(refusals([](dataset&) {}) == "none");
    CHECK(refusals([](dataset& d) { d.labels[4] = 3; }) ==
          "label 3 of sample 4 is out of range: the network has 3 classes");
    CHECK(refusals([](dataset& d) { d.labels[4] = 3, d.count = 4; }) == "none");
    CHECK(refusals([](dataset& d) { d.height = 4, d.width = 9; }) ==
          "the network takes (channels 1, height 6, width 6), and the data are 1×4×9");
    CHECK(refusals([](dataset& d) { d.labels.pop_back(); }) ==
          "5 samples are said to be in 4 labels and 180 pixels");
    CHECK(refusals([](dataset& d) { d.pixels.pop_back(); }) ==
          "5 samples are said to be in 5 labels and 179 pixels");
  });
}
