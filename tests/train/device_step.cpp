#include <tutti/train/device_step.hpp>

#include <doctest/doctest.h>

#include <stdexcept>

#include <tutti/train/device_sgd.hpp>
#include <tutti/train/streamed_all_reduce.hpp>

#include "../comm/thread_ranks.hpp"
#include "../kernel/far_machine.hpp"
#include "stripes.hpp"

using namespace tutti;

TEST_CASE("figures come two batches late, and all of them in the end") {
  thread_ranks::run(1, [](communicator& world) {
    using backend = far_machine::far_backend<float>;
    backend::context c;
    process_mesh on(world, mesh{});
    sharded_model<backend> model(c, on, stripes::small_network(), layout(), {.usual_batch = 4});
    device_step<backend> steps(model, true);
    device_sgd<backend> o(model, {});
    struct {
      void fetch(const parameter&) {}
      void push(const parameter&, span<float, backend::space>) {}
      void finish(device_sgd<backend>&) {}
    } nothing;
    const dataset data = stripes::pictures(4, 1);
    const sample_reader reader(data);
    const std::uint32_t samples[] = {0, 1, 2, 3};
    steps.begin();
    for (std::size_t n = 0; n < 5; ++n) {
      CHECK(steps.so_far().samples == (n < 2 ? 0 : 4 * (n - 2)));
      steps.run(span<const std::uint32_t>(samples, 4), reader, purpose::training, nothing, o);
    }
    CHECK(steps.total().samples == 20);
    CHECK(steps.why_no_graph() == "the gradients' policy does not say that it can be recorded");
    steps.begin();
    CHECK(steps.total().samples == 0);
  });
}

TEST_CASE("batches of a size that cannot be recorded are done piece by piece, and others are still replayed") {
  thread_ranks::run(1, [](communicator& world) {
    using backend = far_machine::far_backend<float>;
    struct {
      bool broken = false;
      void fetch(const parameter&) {}
      void push(const parameter&, span<float, backend::space>) {
        if (broken && far_machine::recording) throw std::runtime_error("not while this is recorded");
      }
      void finish(device_sgd<backend>&) {}
      bool can_be_recorded() const { return true; }
    } policy;
    backend::context c;
    process_mesh on(world, mesh{});
    sharded_model<backend> model(c, on, stripes::small_network(), layout(), {.usual_batch = 4});
    device_step<backend> steps(model, true);
    device_sgd<backend> o(model, {});
    const dataset data = stripes::pictures(4, 1);
    const sample_reader reader(data);
    const std::uint32_t samples[] = {0, 1, 2, 3};
    int& replays = far_machine::away::graph::replays();
    replays = 0;
    auto run = [&](std::size_t batch) { steps.run(span<const std::uint32_t>(samples, batch), reader, purpose::training, policy, o); };
    run(4), run(4);
    CHECK(replays == 1);
    CHECK(steps.why_no_graph().empty());
    policy.broken = true;
    run(3), run(3), run(3);
    CHECK(replays == 1);
    CHECK(steps.why_no_graph() == "not while this is recorded");
    run(4);
    CHECK(replays == 2);
    policy.broken = false;
    run(2), run(2), run(3);  // 3 is not tried again
    CHECK(replays == 3);
    CHECK(steps.total().samples == 4 + 4 + 3 * 3 + 4 + 2 + 2 + 3);
  });
}

TEST_CASE("a step that waits for a device which waits for a rank that is lost says so, and what it waits for is given up") {
  using backend = far_machine::far_backend<float>;
  std::vector<std::string> heard(2);
  thread_ranks::run(2, [&](communicator& world, session& s) {
    backend::context c;
    // A stream that goes on only once others have come, or are given up.
    struct stuck final : device_wait {
      explicit stuck(backend::context& c, device_waits& all) : held(c), waits(all) { waits.add(*this); }
      ~stuck() { waits.remove(*this); }
      void check() const override {}
      void give_up(const std::string& text) override { why = text, held.order()->release(); }
      backend::context& held;
      device_waits& waits;
      std::string why{};
    } others(c, s.device_waits());
    process_mesh on(world, mesh{{"data", 2}});
    sharded_model<backend> model(c, on, stripes::small_network(), "batch:data", {.usual_batch = 4});
    device_sgd<backend> o(model, {});
    streamed_all_reduce<backend> policy(model);
    const dataset data = stripes::pictures(4, 1);
    const sample_reader reader(data);
    const std::uint32_t samples[] = {0, 1, 2, 3};
    std::string& mine = heard[static_cast<std::size_t>(world.rank())];
    try {
      device_step<backend> steps(model, true);
      for (int n = 0; n < 3; ++n) steps.run(span<const std::uint32_t>(samples, 4), reader, purpose::training, policy, o);
      if (steps.total().samples != 6) mine = "not all samples. ";
      c.wait();
      c.order()->hold_after(0);
      if (world.rank() == 1) s.abandon("it has enough");
      steps.run(span<const std::uint32_t>(samples, 4), reader, purpose::evaluation, policy, o);
      steps.total();
    } catch (const error& e) {
      mine += e.what();
    }
    if (others.why != "rank 1 failed: it has enough") mine += ", and it was not given up";
    c.wait();
  });
  for (const std::string& each : heard) CHECK(each == "rank 1 failed: it has enough");
}

