#include <tutti/train/device_sgd.hpp>

#include <doctest/doctest.h>

#include <limits>

#include "../comm/thread_ranks.hpp"
#include "../kernel/far_machine.hpp"
#include "stripes.hpp"

using namespace tutti;

TEST_CASE("halves' gradients that are not finite on one rank change nothing on any, but for the factor") {
  using backend = far_machine::far_backend<tutti::half>;
  std::vector<int> right(2);
  thread_ranks::run(2, [&](communicator& world) {
    backend::context c;
    process_mesh on(world, {{"p", 2}});
    sharded_model<backend> model(c, on, stripes::small_network(), "a/filters:p,b/units:p", {});
    device_sgd<backend> o(model, {.learning_rate = 1, .momentum = 0});
    static_assert(device_sgd<backend>::scaled && !device_sgd<far_machine::far_backend<bfloat16>>::scaled);
    const std::size_t n = model.parameters().values().size();
    auto factor = [&] {
      float seen = 0;
      backend::fetch(c, o.loss_factor(), span<float>(&seen, 1));
      return seen;
    };
    auto step = [&](float gradient) {
      backend::fill(c, model.parameters().gradients(), gradient);
      o.update(0, n / 2);
      o.update(n / 2, n - n / 2);
      o.end_step();
      return model.read_part(0);
    };
    const std::vector<float> before = model.read_part(0);
    const bool first = world.rank() == 0;
    bool good = step(first ? std::numeric_limits<float>::infinity() : 1.0f) == before && factor() == 32768;
    const std::vector<float> after = step(2 * 32768.0f);
    for (std::size_t i = 0; i < before.size(); ++i) good &= after[i] == before[i] - 2.0f;
    right[static_cast<std::size_t>(world.rank())] = good && factor() == 32768;
    barrier(world);
  });
  CHECK(right == std::vector<int>{1, 1});
}
