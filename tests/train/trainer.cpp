#include <tutti/train/trainer.hpp>

#include <doctest/doctest.h>

#include <tutti/kernel/naive_backend.hpp>
#include <tutti/launch/threads.hpp>
#include <tutti/nn/networks/lenet.hpp>
#include <tutti/train/bucketed_all_reduce.hpp>
#include <tutti/train/sgd.hpp>
#include <tutti/transport/loopback.hpp>

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

/// Trains on `ranks` threads; what each rank has in the end.
template <template <class> class Policy = bucketed_all_reduce>
std::vector<outcome> train(int ranks, const trainer_options& options, std::size_t samples = 103, int epochs = 2) {
  const dataset data = stripes::pictures(samples, 1), test = stripes::pictures(50, 2);
  std::vector<outcome> all(static_cast<std::size_t>(ranks));
  loopback_fabric::world shared;
  run_threads(ranks, [&](auto& b) {
    session s(b, shared);
    communicator world(s);
    backend::context c;
    model<backend> m(c, stripes::small_network(), {.seed = 7});
    process_mesh on(world, {{"ranks", ranks}});
    const std::vector<unsigned> everywhere(m.parameters().parameters().size(), 1);
    auto policy = [&] {
      if constexpr (requires { Policy<float>(on, m.parameters(), everywhere); })
        return Policy<float>(on, m.parameters(), everywhere, {.bytes = 256});
      else return Policy<float>(m.parameters());
    }();
    sgd<float> o(m.parameters(), {.learning_rate = 0.05});
    trainer t(world, m, policy, o, data, options);
    outcome& mine = all[static_cast<std::size_t>(world.rank())];
    for (int e = 0; e < epochs; ++e) mine.epochs.push_back(t.train_epoch(static_cast<std::size_t>(e)));
    mine.test = t.evaluate(test);
    mine.parameters.assign(m.parameters().values().begin(), m.parameters().values().end());
  });
  return all;
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
  CHECK(train<bucketed_all_reduce>(1, {.batch = 10})[0].parameters ==
        train<local_gradients>(1, {.batch = 10})[0].parameters);
}

TEST_CASE("Batches smaller than the number of ranks, and no data at all, are only small") {
  for (const outcome& each : train(5, {.batch = 2}, 7)) CHECK(each.epochs[0].samples == 7);
  for (const outcome& each : train(2, {.batch = 2}, 0)) {
    CHECK(each.epochs[0].samples == 0);
    CHECK(each.epochs[0].loss == 0);
  }
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
  struct keep {
    std::vector<modular> gradients = {};
    parameter_store<modular>* store = nullptr;
    void update(std::size_t first, std::size_t count) {
      gradients.resize(store->gradients().size());
      for (std::size_t i = first; i < first + count; ++i) gradients[i] = store->gradients()[i];
    }
  };
  for (std::size_t batch : {std::size_t{3}, std::size_t{11}}) {
    std::vector<modular> alone;
    for (int ranks = 1; ranks <= 5; ++ranks) {
      INFO("ranks ", ranks, ", batch ", batch);
      std::vector<std::vector<modular>> all(static_cast<std::size_t>(ranks));
      loopback_fabric::world shared;
      run_threads(ranks, [&](auto& b) {
        session s(b, shared);
        communicator world(s);
        field::context c;
        model<field> m(c, net, {.seed = 1});
        process_mesh on(world, {{"ranks", ranks}});
        bucketed_all_reduce<modular> policy(on, m.parameters(), std::vector<unsigned>(m.parameters().parameters().size(), 1), {.bytes = 16});
        keep o{.store = &m.parameters()};
        const share mine = share_of(batch, world.rank(), ranks);
        auto& p = m.pass_for(mine.count, purpose::training);
        const random_stream x{.seed = 1, .purpose = 2}, dy{.seed = 1, .purpose = 3};
        for (std::size_t i = 0; i < p.input().size(); ++i) p.input()[i] = modular(x.at(mine.first * 16 + i));
        m.forward(p);
        for (std::size_t i = 0; i < p.output().size(); ++i) p.output_gradient()[i] = modular(dy.at(mine.first * 3 + i));
        m.backward(p, [&](const parameter& q, span<modular> g) { policy.push(q, g); });
        policy.finish(o);
        all[static_cast<std::size_t>(world.rank())] = o.gradients;
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
  };
  auto disagreement = [](auto change) {
    loopback_fabric::world shared;
    try {
      run_threads(2, [&](auto& b) {
        session s(b, shared);
        communicator world(s);
        plan mine;
        if (world.rank() == 1) change(mine);
        backend::context c;
        model<backend> m(c, stripes::small_network(), mine.model);
        if (mine.changed_weights) m.parameters().values()[3] += 1;
        process_mesh on(world, {{"ranks", 2}});
        bucketed_all_reduce<float> policy(on, m.parameters(), std::vector<unsigned>(m.parameters().parameters().size(), 1));
        sgd<float> o(m.parameters(), mine.optimiser);
        trainer t(world, m, policy, o, mine.data, mine.options);
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
  CHECK(said([](plan& p) { p.options.evaluation_batch = 3; }) == "none");
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
  CHECK(said([](plan& p) { p.model.seed = 2; }) == "initial parameters: rank 1 has other than rank 0");
  CHECK(said([](plan& p) { p.changed_weights = true; }) == "initial parameters: rank 1 has other than rank 0");
}

TEST_CASE("A network that does not fit the data is refused") {
  loopback_fabric::world shared;
  run_threads(1, [&](auto& b) {
    session s(b, shared);
    communicator world(s);
    backend::context c;
    auto refusal = [&](const network& net) {
      const dataset data = stripes::pictures(3, 1);
      model<backend> m(c, net);
      local_gradients<float> policy(m.parameters());
      sgd<float> o(m.parameters(), {});
      try {
        trainer t(world, m, policy, o, data);
      } catch (const error& e) {
        return std::string(e.what());
      }
      return std::string("none");
    };
    CHECK(refusal(lenet()) == "the network takes (channels 1, height 28, width 28), and the data are 1×6×6");
    network two({{"channels", 1}, {"height", 6}, {"width", 6}});
    CHECK(refusal(two.flatten().dense("d", {.units = 2})) ==
          "the network gives (batch 1, features 2), and the data have 3 classes");
    CHECK(refusal(stripes::small_network()) == "none");
  });
}

TEST_CASE("Data that do not fit the network are refused, for training as for evaluation") {
  loopback_fabric::world shared;
  run_threads(1, [&](auto& b) {
    session s(b, shared);
    communicator world(s);
    backend::context c;
    model<backend> m(c, stripes::small_network());
    local_gradients<float> policy(m.parameters());
    sgd<float> o(m.parameters(), {});
    const dataset good = stripes::pictures(5, 1);
    trainer t(world, m, policy, o, good);
    auto refusals = [&](auto change) {
      dataset data = stripes::pictures(5, 2);
      change(data);
      std::vector<std::string> texts;
      for (bool training : {true, false}) try {
          if (training) trainer(world, m, policy, o, data);
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
