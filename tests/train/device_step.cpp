#include <tutti/train/device_step.hpp>

#include <doctest/doctest.h>

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