TEST_CASE("what one rank fails to record halfway is done piece by piece there, tried once more, and all ranks train on alike") {
  using backend = far_machine::far_backend<float>;
  // As streamed_all_reduce, but for what it cannot record on rank 1.
  struct fails_halfway {
    streamed_all_reduce<backend> all;
    int* left;  // so many recordings fail yet
    void fetch(const parameter& p) { all.fetch(p); }
    void push(const parameter& p, span<float, backend::space> gradient) {
      all.push(p, gradient);
      if (far_machine::recording && p.index == 2 && *left > 0) {
        --*left;
        throw std::runtime_error("somebody waits for the whole device");
      }
    }
    void finish(device_sgd<backend>& o) { all.finish(o); }
    bool can_be_recorded() const { return true; }
    void begin_again() { all.begin_again(); }
  };
  for (int failures : {0, 1, 2}) {
    CAPTURE(failures);
    std::vector<std::vector<float>> ends(2);
    std::vector<int> replays(2);
    std::vector<std::string> why(2);
    thread_ranks::run(2, [&](communicator& world) {
      const auto me = static_cast<std::size_t>(world.rank());
      backend::context c;
      process_mesh on(world, mesh{{"data", 2}});
      sharded_model<backend> model(c, on, stripes::small_network(), "batch:data", {.usual_batch = 4});
      device_sgd<backend> o(model, {.learning_rate = 0.1});
      int left = me == 1 ? failures : 0;
      fails_halfway policy{streamed_all_reduce<backend>(model, {.bytes = 64}), &left};
      device_step<backend> steps(model, true);
      const dataset data = stripes::pictures(4, 1);
      const sample_reader reader(data);
      const std::uint32_t samples[] = {0, 1, 2, 3};
      far_machine::away::graph::replays() = 0;
      for (int n = 0; n < 6; ++n) steps.run(span<const std::uint32_t>(samples, 4), reader, purpose::training, policy, o);
      steps.total();
      replays[me] = far_machine::away::graph::replays();
      why[me] = steps.why_no_graph();
      for (const parameter& p : model.whole())
        for (float value : model.read(p.index)) ends[me].push_back(value);
      policy.all.close();
    });
    static std::vector<float> without_failure;
    if (failures == 0) without_failure = ends[0];
    CHECK(ends[0] == without_failure);
    CHECK(ends[1] == without_failure);
    CHECK(why[0] == "");
    CHECK(why[1] == (failures == 2 ? "somebody waits for the whole device" : ""));
    // Five steps are replayed, as many pieces each, or one less on rank 1, or none.
    CHECK(replays[0] > 5);
    CHECK(5 * replays[1] == (failures == 2 ? 0 : (5 - failures) * replays[0]));
  }
}

TEST_CASE("what was recorded with one optimiser is recorded again with another") {
  using backend = far_machine::far_backend<float>;
  thread_ranks::run(1, [](communicator& world) {
    backend::context c;
    process_mesh on(world, mesh{});
    sharded_model<backend> model(c, on, stripes::small_network(), layout(), {.usual_batch = 4});
    device_sgd<backend> still(model, {.learning_rate = 0}), moves(model, {.learning_rate = 0.1});
    local_gradients<float, backend::space> policy(model.parameters());
    device_step<backend> steps(model, true);
    const dataset data = stripes::pictures(4, 1);
    const sample_reader reader(data);
    const std::uint32_t samples[] = {0, 1, 2, 3};
    const std::vector<float> first = model.read(0);
    for (int n = 0; n < 3; ++n) steps.run(span<const std::uint32_t>(samples, 4), reader, purpose::training, policy, still);
    CHECK(model.read(0) == first);
    steps.run(span<const std::uint32_t>(samples, 4), reader, purpose::training, policy, moves);
    CHECK(model.read(0) != first);
    steps.total();
  });
}
