#include <tutti/train/device_step.hpp>

#include <doctest/doctest.h>

#include <stdexcept>

#include <tutti/train/device_sgd.hpp>

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
